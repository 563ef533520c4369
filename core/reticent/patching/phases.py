"""A phase of a training (fit, validate, test, predict): how long it took, how many samples a second, how much memory."""

from __future__ import annotations

import sys
import time
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reticent.patching.capture import Capture

_open: ContextVar[Phase | None] = ContextVar("reticent_phase", default=None)
"""The innermost phase that is under way."""


def count_samples(samples: int) -> None:
    """Count what a training goes through in the phase that it is in, whoever opened that: the fit of an estimator knows its
    rows, and only the training within it how often it went through them."""
    phase = _open.get()
    if phase is not None:
        phase.counted += samples


class Phase:
    """`with capture.phase("fit") as phase: phase.samples += len(batch)`; logged when it is left, also by an error."""

    def __init__(self, capture: Capture, name: str, step: int | None = None) -> None:
        self._capture = capture
        self.name = name
        self.step = step
        self.samples = 0
        """How many samples it went through, counted again in each epoch or boosting round; 0: not known."""
        self.counted = 0
        """Those of the trainings within it, which know better."""
        self._outer: Phase | None = None
        self.seconds = 0.0

    def __enter__(self) -> Phase:
        self._outer = _open.get()
        _open.set(self)
        self._began = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds = time.perf_counter() - self._began
        _open.set(self._outer)
        samples = self.counted or self.samples
        with self._capture.guard(f"times of {self.name}"):
            metrics = {f"{self.name}_seconds": self.seconds}
            if samples and self.seconds > 0:
                metrics[f"{self.name}_samples_per_second"] = samples / self.seconds
            self._capture.log_metrics({**metrics, **peak_memory()}, self.step)


def peak_memory() -> dict[str, float]:
    """The most memory that this process has used so far, in MB (10^6 bytes), and on GPUs what PyTorch has had of it."""
    found = {}
    if sys.platform != "win32":
        import resource

        unit = 1 if sys.platform == "darwin" else 1024  # macOS counts in bytes, Linux in KiB
        found["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    cuda = getattr(sys.modules.get("torch"), "cuda", None)
    if cuda is not None and cuda.is_initialized():  # reads a counter of the allocator: no device is waited for
        found["peak_gpu_memory_mb"] = max(map(cuda.max_memory_allocated, range(cuda.device_count()))) / 1e6
    return found
