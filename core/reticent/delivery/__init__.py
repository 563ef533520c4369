"""Delivery: run logs to backends, at least once, each backend at its own pace."""

from reticent.delivery.sender import Sender
from reticent.delivery.stricter import Stricter

__all__ = ["Sender", "Stricter"]
