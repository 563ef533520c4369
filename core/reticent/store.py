"""Runs read back: from the embedded store, brought up to date with the run logs first. No server, no configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass
