"""statsmodels."""

from reticent.patching import Integration

integration = Integration("statsmodels", module="statsmodels", requires=">=0.14", patches=())
