"""`reticent bench`: a user's script runs as it does without us, is compared with itself, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import clean_environment

Bench = Callable[..., "subprocess.CompletedProcess[str]"]

SAYS_HOW_IT_RUNS = """
import os, sys
from pathlib import Path
import beside
assert __name__ == "__main__" and sys.modules["__main__"].__file__ == __file__
with open("how.txt", "a") as file:
    print("reticent" in sys.modules, *sys.argv, file=file)
"""
NAMES = ("start to last line", "end of the process", "both, wall time", "both, processor time", "memory, at most")
FITS = "from sklearn.dummy import DummyClassifier\nDummyClassifier().fit([[0], [1]], [0, 1])\n"
WAITS_IN_THE_SIXTH = "import time\nif open('runs').read() == 'xxxxxx': open('waits', 'w'); time.sleep(60)\n"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """`bench("code of a script", "-n", "2")`: the command, in a directory that is a project of its own."""
    (tmp_path / "pyproject.toml").touch()

    def call(
        code: str, *options: str, arguments: tuple[str, ...] = (), **environment: str
    ) -> subprocess.CompletedProcess[str]:
        (tmp_path / "train.py").write_text(code)
        temporary = tmp_path.parent / f"{tmp_path.name}-temporary"
        temporary.mkdir(exist_ok=True)
        done = subprocess.run(
            [sys.executable, "-m", "reticent.cli", "bench", "-n", "1", *options, "train.py", *arguments],
            env={**clean_environment(), "TMPDIR": str(temporary), **environment},
            cwd=tmp_path,
            capture_output=True,
            encoding="utf-8",
            timeout=200,
            check=False,
        )
        assert not list(temporary.iterdir())
        return done

    return call


def told(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_what_autologging_adds_is_told_and_nothing_is_left(bench: Bench, tmp_path: Path) -> None:
    before = set(tmp_path.iterdir())
    done = bench(FITS)
    assert done.returncode == 0, done.stderr
    rows = done.stdout.splitlines()[:6]
    for row, name in zip(rows[1:], NAMES, strict=True):
        assert row.startswith(name)
        assert re.fullmatch(r"\s+[\d.]+ \w+\s+[\d.]+ \w+\s+[+-][\d.]+ \w+", row[len(name) :])
    assert rows[0].split() == ["bare", "autologged", "added"]
    assert "Captured each time: 1 run," in done.stdout
    assert set(tmp_path.iterdir()) - before == {tmp_path / "train.py"}


def test_a_script_runs_as_python_runs_it_bare_and_autologged_in_turns(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "beside.py").touch()
    content = told(bench(SAYS_HOW_IT_RUNS, "-n", "2", "--json", arguments=("--json", "-n", "7", "x y")))
    assert (content["rounds"], content["arguments"]) == (2, ["--json", "-n", "7", "x y"])
    lines = (tmp_path / "how.txt").read_text().splitlines()
    not_counted, counted = (False, True), (False, True, True, False)
    assert lines == [f"{logged} train.py --json -n 7 x y" for logged in (*not_counted, *counted)]
    for name in ("script_s", "end_s", "wall_s", "processor_s", "memory_bytes"):
        assert len(content[name]["bare"]) == len(content[name]["autologged"]) == 2
        low, median, high = (content[name]["added"][share] for share in ("least", "median", "most"))
        assert low <= median <= high


def test_the_first_process_of_all_is_not_counted(bench: Bench) -> None:
    first = "import os, time\nif not os.path.exists('seen'): open('seen', 'w'); time.sleep(3)\n"
    assert told(bench(first, "--json"))["wall_s"]["bare"][0] < 3


def test_a_module_runs_as_python_runs_it(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package/__init__.py").touch()
    (tmp_path / "package/beside.py").touch()
    (tmp_path / "package/train.py").write_text(SAYS_HOW_IT_RUNS.replace("import beside", "from . import beside"))
    command = [sys.executable, "-m", "reticent.cli", "bench", "-n", "1", "-m", "package.train", "--lr", "2"]
    done = subprocess.run(command, env=clean_environment(), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    line = f"{tmp_path / 'package/train.py'} --lr 2"
    assert (tmp_path / "how.txt").read_text().splitlines() == [f"False {line}", f"True {line}"] * 2


def test_functions_of_the_script_reach_processes_that_it_spawns(bench: Bench) -> None:
    code = (
        "import multiprocessing\ndef double(x): return 2 * x\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool: assert pool.map(double, [1, 2]) == [2, 4]\n"
    )
    assert bench(code).returncode == 0


def test_times_are_of_the_whole_process_and_the_end_is_what_comes_after_the_last_line(bench: Bench) -> None:
    code = "import atexit, time\natexit.register(time.sleep, 1)\ntime.sleep(0.5)\n"
    content = told(bench(code, "--json"))
    for kind in ("bare", "autologged"):
        assert content["wall_s"][kind][0] >= 1.5
        assert 1 <= content["end_s"][kind][0] <= content["wall_s"][kind][0] - 0.5
        assert 0.5 <= content["script_s"][kind][0] <= content["wall_s"][kind][0] - 1


def test_the_end_of_a_forked_child_is_not_the_scripts(bench: Bench) -> None:
    child = "import atexit, os, sys, time\nif not os.fork():\n    time.sleep(1.5)\n    sys.exit()\n"
    assert told(bench(f"{child}atexit.register(os.wait)\n", "--json"))["end_s"]["bare"][0] > 1


def test_memory_is_the_most_that_the_process_had(bench: Bench) -> None:
    content = told(bench("gone = bytearray(200_000_000)\ndel gone", "--json"))
    assert 200e6 < content["memory_bytes"]["bare"][0] < 300e6


def test_child_processes_count(bench: Bench) -> None:
    busy = "import time; end = time.process_time() + 1\nwhile time.process_time() < end: pass"
    content = told(
        bench(f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {busy!r}], check=True)", "--json")
    )
    assert content["processor_s"]["bare"][0] >= 1


@pytest.mark.parametrize("code", ["import os; os._exit(0)", "import sys; sys.exit(0)"])
def test_a_script_may_end_as_it_likes(bench: Bench, code: str) -> None:
    content = told(bench(code, "--json"))
    assert ("end_s" in content) is ("_exit" not in code)


def test_a_script_that_fails_is_told_with_what_it_wrote_and_without_secrets(bench: Bench, tmp_path: Path) -> None:
    secret = "sk-" + "proj-" + "4hT9qLw2" * 6
    done = bench(f"open('runs', 'a').write('x')\nraise ValueError({secret!r})", "-n", "3")
    assert done.returncode == 1
    assert "exit code 1 without autologging" in done.stderr
    assert "ValueError: [REDACTED" in done.stderr
    assert secret not in done.stdout + done.stderr
    assert (tmp_path / "runs").read_text() == "x"


def test_a_script_that_fails_with_autologging_only_is_told_so(bench: Bench) -> None:
    done = bench("import sys\nif 'reticent' in sys.modules: sys.exit('not with me')")
    assert done.returncode == 1
    assert "exit code 1 with autologging only" in done.stderr
    assert "not with me" in done.stderr


def test_a_script_that_a_signal_ends_is_told_so(bench: Bench) -> None:
    done = bench("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    assert done.returncode == 1
    assert "was ended by signal 9 without autologging" in done.stderr


def test_the_trackers_of_the_project_get_nothing(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "reticent.toml").write_text(f'backends = ["jsonl://{tmp_path}/team"]\n')
    content = told(bench(FITS, "--json"))
    assert content["runs"] == [1]
    assert not (tmp_path / "team").exists()


def test_a_tracker_that_is_named_gets_the_runs(bench: Bench, tmp_path: Path) -> None:
    content = told(bench(FITS, "--json", "--to", f"jsonl://{tmp_path}/team"))
    assert content["runs"] == [1]
    assert len(list((tmp_path / "team").glob("**/*.jsonl"))) >= 1


def test_a_tracker_that_there_is_not_is_refused_before_anything_runs(bench: Bench, tmp_path: Path) -> None:
    done = bench("open('ran', 'w')", "--to", "nonsense://x")
    assert done.returncode == 1
    assert "nonsense" in done.stderr
    assert not (tmp_path / "ran").exists()


def test_a_tracker_that_is_dead_explains_what_was_added(bench: Bench) -> None:
    code = "import reticent\nreticent.log_metric('loss', 1.0)\n"
    done = bench(code, "--to", "mlflow+http://127.0.0.1:9", RETICENT_EXIT_TIMEOUT_S="1")
    assert "Reticent said in the last round:\n  reticent: backend mlflow does not take records now" in done.stdout
    assert "Reticent said" not in bench(code).stdout


def test_a_line_that_looks_like_ours_is_told_without_secrets(bench: Bench) -> None:
    secret = "sk-" + "proj-" + "4hT9qLw2" * 6
    done = bench(f"print('reticent: mine is', {secret!r})")
    assert "  reticent: mine is [REDACTED" in done.stdout
    assert secret not in done.stdout + done.stderr


@pytest.mark.parametrize("end", ["", "import os; os._exit(0)"])
def test_a_script_that_calls_autolog_is_compared_with_itself_without(bench: Bench, end: str) -> None:
    logs = f"import reticent\nreticent.autolog(log_models=False)\n{FITS}reticent.flush()\n{end}"
    content = told(bench(logs, "--json"))
    assert (content["imports_reticent"], content["logs_itself"], content["runs"]) == (True, False, [1])


def test_a_script_that_logs_by_hand_is_told_so(bench: Bench) -> None:
    done = bench("import reticent\nwith reticent.start_run('mine'): reticent.log_metric('loss', 1.0)")
    assert "an autolog() of its own did nothing when it ran bare" in done.stdout
    assert "What it logs by hand is in both" in done.stdout
    assert "Nothing was captured" in bench("pass").stdout


def test_ctrl_c_shows_the_rounds_that_are_whole(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import sys\nopen('runs', 'a').write('x')\n" + WAITS_IN_THE_SIXTH)
    bench = subprocess.Popen(
        [sys.executable, "-m", "reticent.cli", "bench", "-n", "9", "train.py"],
        env={**clean_environment(), "TMPDIR": str(tmp_path)},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # as of a terminal, Ctrl-C is for it and its children
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "waits").exists():
        assert bench.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(bench.pid, signal.SIGINT)
    output, _ = bench.communicate(timeout=60)
    assert bench.returncode == 130
    assert "\n1 round after one that is not counted" in output
    assert not list(tmp_path.glob("reticent-bench-*"))


@pytest.mark.parametrize("script", ["missing.py", os.curdir])
def test_what_is_no_script_is_a_usage_error(bench: Bench, script: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "reticent.cli", "bench", script]
    done = subprocess.run(command, env=clean_environment(), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "SCRIPT.py" in done.stderr
