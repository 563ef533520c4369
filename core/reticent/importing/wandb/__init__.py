"""Runs of Weights & Biases, from the directory in which its SDK keeps them."""

from reticent.importing.wandb.directory import runs

__all__ = ["runs"]
