"""A dry run tells what would be captured and redacted, and leaves nothing anywhere."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

import reticent
from reticent import dry_run
from reticent.errors import SettingsError

SECRET = "ghp_" + "R7mK2pQ9" * 4 + "xW4t"

TRAINING = f"""
import reticent
reticent.autolog({{dry}})
from sklearn.preprocessing import FunctionTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]
def shifted(X, token):
    return X
model = make_pipeline(FunctionTransformer(shifted, kw_args={{{{"token": "{SECRET}"}}}}), LogisticRegression(C=0.5))
model.fit(X, y)
model.score(X[:2], y[:2])
with reticent.start_run("by hand") as run:
    run.log_text("with {SECRET}", "note.txt")
    for step in range(5):
        run.log_metric("loss", 1.0 / (step + 1), step)
print("trained")
"""
LEFT = """
import os, signal, reticent
reticent.autolog(dry_run=True)
run = reticent.start_run()
run.log_param("lr", 0.1)
print(run.directory.parents[1], flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
WORKERS = """
import reticent
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

def work(number):
    reticent.log_param("number", number)

if __name__ == "__main__":
    reticent.autolog(dry_run=True)
    with reticent.start_run("whole"), ProcessPoolExecutor(1, get_context("{method}")) as pool:
        list(pool.map(work, range(1)))
"""


@dataclass
class Place:
    """A project, a home and a place for temporary files of a process's own."""

    directory: Path

    def run(self, code: str, **environment: str) -> subprocess.CompletedProcess[str]:
        (self.directory / "project").mkdir(exist_ok=True)
        (self.directory / "project" / "pyproject.toml").touch()
        script = self.directory / "project" / "train.py"
        script.write_text(code)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("RETICENT_")}
        for name in ("HOME", "TMPDIR"):
            inherited[name] = str(self.directory / name)
            Path(inherited[name]).mkdir(exist_ok=True)
        inherited |= {"PYTHONDONTWRITEBYTECODE": "1", "MPLCONFIGDIR": tempfile.gettempdir(), **environment}
        return subprocess.run(
            [sys.executable, str(script)], cwd=script.parent, env=inherited, capture_output=True, text=True, timeout=120
        )

    def files(self) -> list[str]:
        paths = self.directory.rglob("*")
        return sorted(str(path.relative_to(self.directory)) for path in paths if path.is_file())


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    # Its name is short: the path of a socket among temporary files has at most 107 characters.
    return Place(tmp_path_factory.mktemp("place"))


OWN = ["project/pyproject.toml", "project/train.py"]


def test_all_is_told_and_nothing_stays(place: Place) -> None:
    done = place.run(TRAINING.format(dry="dry_run=True"))
    assert (done.returncode, done.stdout) == (0, "trained\n")
    assert place.files() == OWN
    assert "a dry run, 2 runs, nothing of it stored" in done.stderr
    pipeline, by_hand = done.stderr.split("\nPipeline  finished")[1].split("\nby hand  finished")
    assert "explicit" in pipeline
    assert "training_accuracy_score (1)" in pipeline
    assert "Pipeline_score_eval (1)" in pipeline
    assert "-token in param: mask" in pipeline
    assert "github-token in model/model.pkl" in pipeline
    assert "1, 5 points" in by_hand
    assert "github-token in artifact: mask" in by_hand
    assert SECRET not in done.stderr
    assert "Traceback" not in done.stderr


def test_without_it_the_same_script_is_stored(place: Place) -> None:
    done = place.run(TRAINING.format(dry=""))
    assert "dry run" not in done.stderr
    assert any(path.startswith("project/.reticent/runs/") for path in place.files())


@pytest.mark.parametrize("by", ["file", "environment"])
def test_a_setting_asks_for_it_too(place: Place, by: str) -> None:
    (place.directory / "project").mkdir()
    if by == "file":
        (place.directory / "project" / "reticent.toml").write_text("autolog = { dry_run = true }\n")
    environment = {"RETICENT_AUTOLOG": '{"dry_run": true}'} if by == "environment" else {}
    done = place.run("import reticent\nreticent.autolog()\nreticent.log_param('lr', 0.1)", **environment)
    assert done.returncode == 0
    assert "a dry run, 1 run," in done.stderr
    assert [path for path in place.files() if not path.endswith(".toml")] == ["project/train.py"]


@pytest.mark.parametrize("memory", [True, False], ids=["in memory", "on disk"])
def test_what_a_killed_one_leaves_the_next_removes(place: Place, memory: bool) -> None:
    hide = "" if memory else "from reticent import dry_run\ndry_run.ENOUGH = 1e30"
    done = place.run(f"{hide}\n{LEFT}")
    assert done.returncode == -signal.SIGKILL
    left = Path(done.stdout.strip())
    assert left.is_dir()
    assert left.stat().st_mode & 0o777 == 0o700
    assert (place.directory in left.parents) is not memory or not Path("/dev/shm").is_dir()
    place.run("import reticent\nreticent.autolog(dry_run=True)")
    assert not left.exists()
    assert place.files() == OWN


def test_one_that_goes_on_is_left_alone(place: Place) -> None:
    code = "import os, sys, reticent\nreticent.autolog(dry_run=True)\n"
    inner = "import reticent; reticent.autolog(dry_run=True)"
    code += f"""
import subprocess
environment = {{name: value for name, value in os.environ.items() if name != "RETICENT_DRY_RUN"}}
subprocess.run([sys.executable, "-c", {inner!r}], env=environment, check=True, capture_output=True)
assert os.path.isdir(os.environ["RETICENT_DRY_RUN"])
"""
    done = place.run(code)
    assert done.returncode == 0, done.stderr
    assert "Nothing was captured" in done.stderr


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_worker_processes_take_part(place: Place, method: str) -> None:
    done = place.run(WORKERS.format(method=method))
    assert done.returncode == 0, done.stderr
    if method == "fork":  # a forked one logs to the run that is open
        assert "a dry run, 1 run," in done.stderr
    else:
        assert "a dry run, 2 runs" in done.stderr
        assert "child of whole" in done.stderr
    assert "number" in done.stderr
    assert place.files() == OWN


def test_a_failing_script_ends_as_it_would(place: Place) -> None:
    done = place.run("import reticent\nreticent.autolog(dry_run=True)\nreticent.start_run('bad')\n1 / 0")
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    assert "bad  failed" in done.stderr
    assert place.files() == OWN


def test_what_comes_after_it_is_stored(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reticent.autolog(dry_run=True)
    with reticent.start_run("dry") as run:
        run.log_param("lr", 0.1)
    assert root not in run.directory.parents
    assert [found.name for found in reticent.search_runs()] == ["dry"]
    assert not root.exists()
    reticent.autolog()
    assert "dry  finished" in capsys.readouterr().err
    with reticent.start_run("kept"):
        pass
    assert [found.name for found in reticent.search_runs()] == ["kept"]
    dry_run.finish()
    assert not run.directory.exists()
    assert capsys.readouterr().err == ""


def test_a_run_that_is_stored_already_is_not_taken_into_it(root: Path) -> None:
    with reticent.start_run("begun"), pytest.raises(SettingsError, match="begun is open"):
        reticent.autolog(dry_run=True)
    reticent.autolog(dry_run=True)


def test_a_wrong_setting_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reticent.configure(autolog={"dry_run": "yes"})
    with pytest.raises(SettingsError, match="dry_run must be true or false"):
        reticent.autolog()
    monkeypatch.setenv("RETICENT_DRY_RUN", "1")
    with pytest.raises(SettingsError, match="RETICENT_AUTOLOG"):
        reticent.configure()
