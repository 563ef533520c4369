"""Command line, machine and environment variables of a run, without their secrets."""

from __future__ import annotations

import json
import platform
from pathlib import Path

import pytest

import reticent
from reticent.surroundings import MOST_ARGUMENTS

from .conftest import Find, Run

SECRET = "hunter2" + "Kq9vX3" * 2
TRAIN = 'import reticent\nwith reticent.start_run("r", run_id="r"): pass'


def test_the_value_of_a_secret_argument_is_hidden(script: Run, root: Path, find: Find) -> None:
    done = script(TRAIN, "--lr", "0.1", "--api-key", SECRET, f"--password={SECRET}")
    assert (done.returncode, done.stderr) == (0, "")
    run = reticent.get_run("r")
    assert "'--lr', '0.1', '--api-key', '[REDACTED:" in run.tags["argv"]
    assert {one.channel for one in run.redactions()} == {"argv"}
    assert find(SECRET) == []


def test_a_long_command_line_is_cut_and_bytes_that_are_no_text_are_shown(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["train.py", "caf\udce9", *map(str, range(MOST_ARGUMENTS))])
    with reticent.start_run() as run:
        pass
    argv = reticent.get_run(run.run_id).tags["argv"]
    assert r"\udce9" in argv
    assert argv.endswith("'997', '... 2 more']")


def test_the_machine_and_the_imported_frameworks_are_noted(script: Run, root: Path) -> None:
    done = script("import numpy\n" + TRAIN)
    assert done.returncode == 0, done.stderr
    tags = reticent.get_run("r").tags
    assert tags["python.version"] == platform.python_version()
    assert {"platform", "host", "user", "cpu.count", "numpy.version"} <= set(tags)
    assert not {"sklearn.version", "torch.version"} & set(tags)


def test_named_variables_are_noted_and_their_secrets_hidden(script: Run, root: Path, find: Find) -> None:
    token = "ghp_" + "a8Kq3vX9Lm2Rt7Wz5Yb1" + "Nc4Pd6Qe8SfJ3hG5"
    done = script(
        TRAIN,
        capture=json.dumps({"environment": ["RANK", "MY_*"]}),
        RANK="3",
        MY_MODE="fast",
        MY_API_KEY=SECRET,
        MY_THING=token,
        OTHER="unnamed value",
    )
    assert done.returncode == 0, done.stderr
    tags = reticent.get_run("r").tags
    assert (tags["env.RANK"], tags["env.MY_MODE"]) == ("3", "fast")
    assert tags["env.MY_API_KEY"].startswith("[REDACTED:")
    assert tags["env.MY_THING"].startswith("[REDACTED:")
    assert (find(SECRET), find(token), find("unnamed value")) == ([], [], [])


def test_what_is_switched_off_is_not_noted(script: Run, root: Path, repository: Path) -> None:
    off = {"argv": False, "git": False, "machine": False, "environment": []}
    done = script(TRAIN, cwd=repository, capture=json.dumps(off), RANK="3")
    assert done.returncode == 0, done.stderr
    assert reticent.get_run("r").tags == {"source": "train.py"}


def test_children_and_resumed_runs_repeat_nothing(script: Run, root: Path, repository: Path) -> None:
    (repository / "code.py").write_text("lr = 0.2\n")
    code = """
        import reticent
        with reticent.start_run("outer", run_id="outer"):
            reticent.start_run("inner", run_id="inner").end()
    """
    assert script(code, "first", cwd=repository).returncode == 0
    outer, inner = reticent.get_run("outer"), reticent.get_run("inner")
    assert {"argv", "git.commit", "python.version"} <= set(outer.tags)
    assert inner.tags == {"source": "train.py"}
    assert (len(outer.artifacts()), inner.artifacts()) == (1, [])
    assert script('import reticent\nreticent.start_run(run_id="outer").end()', "second").returncode == 0
    again = reticent.get_run("outer")
    assert again.tags == outer.tags
    elsewhere = 'import reticent\nreticent.start_run("worker", run_id="worker", parent_run_id="outer").end()'
    assert script(elsewhere, "third", cwd=repository).returncode == 0
    assert "third" in reticent.get_run("worker").tags["argv"]


def test_a_child_of_a_run_that_has_ended_repeats_nothing(root: Path) -> None:
    with reticent.start_run() as parent:
        pass
    with reticent.start_run(parent_run_id=parent.run_id) as child:
        pass
    reticent.configure(experiment="another")  # a new session, of the same process
    with reticent.start_run(parent_run_id=child.run_id) as grandchild:
        pass
    assert "argv" in reticent.get_run(parent.run_id).tags
    for run in (child, grandchild):
        assert set(reticent.get_run(run.run_id).tags) == {"source"}
