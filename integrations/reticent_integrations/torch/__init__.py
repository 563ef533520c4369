"""PyTorch and Lightning."""
