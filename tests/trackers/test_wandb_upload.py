"""Runs are uploaded by W&B's own `wandb sync`, to a server that stands in for theirs."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from reticent.backends import Mark, Target, UnavailableError
from reticent.backends.wandb import WandbBackend, upload
from reticent.backends.wandb.mapping import STEP
from reticent.testing.batches import RUN, batch, example, pieces

from .wandb_server import Server, wandb_server

URL = "wandb://team/tries"
KEY = "0" * 40


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with wandb_server() as one:
        monkeypatch.setenv("WANDB_BASE_URL", one.url)
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        yield one
        while _opened:
            _opened.pop().close()


_opened: list[WandbBackend] = []


def opened(root: Path) -> WandbBackend:
    """A backend, which is closed at the end of the test if not before."""
    backend = WandbBackend()
    backend.open(Target(URL, root))
    _opened.append(backend)
    return backend


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.1)


def test_a_run_is_uploaded_as_it_goes_and_whole_at_its_end(server: Server, tmp_path: Path) -> None:
    backend, whole, mark = opened(tmp_path), example(tmp_path), Mark()
    backend.write(dataclasses.replace(whole, entries=whole.entries[:4], mark=mark))
    until(lambda: server.history[RUN])
    assert RUN not in server.exits
    backend.write(dataclasses.replace(whole, entries=whole.entries[4:], metrics=(), mark=mark))
    backend.close()
    assert server.exits[RUN] == 0
    assert [row["loss"] for _, row in sorted(server.history[RUN].items())] == [1 / (step + 1) for step in range(10)]
    assert [row[STEP] for _, row in sorted(server.history[RUN].items())] == list(range(10))
    run = server.runs[RUN]
    assert (run["entity"], run["project"], run["groupName"]) == ("team", "tries", "default")
    config = json.loads(run["config"])
    assert {key: config[key]["value"] for key in ("lr", "layers", "tags")} == {
        "lr": 0.1,
        "layers": [1, 2],
        "tags": {"team": "b"},
    }
    assert server.uploads["/upload/artifacts/notes/a.txt"] == b"some text"


def test_batches_that_come_again_are_uploaded_once(server: Server, tmp_path: Path) -> None:
    """By another process each time, as if one had died after every batch: what it wrote comes again, cut otherwise."""
    chance = random.Random(0)
    mark = Mark()
    for place, piece in enumerate(pieces(example(tmp_path), chance)):
        lost = Mark(mark.text)
        if place % 3 == 1:
            backend = opened(tmp_path)
            backend.write(dataclasses.replace(piece, mark=lost))
            backend.close()
        backend = opened(tmp_path)
        backend.write(dataclasses.replace(piece, mark=mark))
        backend.close()
    assert server.exits[RUN] == 0
    whole = [row for _, row in sorted(server.history[RUN].items())]
    assert [row["loss"] for row in whole if "loss" in row] == [1 / (step + 1) for step in range(10)]
    assert [row["accuracy"] for row in whole if "accuracy" in row] == [step / 10 for step in range(10)]


def test_what_comes_after_the_end_is_uploaded_too(server: Server, tmp_path: Path) -> None:
    backend, mark = opened(tmp_path), Mark()
    backend.write(dataclasses.replace(example(tmp_path), mark=mark))
    late = batch(tmp_path, metrics=[("late", 1, 2.0)])
    backend.write(dataclasses.replace(late, entries=(), mark=mark))
    backend.close()
    assert server.history[RUN][10]["late"] == 2.0
    assert len(server.history[RUN]) == 11


@pytest.mark.parametrize("status", [401, 500])
def test_a_server_that_refuses_is_told_on_opening(server: Server, tmp_path: Path, status: int) -> None:
    server.refuse = status
    with pytest.raises(UnavailableError, match=str(status)) as told:
        opened(tmp_path)
    assert KEY not in str(told.value)


def test_what_the_server_refused_is_uploaded_later(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = opened(tmp_path)
    server.refuse = 500
    with monkeypatch.context() as hurried:
        hurried.setattr(upload, "LONGEST_S", 5.0)
        with pytest.raises(UnavailableError, match="not uploaded the run"):
            backend.write(example(tmp_path))
    backend.close()
    server.refuse = 0
    backend = opened(tmp_path)
    backend.write(example(tmp_path))
    backend.close()
    assert server.exits[RUN] == 0
    assert len(server.history[RUN]) == 10


def test_no_key_is_told_on_opening(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_API_KEY")
    with pytest.raises(UnavailableError, match="WANDB_API_KEY"):
        opened(tmp_path)


def test_uploads_end_with_the_training_and_get_nothing_of_its_environment(server: Server, tmp_path: Path) -> None:
    """Also where it is killed."""
    script = f"""
import os, sys, time
from pathlib import Path
from reticent.backends import Target
from reticent.backends.wandb import WandbBackend
from reticent.testing.batches import batch
backend, root = WandbBackend(), Path({str(tmp_path)!r})
backend.open(Target({URL!r}, root))
backend.write(batch(root, metrics=[("loss", 0, 1.0)]))
print(backend._uploads.popitem()[1]._process.pid, flush=True)
time.sleep(600)
"""
    environment = {**os.environ, "PASSWORD_OF_MINE": "x", "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, text=True
    ) as training:
        assert training.stdout is not None
        child = psutil.Process(int(training.stdout.readline()))
        until(lambda: server.history[RUN])
        family = [child, *child.children(recursive=True)]
        assert len(family) > 1, "W&B's own process is not among those that are looked at"
        assert "PASSWORD_OF_MINE" not in child.environ()
        training.send_signal(signal.SIGKILL)
    until(lambda: not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in family))


def test_what_comes_again_to_a_running_upload_takes_the_place_of_what_it_read(server: Server, tmp_path: Path) -> None:
    backend, mark = opened(tmp_path), Mark()
    whole = example(tmp_path)
    backend.write(dataclasses.replace(whole, entries=whole.entries[:1], metrics=(), mark=mark))
    more = batch(tmp_path, metrics=[("loss", step, 1.0) for step in range(50)])
    backend.write(dataclasses.replace(more, entries=(), mark=Mark(mark.text)))
    until(lambda: len(server.history[RUN]) == 50)
    server.history.clear()
    backend.write(dataclasses.replace(whole, mark=mark))
    backend.close()
    assert [row[STEP] for _, row in sorted(server.history[RUN].items())] == list(range(10))
    assert server.exits[RUN] == 0
