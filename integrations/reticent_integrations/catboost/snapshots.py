"""The snapshot that a training writes to go on from, if it is told to."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reticent.patching import Capture


def log(capture: Capture, told: Mapping[str, Any], step: int) -> None:
    """Keep it as the checkpoint of the last step."""
    if not told.get("save_snapshot") or step < 0:
        return
    directory = os.fspath(told.get("train_dir") or "catboost_info")
    path = Path(directory, os.fspath(told.get("snapshot_file") or "experiment.cbsnapshot"))
    if path.is_file():
        capture.log_checkpoint(path, step)
