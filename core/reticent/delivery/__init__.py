"""Delivery: run logs to backends, at least once, each backend at its own pace."""

from reticent.delivery.lane import Arrived, Failed, Lane, end
from reticent.delivery.sender import Sender
from reticent.delivery.stricter import Stricter

__all__ = ["Arrived", "Failed", "Lane", "Sender", "Stricter", "end"]
