"""PyTorch and Lightning."""

from reticent.patching import Integration

integration = Integration("torch", module="torch", requires=">=2.5", patches=())
