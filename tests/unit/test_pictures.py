"""Pictures are drawn by another process of sealed data, or here where that cannot be."""

from __future__ import annotations

import os
import resource
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import reticent
from reticent import aside, closing, guard, pictures
from reticent.filing import MOST_PICTURES
from reticent.sessions import current
from reticent_integrations.sklearn import drawing

MATRIX = {"labels": ["a", "b"], "matrix": [[5, 1], [0, 7]]}
PNG = b"\x89PNG"
child_command = aside.child_command
seen: list[Any] = []


@pytest.fixture
def child(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aside, "child_command", child_command)


@pytest.fixture
def not_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def draw(*_: object) -> None:
        raise AssertionError("drawn in this process")

    monkeypatch.setattr(pictures, "_draw", draw)


def drawn(*draws: Callable[[Any], Any], data: dict[str, Any] = MATRIX) -> list[bytes]:
    with reticent.start_run() as run:
        for number, draw in enumerate(draws):
            run.log_picture(draw, data, f"pictures/{number}.png")
    assert reticent.flush(60)
    stored = reticent.get_run(run.run_id)
    return [stored.artifact_path(artifact.path).read_bytes() for artifact in stored.artifacts()]


def seeing(data: Any) -> Any:
    seen.append(data)
    return drawing.confusion(data)


def failing(data: Any) -> Any:
    raise ZeroDivisionError("no such picture")


def kill(child: Any) -> None:
    child._process.kill()
    child._process.wait()


def close(child: Any) -> None:
    os.close(child._jobs.number)


def test_another_process_draws(child: None, not_here: None) -> None:
    files = drawn(drawing.confusion, drawing.confusion)
    assert [file[:4] for file in files] == [PNG, PNG]


def test_another_process_draws_for_one_with_many_open_files(child: None, not_here: None) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    many = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        assert [file[:4] for file in drawn(drawing.confusion)] == [PNG]
    finally:
        for descriptor in many:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("why", ["frozen", "another program", "too slow", "it dies"])
def test_without_another_process_it_is_drawn_here(why: str, child: None, monkeypatch: pytest.MonkeyPatch) -> None:
    if why == "frozen":
        monkeypatch.setattr(sys, "frozen", True, raising=False)
    elif why == "another program":
        monkeypatch.setattr(sys, "executable", "/usr/bin/false")
    elif why == "too slow":
        monkeypatch.setattr(pictures, "TIMEOUT_S", 0)
    else:
        monkeypatch.setattr(aside, "_CHILD", "import os; os.abort()")
    seen.clear()
    (file,) = drawn(seeing)
    assert file[:4] == PNG
    assert seen == [MATRIX]


def test_a_child_that_was_killed_or_whose_pipes_were_closed_is_replaced(child: None, not_here: None) -> None:
    drawing_child = current().aside
    for end in (kill, close):
        assert [file[:4] for file in drawn(drawing.confusion)] == [PNG]
        assert drawing_child._child is not None
        former = drawing_child._child._process
        end(drawing_child._child)
        assert [file[:4] for file in drawn(drawing.confusion)] == [PNG]
        assert drawing_child._child._process is not former


def test_the_end_leaves_pictures_to_the_child(child: None, not_here: None) -> None:
    current().take_back()
    assert [file[:4] for file in drawn(drawing.confusion)] == [PNG]


def test_a_drawing_that_fails_is_told_and_costs_no_other(child: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "strict", False)
    assert [file[:4] for file in drawn(failing, drawing.confusion)] == [PNG]
    (run,) = reticent.search_runs()
    assert ["no such picture" in warning.message for warning in run.warnings()] == [True]


def test_of_many_pictures_some_wait_and_those_that_the_end_cuts_off_are_told(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "strict", False)
    reticent.configure(exit_timeout_s=0.2)
    begun, go_on = threading.Event(), threading.Event()

    def draw(*_: object) -> None:
        begun.set()
        go_on.wait(60)

    monkeypatch.setattr(pictures, "_draw", draw)
    with reticent.start_run() as run:
        for number in range(2 * MOST_PICTURES):
            run.log_picture(drawing.confusion, MATRIX, f"{number}.png")
            assert begun.wait(60)
    session = current()
    assert session.pictures.pending() == MOST_PICTURES
    closing.close([session])
    assert session.pictures.pending() == 1
    go_on.set()
    messages = [warning.message for warning in reticent.get_run(run.run_id).warnings() if "drawn" in warning.message]
    assert messages == [
        "drawing a picture: TimeoutError: the process ended before it was drawn; its data is in the JSON file of the "
        "same name; the training is not affected"
    ]


def test_what_is_drawn_is_sealed(root: Path) -> None:
    seen.clear()
    drawn(seeing, data={**MATRIX, "labels": ["of ghp_" + "a1B2" * 9, "b"]})
    assert seen[0]["labels"] == ["of [REDACTED:github-token]", "b"]
