"""Which run a training that is resumed from a place belongs to."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

import reticent
from reticent import resume, workers
from reticent.process import this_process
from reticent.sessions import current


def test_the_run_is_known_by_the_place(root: Path, tmp_path: Path) -> None:
    place = tmp_path / "out"
    place.mkdir()
    (tmp_path / "link").symlink_to(place)
    assert resume.run_at(current(), place) is None
    for _ in range(2):  # of two that have written there, it is the later one
        with reticent.start_run() as run:
            resume.remember(current(), place, run.run_id)
    assert resume.run_at(current(), str(place)) == run.run_id
    assert resume.run_at(current(), tmp_path / "link") == run.run_id
    assert resume.run_at(current(), tmp_path) is None
    assert list(place.iterdir()) == []


def test_a_run_that_is_gone_is_not_resumed(root: Path, tmp_path: Path) -> None:
    with reticent.start_run() as run:
        resume.remember(current(), tmp_path, run.run_id)
    assert reticent.flush(20)
    shutil.rmtree(run.directory)
    assert resume.run_at(current(), tmp_path) is None


def test_what_is_no_id_is_not_looked_for(root: Path, tmp_path: Path) -> None:
    resume.remember(current(), tmp_path, "../../etc")
    assert resume.run_at(current(), tmp_path) is None


@pytest.mark.parametrize("planted", ["pipe", "link", "bytes", "directory"])
def test_what_somebody_else_put_in_the_place_of_a_note_is_none(planted: str, root: Path, tmp_path: Path) -> None:
    with reticent.start_run() as run:
        resume.remember(current(), tmp_path, run.run_id)
    (note,) = (root / "resumable").iterdir()
    note.unlink()
    plant(planted, note, tmp_path / "theirs", run.run_id)
    assert resume.run_at(current(), tmp_path) is None


@pytest.mark.parametrize("planted", ["pipe", "link"])
def test_what_workers_are_told_is_never_written_elsewhere(planted: str, root: Path, tmp_path: Path) -> None:
    with reticent.start_run() as run:
        (note,) = (root / "open").iterdir()
        note.unlink()
        plant(planted, note, tmp_path / "theirs", "theirs " * 20)
        assert workers.run_shown_by(current(), this_process()) is None
        with reticent.start_run("inner", nested=True) as inner:
            assert workers.run_shown_by(current(), this_process()) == inner.run_id
        assert workers.run_shown_by(current(), this_process()) == run.run_id
    if planted == "link":
        assert (tmp_path / "theirs").read_text() == "theirs " * 20


def plant(kind: str, place: Path, theirs: Path, content: str) -> None:
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "directory":
        place.mkdir()
    elif kind == "bytes":
        place.write_bytes(b"\xff\x00")
    else:
        theirs.write_text(content)
        place.symlink_to(theirs)
