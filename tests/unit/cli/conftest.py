"""A root with real runs, made once by a process of its own, and the command line called on it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from reticent import cli, settings

SECRET = "sk-" + "proj-" + "4hT9qLw2" * 6

RUNS = """
import math, os, sys
import reticent
from reticent.records import Console
from reticent.sessions import current

reticent.configure(experiment="churn")
with reticent.start_run("search", run_id="aaaa0001", tags={"team": "[bold]x[/]"}) as run:
    run.log_params({"lr": 0.1, "api_key": sys.argv[1], "note": "[red]x[/]", "long": "x" * 300})
    run.log_params({"escape": chr(27) + "[31mred", "lines": "a\\nb"})
    run.log_params({"solver": "lbfgs"}, origin="default")
    run.log_params({"n_classes": 2}, origin="derived")
    for step in range(50):
        run.log_metric("val_loss", 2 * 0.9**step, step)
    for value in (1.0, math.nan, math.inf, 2.0):
        run.log_metric("odd", value)
    run.log_text("hello", "notes/a.txt")
    for number in range(1, 9):
        with reticent.start_run(f"candidate-{number}", run_id=f"bbbb000{number}") as child:
            child.log_params({"C": number, "penalty": "l2", "path": "p" * 60 + str(number)})
            child.log_metrics({"accuracy": 0.9 + number / 100, "loss": 1.0 - number / 10, "speed": number * 10})
try:
    with reticent.start_run("日本-ünï [red]x[/]", run_id="cccc0001", experiment="odd [names]"):
        raise ValueError("bad [blue]value[/]")
except ValueError:
    pass
with reticent.start_run("withholding", run_id="dddd0001") as run:
    path = os.path.join(sys.argv[2], "config.txt")
    with open(path, "w") as file:
        file.write("token: " + sys.argv[1] + chr(10))
    run.log_artifact(path)
    seal = current().seal
    for stream, text in (("stdout", f"loss 0.5{chr(10)}[red] {chr(27)}[31m key={sys.argv[1]}"), ("stderr", "careful")):
        run._recorder.append(Console(time=1.0, stream=stream, text=seal("console", text + chr(10))))
    run.log_param("changed", 1)
    run.log_param("changed", 2)
"""


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


Command = Callable[..., Outcome]


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with finished, failed and nested runs, a secret among their params."""
    place = tmp_path_factory.mktemp("project")
    environment = {**clean_environment(), "RETICENT_DIR": str(place / "root")}
    subprocess.run([sys.executable, "-c", RUNS, SECRET, str(place)], env=environment, check=True, cwd=place, timeout=60)
    return place / "root"


@pytest.fixture
def command(root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """`command("show", "aaaa")`, in this process, its output piped; `root=` for another root."""

    def call(*arguments: str, root: Path = root) -> Outcome:
        monkeypatch.setenv("RETICENT_DIR", str(root))
        monkeypatch.setattr(sys, "argv", ["reticent", *arguments])
        settings.reset()
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        return Outcome(_code(ended.value.code), out, err)

    yield call
    monkeypatch.undo()
    settings.reset()


@pytest.fixture
def process(root: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`process("runs")`: the command as users run it."""

    def call(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "reticent.cli", *arguments],
            env={**clean_environment(), "RETICENT_DIR": str(root), **environment},
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )

    return call


def _code(code: object) -> int:
    return code if isinstance(code, int) else int(code is not None)


def clean_environment() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("RETICENT_", "COLUMNS", "NO_COLOR"))}
    return {**kept, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "PYTHONIOENCODING": "utf-8"}
