"""Checkpoints: the files that the training itself writes, or else copies of the weights after each epoch."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from reticent.patching import Capture
from reticent_integrations.keras import data

Mode = Literal["min", "max"]
Arrays = list[list[Any]]
"""The weights of each layer."""


class Checkpoints(Protocol):
    def epoch_ended(self, epoch: int, logs: Mapping[str, Any]) -> None:
        """Called when the user's callbacks have been."""


def of(capture: Capture, model: Any, callbacks: list[Any], stopping: Any) -> Checkpoints:
    """Where the checkpoints of a training come from."""
    import keras

    savers = [one for one in callbacks if isinstance(one, keras.callbacks.ModelCheckpoint)]
    backups = [one for one in callbacks if isinstance(one, keras.callbacks.BackupAndRestore)]
    if savers or backups:
        return Written(capture, savers or backups)
    return Copied(capture, model, stopping)


class Written:
    """Files that ModelCheckpoint or BackupAndRestore write; the latter removes its own when the training is over."""

    def __init__(self, capture: Capture, callbacks: list[Any]) -> None:
        self._capture = capture
        self._callbacks = callbacks
        self._seen: dict[Path, tuple[int, int, int]] = {}
        for callback in callbacks:
            for path in _files(callback):
                self._is_new(path)

    def epoch_ended(self, epoch: int, logs: Mapping[str, Any]) -> None:
        for callback in self._callbacks:
            new = [path for path in _files(callback) if self._is_new(path)]
            if new:
                newest = max(new, key=lambda path: path.stat().st_mtime_ns)
                monitor = getattr(callback, "monitor", "val_loss")
                score = logs.get(monitor)
                score = None if score is None else float(score)
                self._capture.log_checkpoint(newest, epoch, score, monitor=monitor, mode=mode(callback))

    def _is_new(self, path: Path) -> bool:
        found = path.stat()
        now = found.st_mtime_ns, found.st_size, found.st_ino
        before, self._seen[path] = self._seen.get(path), now
        return before != now


@dataclass(frozen=True, slots=True)
class Copy:
    arrays: Arrays
    top: list[Any]
    """Weights that are the model's own and of none of its layers."""
    epoch: int
    score: float | None
    monitor: str
    mode: Mode


class Copied:
    """Copies of the weights, which take the training a memory copy; they are written in the background.

    While that lags behind, the best and the newest copies wait, as many as are kept, and no others.
    """

    def __init__(self, capture: Capture, model: Any, stopping: Any) -> None:
        self._capture = capture
        self._model = model
        self._stopping = stopping
        self._wanted = (
            capture.options.checkpoints != "none"
            and capture.name(f"checkpoints/{FILE}") is not None
            and not _in_many_processes(model)
        )
        self._keep: int = capture.options.keep
        self._best: list[tuple[float, int]] = []
        """The costs and epochs of the best copies so far."""
        self._mb = 0.0
        """The size of one copy."""
        self._waiting: dict[int, Copy] = {}
        """By epoch, the earliest first."""
        self._lock = threading.Lock()

    def epoch_ended(self, epoch: int, logs: Mapping[str, Any]) -> None:
        if not self._wanted or not self._small_enough():
            return
        monitor, direction = self._monitored(logs)
        score = float(logs[monitor]) if monitor in logs else None
        copy = Copy(*_copies(self._model), epoch, score, monitor, direction)
        cost = score if score is None or direction == "min" else -score
        with self._lock:
            self._waiting[epoch] = copy
            if cost is not None and cost == cost:
                self._best = sorted([*self._best, (cost, epoch)])[: self._keep]
            self._let_go(epoch)
        self._capture.in_background("checkpoints", self._write_next)

    def _let_go(self, newest: int) -> None:
        """Of the waiting copies only those that will be kept go on waiting; and of many large ones the latest."""
        best = [number for _, number in self._best]
        for number in list(self._waiting):
            is_wanted = number > newest - self._keep or number in best
            too_many = len(self._waiting) > 2 and len(self._waiting) * self._mb > MAX_WAITING_MB
            if not is_wanted or (too_many and number not in (newest, *best[:1])):
                del self._waiting[number]

    def _write_next(self) -> None:
        """Write the earliest copy: there is one call for each, and others for those that wait no more."""
        with self._lock:
            copy = self._waiting.pop(min(self._waiting)) if self._waiting else None
        if copy is None:
            return
        with tempfile.TemporaryDirectory(prefix="reticent-") as place:
            path = Path(place) / FILE
            _write(path, copy)
            self._capture.log_checkpoint(path, copy.epoch, copy.score, monitor=copy.monitor, mode=copy.mode)

    def _monitored(self, logs: Mapping[str, Any]) -> tuple[str, Mode]:
        if self._stopping is not None and self._stopping.monitor in logs:
            return self._stopping.monitor, mode(self._stopping)
        return ("val_loss" if "val_loss" in logs else "loss"), "min"

    def _small_enough(self) -> bool:
        most = self._capture.options.checkpoint_mb
        size = self._mb = sum(_size(weight) for weight in self._model.weights) / 1e6
        if size <= most:
            return True
        self._wanted = False
        self._capture.set_tags({"checkpoints": f"none: {size:.0f} MB of weights are over checkpoint_mb ({most:g})"})
        return False


