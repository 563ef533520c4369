"""The load of processor, memory and GPUs while a run is open: metrics `system/...`, named as MLflow names them; and
where this is a rank of a distributed training, how long its steps take.

One thread per process, which ends when no run is open.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING, Any

from reticent import member, ranks, sessions
from reticent.forks import after_fork_in_child
from reticent.guard import swallowed, tried

if TYPE_CHECKING:
    from reticent.run import Run
    from reticent.session import Session

_lock = threading.RLock()
_thread: threading.Thread | None = None


def watch(session: Session) -> None:
    """Note the load every so often, as the settings say, from here to the end of the last open run."""
    global _thread
    if not session.settings.capture.system_s:
        return
    with _lock:
        if _thread is None or not _thread.is_alive():
            _thread = threading.Thread(target=_watch, args=(session,), name="reticent-system", daemon=True)
            _thread.start()


def _watch(session: Session) -> None:
    global _thread
    period = session.settings.capture.system_s
    began: dict[str, float] = {}
    processor, gpus = _Processor(), _gpus()
    while True:
        time.sleep(min(1.0, period))
        with swallowed("metrics of the system"):
            runs = _runs(session)
            if not runs and not ranks.follows():
                with _lock:  # a run that has just begun has found this thread at work
                    if not _open_runs():
                        _thread = None
                        return
            now = time.monotonic()
            due = [run for run in runs if now - began.setdefault(run.run_id, now) >= period]
            if due:
                found = {f"system/{name}": value for name, value in chain(processor.load(), gpus.load())}
                step_times = ranks.step_times.take()
                for run in due:
                    began[run.run_id] = now
                    run.log_metrics({**found, **member.of_rank(run, step_times)})


def _runs(session: Session) -> list[Run]:
    """The open runs that are in no other one of this process; on another rank than 0, that of rank 0."""
    if ranks.follows():
        run = member.of(session)
        return [] if run is None else [run]
    open_runs = _open_runs()
    return [run for run in open_runs.values() if run.parent_id not in open_runs and run.owned]


def _open_runs() -> dict[str, Run]:
    """Those, by their ids, that by their settings have the load noted."""
    wanted = [session for session in sessions.made() if session.settings.capture.system_s]
    return {run_id: run for session in wanted for run_id, run in list(session.runs.items())}


class _Processor:
    """Processors and memory: of the machine, and of this process."""

    def __init__(self) -> None:
        import psutil

        self._psutil = psutil
        self._process = psutil.Process()
        psutil.cpu_percent()  # the first answers are about nothing
        self._process.cpu_percent()

    def load(self) -> Iterator[tuple[str, float]]:
        memory = self._psutil.virtual_memory()
        yield "cpu_utilization_percentage", self._psutil.cpu_percent()
        yield "system_memory_usage_megabytes", memory.used / 1e6
        yield "system_memory_usage_percentage", memory.percent
        yield "process_cpu_utilization_percentage", self._process.cpu_percent()
        yield "process_memory_usage_megabytes", self._process.memory_info().rss / 1e6


class _Gpus:
    """NVIDIA's GPUs, as far as this process may see them."""

    def __init__(self, nvml: Any) -> None:
        self._nvml = nvml
        self._handles = [nvml.nvmlDeviceGetHandleByIndex(number) for number in range(nvml.nvmlDeviceGetCount())]
        shown = os.environ.get("CUDA_VISIBLE_DEVICES")
        if shown is not None and all(part.isdecimal() for part in shown.split(",")):
            self._handles = [self._handles[int(part)] for part in shown.split(",") if int(part) < len(self._handles)]

    def load(self) -> Iterator[tuple[str, float]]:
        for number, handle in enumerate(self._handles):
            with suppress(self._nvml.NVMLError):  # some of it is not supported by every GPU
                memory = self._nvml.nvmlDeviceGetMemoryInfo(handle)
                yield f"gpu_{number}_memory_usage_megabytes", memory.used / 1e6
                yield f"gpu_{number}_memory_usage_percentage", 100 * memory.used / memory.total
                yield f"gpu_{number}_utilization_percentage", self._nvml.nvmlDeviceGetUtilizationRates(handle).gpu
                yield f"gpu_{number}_power_usage_watts", self._nvml.nvmlDeviceGetPowerUsage(handle) / 1000


class _NoGpus:
    def load(self) -> Iterator[tuple[str, float]]:
        return iter(())


def _gpus() -> _Gpus | _NoGpus:
    """No GPUs without their library, or without one that answers."""
    with tried():
        import pynvml

        pynvml.nvmlInit()
        return _Gpus(pynvml)
    return _NoGpus()


def _forked() -> None:
    global _lock, _thread
    _lock, _thread = threading.RLock(), None


after_fork_in_child(_forked)
