"""Images and histograms that a loop writes for TensorBoard: copied in its thread, made in the background, and bounded."""

from __future__ import annotations

import tempfile
import threading
from collections import Counter
from pathlib import Path
from typing import Any

from reticent.patching import Capture
from reticent_integrations.torch import gradients

MOST = {"images": 200, "histograms": 1000}
"""So many of one writer are kept, the first ones."""
MAX_WAITING_BYTES = 64_000_000
"""The copies of images that wait to be made; one that does not fit in is left out."""


class Summaries:
    """Those of one writer, as artifacts."""

    def __init__(self, capture: Capture) -> None:
        self._capture = capture
        self._kept: Counter[str] = Counter()
        self._waiting_bytes = 0
        self._lock = threading.Lock()

    def add_image(self, values: Any, dataformats: str, name: str) -> None:
        """Keep an image, or several as one, as PNG; `dataformats` as TensorBoard's: "CHW", "NHWC"..."""
        import numpy as np

        values = values if hasattr(values, "nbytes") else np.asarray(values)
        size = values.nbytes
        with self._lock:
            fits = self._waiting_bytes + size <= MAX_WAITING_BYTES
            self._waiting_bytes += size if fits else 0
        if not fits:
            self._left_out("images", "too large, or too many at once")
            return
        if not self._is_wanted("images", name):
            self._done(size)
            return
        image = values.detach().cpu().numpy().copy() if hasattr(values, "detach") else values.copy()

        def make() -> None:
            try:
                with tempfile.TemporaryDirectory(prefix="reticent-") as place:
                    path = Path(place) / "image.png"
                    _write_png(image, dataformats, path)
                    self._capture.log_artifact(path, name)
            finally:
                self._done(size)

        self._capture.in_background("images", make)

    def add_histogram(self, values: Any, name: str) -> None:
        """Keep the histogram of these numbers, or of a sample of them, as data."""
        import torch

        if not self._is_wanted("histograms", name):
            return
        with torch.no_grad():
            sample = gradients.sample(torch.as_tensor(values).cpu())
        self._capture.in_background("histograms", lambda: self._capture.log_dict(gradients.histogram(sample), name))

    def _is_wanted(self, kind: str, name: str) -> bool:
        if self._capture.name(name) is None:
            return False
        self._kept[kind] += 1
        if self._kept[kind] > MOST[kind]:
            self._left_out(kind, f"after the first {MOST[kind]}")
            return False
        return True

    def _left_out(self, kind: str, why: str) -> None:
        if not self._kept[f"{kind} {why}"]:
            self._kept[f"{kind} {why}"] = 1
            self._capture.set_tags({f"tensorboard_{kind}_left_out": why})

    def _done(self, size: int) -> None:
        with self._lock:
            self._waiting_bytes -= size


def _write_png(image: Any, dataformats: str, path: Path) -> None:
    """Write what TensorBoard shows, by Pillow: without it the writer has refused the image."""
    import numpy as np
    from PIL import Image
    from torch.utils.tensorboard._utils import convert_to_HWC

    pixels = convert_to_HWC(image, dataformats)
    if pixels.dtype != np.uint8:
        pixels = np.nan_to_num(pixels.astype(np.float32) * 255).clip(0, 255).astype(np.uint8)
    Image.fromarray(np.ascontiguousarray(pixels)).save(path)
