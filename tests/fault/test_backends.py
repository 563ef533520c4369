"""A backend that hangs, fails or refuses costs training nothing, the others nothing, and the exit its deadline."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest
from tests.fault.conftest import Start

import reticent
from reticent.records import RunStatus

BACKEND = """
import json, os, time
from reticent.backends import Rejection, UnavailableError
from reticent.records import Param

class Toy:
    def open(self, target):
        behave("open")
        return "toy"
    def write(self, batch):
        behave("write")
        with open(os.environ["TOY_FILE"], "a") as file:
            for entry in batch.entries:
                if isinstance(entry.record, Param):
                    file.write(json.dumps([entry.record.key, entry.record.value]) + "\\n")
            for block in batch.metrics:
                for metric in block:
                    file.write(json.dumps([metric.key, metric.step]) + "\\n")
        return [Rejection(1, "too long")] if os.environ["TOY"] == "rejects" else []
    def close(self):
        behave("close")

def behave(place):
    mode = os.environ["TOY"]
    if mode == f"hangs in {place}":
        time.sleep(600)
    if mode == f"raises in {place}":
        raise RuntimeError("no such host for ghp_" + "a1B2" * 9)
    if mode == "unavailable" and place == "write":
        raise UnavailableError("come back later", retry_after=30)
    if mode == "nonsense":
        return 7
"""
KILLED = """
    import reticent, time
    reticent.configure(capture={"git": False, "argv": False, "machine": False, "environment": []})
    reticent.start_run("r", run_id="r")
    for step in range(1000):
        reticent.log_metric("loss", 0.5, step=step)
    ready()
    time.sleep(600)
"""
TRAINING = """
    import reticent, time
    with reticent.start_run("r", run_id="r"):
        began = time.perf_counter()
        for step in range(20_000):
            reticent.log_metric("loss", 0.5, step=step)
        reticent.log_param("lr", 0.1)
    print("trained")
"""


@pytest.fixture
def toy(tmp_path: Path) -> dict[str, str]:
    """The environment in which the backend `toy` is installed; it appends what it gets to a file."""
    metadata = tmp_path / "toy-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[reticent.backends]\ntoy = toybackend:Toy\n")
    (tmp_path / "toybackend.py").write_text(BACKEND)
    return {
        "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)]),
        "TOY_FILE": str(tmp_path / "received"),
        "RETICENT_BACKENDS": "toy,sqlite",
        "RETICENT_EXIT_TIMEOUT_S": "3",
    }


@pytest.mark.parametrize(
    "mode", ["hangs in open", "hangs in write", "raises in open", "raises in write", "raises in close", "unavailable"]
)
def test_a_backend_that_is_down(mode: str, toy: dict[str, str], root: Path, start: Start) -> None:
    began = time.monotonic()
    output, errors = start(TRAINING, wait=False, TOY=mode, **toy).communicate(timeout=120)
    assert output == "trained\n"
    assert time.monotonic() - began < 30  # the deadline, and the start of a process on a busy machine
    assert "ghp_" not in errors
    run = reticent.get_run("r")
    assert run.status is RunStatus.FINISHED
    assert len(run.metric_history("loss")) == 20_000
    states = {delivery.backend: delivery.state for delivery in run.deliveries()}
    if mode == "raises in close":
        assert states == {"toy": "complete", "sqlite": "complete"}
        return
    assert states["toy"] == "pending"
    assert run.health.state == "degraded"
    assert "not all delivered in time to toy" in errors
    healthy = start("import reticent\nassert reticent.sync()['toy'].error is None", wait=False, TOY="healthy", **toy)
    assert healthy.communicate(timeout=60)[1] == ""
    received = [json.loads(line) for line in Path(toy["TOY_FILE"]).read_text().splitlines()]
    assert ["lr", "0.1"] in received
    assert sorted(step for key, step in received if key == "loss") == list(range(20_000))
    assert reticent.get_run("r").health.state == "ok"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_how_the_delivery_of_a_killed_run_stands(
    number: signal.Signals, toy: dict[str, str], root: Path, start: Start
) -> None:
    process = start(KILLED, TOY="hangs in open", **toy)
    process.send_signal(number)
    process.communicate(timeout=60)
    # The process could not say it any more, and the backend was never reached.
    assert stands(start, TOY="hangs in open", **toy) == {"sqlite": ("complete", True), "toy": ("pending", False)}
    synced = start("import reticent\nassert reticent.sync()['toy'].error is None", wait=False, TOY="healthy", **toy)
    assert synced.communicate(timeout=60)[1] == ""
    assert stands(start, **toy) == {"sqlite": ("complete", True), "toy": ("complete", True)}
    (root / "runs" / "r" / "another.events").touch()  # as a process does that logs to it again, seconds later
    os.utime(root / "runs" / "r", (time.time() + 5, time.time() + 5))
    assert stands(start, TOY="hangs in open", **toy)["toy"] == ("pending", True)  # else it may just have got it


def stands(start: Start, **environment: str) -> dict[str, tuple[str, bool]]:
    """Of each backend the state that a process with these settings reads, and whether it has got the metrics."""
    told = """
        import json, reticent
        print(json.dumps({one.backend: [one.state, one.delivered] for one in reticent.get_run("r").deliveries()}))
    """
    output, errors = start(told, wait=False, **environment).communicate(timeout=60)
    assert errors == ""
    return {name: (state, delivered >= 1000) for name, (state, delivered) in json.loads(output).items()}


def test_rejected_records_are_counted(toy: dict[str, str], root: Path, start: Start) -> None:
    process = start(TRAINING, wait=False, TOY="rejects", **toy)
    process.communicate(timeout=60)
    run = reticent.get_run("r")
    (delivery,) = [delivery for delivery in run.deliveries() if delivery.backend == "toy"]
    assert delivery.state == "complete"
    assert delivery.rejected > 0
    assert run.health.state == "degraded"
