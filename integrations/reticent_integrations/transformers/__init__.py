"""Hugging Face Transformers and PEFT."""
