"""A metric that is still on a device: the log call waits for nothing, and the point is there when the value is.

The device is one of our own, with the methods of torch's tensors and events: what it was given is done when
it is told to.
"""

from __future__ import annotations

import math
import sys
import threading
import time
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

import reticent
from reticent import guard
from reticent.run import Run


class Device:
    """Does what it is given in order, and only as much as it may."""

    def __init__(self) -> None:
        self.given = 0
        self.done = 0.0
        self.asked = threading.Event()
        self.broken = False


class Host:
    def __init__(self) -> None:
        self.value = math.nan

    def detach(self) -> Host:
        return self

    def __float__(self) -> float:
        return self.value


class Tensor:
    is_cuda = True

    def __init__(self, device: Device, *values: float) -> None:
        self.device = device
        self.values = values

    def detach(self) -> Tensor:
        return self

    def numel(self) -> int:
        return len(self.values)

    def to(self, place: str, non_blocking: bool) -> Host:
        assert (place, non_blocking) == ("cpu", True)
        self.host = self.device.arriving = Host()
        self.device.value = self.values[0]
        return self.host

    def __float__(self) -> float:
        raise AssertionError("reading it makes the training wait")


class Event:
    def record(self, stream: Device) -> None:
        stream.given += 1
        self.number, self.device = stream.given, stream
        self.host, self.value = stream.arriving, stream.value

    def query(self) -> bool:
        self.device.asked.set()
        if self.device.broken:
            raise RuntimeError("CUDA error")
        if self.device.done < self.number:
            return False
        self.host.value = self.value
        return True


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[Device]:
    torch = types.ModuleType("torch")
    torch.cuda = types.SimpleNamespace(Event=Event, current_stream=lambda device: device)
    monkeypatch.setitem(sys.modules, "torch", torch)
    one = Device()
    yield one
    one.done = math.inf


def points(run: Run, key: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in reticent.get_run(run.run_id).metric_history(key)]


def test_a_log_call_does_not_wait_and_the_background_writes_what_has_arrived(root: Path, device: Device) -> None:
    with reticent.start_run() as run:
        for step in range(3):
            reticent.log_metric("loss", Tensor(device, step / 2), step=step)
            run.log_metrics({"counted": Tensor(device, float(step))})
        run.log_metric("loss", 7.0, step=3)
        assert device.asked.wait(30)
        assert not reticent.flush(0.2)
        assert points(run, "loss") == [(3, 7.0)]
        device.done = 4
        while len(points(run, "loss")) < 3:
            time.sleep(0.001)
        assert points(run, "counted") == [(0, 0.0), (1, 1.0)]
        device.done = 6
        assert reticent.flush(30)
        assert points(run, "loss") == [(0, 0.0), (1, 0.5), (2, 1.0), (3, 7.0)]
        times = [point.time for point in reticent.get_run(run.run_id).metric_history("loss")]
        assert times == sorted(times)
    assert points(run, "counted") == [(0, 0.0), (1, 1.0), (2, 2.0)]


def test_the_end_of_a_run_waits_a_little_and_what_comes_later_is_added(root: Path, device: Device) -> None:
    busy = threading.Event()
    with reticent.start_run() as ready:
        ready.in_background("a long job", busy.wait)
        ready.log_metric("loss", Tensor(device, 1.0), step=0)
        device.done = 1
    assert points(ready, "loss") == [(0, 1.0)]
    busy.set()
    with reticent.start_run() as late:
        late.log_metric("loss", Tensor(device, 2.0), step=0)
    device.done = 2
    assert reticent.flush(30)
    assert (points(ready, "loss"), points(late, "loss")) == ([(0, 1.0)], [(0, 2.0)])


def test_other_work_in_the_background_goes_on(root: Path, device: Device) -> None:
    done = threading.Event()
    with reticent.start_run() as run:
        run.log_metric("loss", Tensor(device, 1.0), step=0)
        assert device.asked.wait(30)
        run.in_background("a job", done.set)
        assert done.wait(30)


def test_what_is_wrong_is_told_and_the_rest_is_kept(
    root: Path, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "strict", False)
    with reticent.start_run() as run:
        run.log_metric("two", Tensor(device, 1.0, 2.0), step=0)
        device.broken = True
        run.log_metric("loss", Tensor(device, 1.0), step=0)
        while run._deferred._points:
            time.sleep(0.001)
        device.broken, device.done = False, math.inf
        run.log_metric("loss", Tensor(device, 2.0), step=1)
    assert reticent.flush(30)
    assert points(run, "loss") == [(1, 2.0)]
    said = [warning.message for warning in reticent.get_run(run.run_id).warnings()]
    assert "one number, not 2" in said[0]
    assert "CUDA error" in said[1]
