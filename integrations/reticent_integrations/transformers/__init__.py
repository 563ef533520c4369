"""Hugging Face Transformers and PEFT."""

from reticent.patching import Integration

integration = Integration("transformers", module="transformers", requires=">=4.57", patches=())
