"""The check of instruction counts: what it lets pass, what it refuses, and when it says that it does not count."""

from __future__ import annotations

import json
import platform
import shutil
from pathlib import Path

import pytest
from benchmarks import instructions

RECORDED = {"plain Python": 4000.0, "log_metric": 5000.0, "seal": 3000.0}


@pytest.mark.parametrize(
    ("now", "refused"),
    [
        ({}, []),
        ({"log_metric": 5700.0}, []),
        ({"log_metric": 5800.0}, ["log_metric"]),
        ({"plain Python": 6000.0, "log_metric": 7500.0, "seal": 4500.0}, []),
        ({"plain Python": 6000.0, "log_metric": 7500.0, "seal": 5500.0}, ["seal"]),
        ({"log_metric": 2000.0, "seal": 9000.0}, ["seal"]),
        ({"new": 1.0}, ["new (not there before)"]),
    ],
    ids=["as recorded", "14 % more", "16 % more", "a slower build", "and one path slower", "one faster", "a new path"],
)
def test_a_path_may_take_a_seventh_more_than_recorded(now: dict[str, float], refused: list[str]) -> None:
    lines, slower = instructions.compared({**RECORDED, **now}, RECORDED)
    assert slower == refused
    assert len(lines) == len(RECORDED)


@pytest.mark.parametrize(("counts", "code"), [(RECORDED, 0), ({**RECORDED, "seal": 6000.0}, 1)])
def test_the_exit_code_says_whether_a_path_takes_too_much(
    counts: dict[str, float],
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(instructions, "RECORDED", tmp_path / "instructions.json")
    monkeypatch.setattr(instructions, "counted", lambda *_: RECORDED)
    assert instructions.main([]) == 0
    assert "none are recorded for" in capsys.readouterr().out
    assert instructions.main(["--record"]) == 0
    ((_, recorded),) = json.loads((tmp_path / "instructions.json").read_text()).items()
    for origin in (platform.python_version(), "valgrind", "commit "):
        assert origin in recorded["recorded by"]
    monkeypatch.setattr(instructions, "counted", lambda *_: counts)
    assert instructions.main([]) == code
    assert ("seal" in capsys.readouterr().out.splitlines()[-2]) or code == 0


def test_a_commit_is_counted_by_its_own_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(instructions, "counted", lambda root: seen.append((root / "core/reticent/api.py").exists()))
    instructions.counted_at("HEAD")
    assert seen == [True]
    with pytest.raises(SystemExit, match="no commit nonsense"):
        instructions.counted_at("nonsense")


def test_without_valgrind_nothing_is_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert instructions.main([]) == 0
    assert "valgrind is not installed" in capsys.readouterr().out


def test_every_recorded_version_has_the_same_paths() -> None:
    every = json.loads(instructions.RECORDED.read_text())
    (paths,) = {tuple(sorted(recorded["counts"])) for recorded in every.values()}
    assert instructions.REFERENCE in paths
