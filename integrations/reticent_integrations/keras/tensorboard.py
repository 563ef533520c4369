"""What the user's TensorBoard callbacks write: copied when the training is over, and left where it is."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from reticent.patching import Capture


class Boards:
    """The directories of a training's TensorBoard callbacks."""

    def __init__(self, callbacks: list[Any]) -> None:
        import keras

        boards = [one for one in callbacks if isinstance(one, keras.callbacks.TensorBoard)]
        self._places = {Path(str(board.log_dir)) for board in boards}
        self._began = time.time()

    def log(self, capture: Capture) -> None:
        """Log the files of this training; those of earlier ones may lie in the same directory."""
        for place in sorted(self._places):
            for path in sorted(place.rglob("*")):
                if path.is_file() and path.stat().st_mtime >= self._began - 1:  # some disks keep whole seconds
                    capture.log_artifact(path, f"tensorboard_logs/{path.relative_to(place).as_posix()}")
