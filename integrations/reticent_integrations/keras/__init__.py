"""Keras 3, on whichever of its backends."""

from reticent.patching import Integration

integration = Integration("keras", module="keras", requires=">=3.5", patches=())
