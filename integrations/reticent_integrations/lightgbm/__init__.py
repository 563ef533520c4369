"""LightGBM."""

from reticent.patching import Integration

integration = Integration("lightgbm", module="lightgbm", requires=">=4.3", patches=())
