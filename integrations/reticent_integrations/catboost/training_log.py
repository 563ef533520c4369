"""CatBoost's own log of a training, a file in its train_dir, followed from a thread while CatBoost writes it.

It tells of every metric with ten digits. What it has not told when the training is over, the trained model tells.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from reticent.patching import Capture
from reticent_integrations.catboost.history import History

EVERY_S = 0.5
MAX_BYTES = 8 << 20
"""Read at once at most."""


class TrainingLog:
    """Followed for as long as the block runs. Not at all where CatBoost writes none, or another training has it too."""

    def __init__(self, capture: Capture, history: History, told: Mapping[str, Any]) -> None:
        self._capture = capture
        self._history = history
        directory = Path(os.fspath(told.get("train_dir") or "catboost_info")).absolute()
        self._path = directory / "catboost_training.json"
        self._wanted = told.get("allow_writing_files") is not False
        self._before = _state(self._path)
        """Of what an earlier training has left there."""
        self._lines: _Lines | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="reticent-catboost", daemon=True)

    def __enter__(self) -> None:
        if self._wanted:
            self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._wanted:
            return
        self._ended.set()
        self._thread.join(EVERY_S)
        if kind is not None and not self._thread.is_alive():  # no model will tell the rest
            with self._capture.guard("training log"):
                self._read()
        if self._lines is not None:
            self._lines.close()

    def _follow(self) -> None:
        with self._capture.guard("training log"):
            while not self._ended.wait(EVERY_S) and self._wanted:
                self._read()

    def _read(self) -> None:
        if self._lines is None and _state(self._path) not in (None, self._before):
            self._lines = _Lines(self._path)
        if self._lines is not None:
            self._wanted = self._lines.log_to(self._history)


class _Lines:
    """A log as far as it is read: a line of names first, then one for each iteration whose metrics were computed."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._alone = _locked(self._file.fileno())
        self._names: list[tuple[str, list[str]]] = []
        """By key of an iteration's values, what these are called."""
        self._last_step = -1
        self._passed_s = -1.0

    def close(self) -> None:
        self._file.close()

    def log_to(self, history: History) -> bool:
        """Log the lines that are new; False if these are not of this training alone."""
        if not self._alone or os.fstat(self._file.fileno()).st_size < self._file.tell():
            return False
        start, read = self._file.tell(), 0
        for line in self._file.read(MAX_BYTES).splitlines(keepends=True):
            text = line.strip().rstrip(b",")
            if not line.endswith(b"\n") or text == b"]":
                break
            if text.startswith(b'"meta":'):
                self._names = _names(json.loads(text.removeprefix(b'"meta":')))
            elif text not in (b"", b"{", b'"iterations":[') and not self._log(text, history):
                return False
            # After the last iteration come a line break and the end of the list, which the next one is written over.
            read += len(line.rstrip(b",\n")) if text.startswith(b'{"') else len(line)
        self._file.seek(start + read)
        return True

    def _log(self, text: bytes, history: History) -> bool:
        try:
            values = json.loads(text)
        except ValueError:
            return False
        step, passed_s = values["iteration"], values["passed_time"]
        if step <= self._last_step or passed_s < self._passed_s:
            return False
        self._last_step, self._passed_s = step, passed_s
        for key, names in self._names:
            for name, value in zip(names, values.get(key, ()), strict=False):
                history.log(name, step, float(value))
        return True


def _names(meta: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    learn = [f"learn-{metric['name']}" for metric in meta["learn_metrics"]]
    found = [("learn", learn)]
    sets = meta["test_sets"]
    for number, key in enumerate(sets):
        data = "validation" if len(sets) == 1 else f"validation_{number}"
        found.append((key, [f"{data}-{metric['name']}" for metric in meta["test_metrics"]]))
    return found


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _locked(file: int) -> bool:
    """Whether no other training with autologging follows this file: two in one train_dir write over each other's lines."""
    try:
        import fcntl
    except ImportError:  # Windows, where CatBoost's own file cannot be opened twice
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
