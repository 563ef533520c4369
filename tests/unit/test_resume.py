"""Which run a training that is resumed from a place belongs to."""

from __future__ import annotations

import shutil
from pathlib import Path

import reticent
from reticent import resume
from reticent.session import current


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