FILE = "checkpoint.h5"
"""For `Model.load_weights`."""
MAX_WAITING_MB = 500
"""More than the best and the newest copy wait up to this size together."""


def mode(callback: Any) -> Mode:
    """Which score is better to a callback that monitors one."""
    import keras

    return "max" if getattr(callback, "monitor_op", None) == keras.ops.greater else "min"


def _in_many_processes(model: Any) -> bool:
    """Whether others have parts of the weights, which reading them would wait for."""
    strategy = type(getattr(model, "distribute_strategy", None)).__name__
    return strategy.startswith(("MultiWorker", "CollectiveAllReduce", "ParameterServer", "TPU"))


def _files(callback: Any) -> list[Path]:
    """The files there are of those that a callback writes."""
    if hasattr(callback, "backup_dir"):
        return sorted(Path(str(callback.backup_dir)).glob("latest.weights.h5"))
    pattern, filled = "", str(callback.filepath)
    while "{" in filled:  # a place to be filled with the epoch or a metric
        before, _, rest = filled.partition("{")
        pattern, filled = f"{pattern}{before}*", rest.partition("}")[2]
    path = Path(f"{pattern}{filled}")
    anchor = Path(path.anchor or ".")
    return [found for found in anchor.glob(str(path.relative_to(path.anchor))) if found.is_file()]


def _size(weight: Any) -> int:
    count = 1
    for extent in weight.shape:
        count *= int(extent)
    digits = "".join(filter(str.isdigit, str(weight.dtype))) or "8"
    return count * max(1, int(digits) // 8)


def _copies(model: Any) -> tuple[Arrays, list[Any]]:
    def copied(weights: Any) -> list[Any]:
        return [data.to_numpy(weight) for weight in weights]

    own = [*getattr(model, "_trainable_variables", ()), *getattr(model, "_non_trainable_variables", ())]
    layers = [copied([*layer.trainable_weights, *layer.non_trainable_weights]) for layer in model.layers]
    known = {id(weight) for weight in model.weights}
    return layers, copied([weight for weight in own if id(weight) in known])


def _write(path: Path, copy: Copy) -> None:
    """Write HDF5 as Keras reads it: a group for each layer, in their order, with its weights."""
    import h5py
    import numpy as np

    def write(group: Any, weights: list[Any]) -> None:
        names = [str(number) for number in range(len(weights))]
        group.attrs["weight_names"] = np.array(names, "S")
        for name, weight in zip(names, weights, strict=True):
            group.create_dataset(name, data=weight)

    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = b"3"
        file.attrs["layer_names"] = np.array([str(number) for number in range(len(copy.arrays))], "S")
        for number, weights in enumerate(copy.arrays):
            write(file.create_group(str(number)), weights)
        write(file.create_group("top_level_model_weights"), copy.top)
