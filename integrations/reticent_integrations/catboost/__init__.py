"""CatBoost."""

from reticent.patching import Integration

integration = Integration("catboost", module="catboost", requires=">=1.2", patches=())
