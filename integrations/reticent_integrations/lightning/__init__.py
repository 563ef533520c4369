"""Lightning, by both of its names: `lightning.pytorch` and `pytorch_lightning`, whose classes are different ones."""

from reticent.patching import Integration

integration = Integration("lightning", module="lightning", requires=">=2.4", patches=())
pytorch_lightning = Integration("pytorch_lightning", module="pytorch_lightning", requires=">=2.4", patches=())
