"""What the README tells people to type works as it stands."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from reticent.autologging import options_in_force

README = (Path(__file__).parents[2] / "README.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
COMMANDS = [
    line.partition("  #")[0].strip()
    for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("reticent ")
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which the quick start was run."""
    directory = tmp_path_factory.mktemp("project")
    (directory / "pyproject.toml").write_text("")
    for code in PYTHON:
        if "fit(" in code:
            run(directory, [sys.executable, "-c", code])
    return directory


def run(directory: Path, command: list[str]) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RETICENT_")}
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def ids(project: Path) -> list[str]:
    """Of the runs that have a model first."""
    code = "import reticent\nfor run in sorted(reticent.search_runs(), key=lambda run: not run.models()): print(run.run_id)"
    return run(project, [sys.executable, "-c", code]).split()


def test_every_option_of_autologging_is_told_with_its_default() -> None:
    shared, of_integrations = options_in_force({})
    for options in filter(None, [shared, *of_integrations.values()]):
        for name, value in msgspec.structs.asdict(options).items():
            told = "none" if value is None else json.dumps(value)
            assert re.search(rf"^\|.*`{name}`.* \| .*{re.escape(told)}.* \|", README, re.MULTILINE), (name, told)


def test_there_is_something_to_test() -> None:
    assert len(PYTHON) >= 3
    assert len(COMMANDS) >= 5


@pytest.mark.parametrize("command", COMMANDS)
def test_commands(command: str, project: Path) -> None:
    first, second, *_ = ids(project)
    words = shlex.split(command.replace("3f2a", first[:8]).replace("81bc", second[:8]))
    assert run(project, [sys.executable, "-m", "reticent.cli", *words[1:]]).strip()


def test_reading_back(project: Path) -> None:
    (code,) = [code for code in PYTHON if "search_runs" in code]
    one = "import reticent\nwith reticent.start_run() as run: run.log_param('model', 'xgb'); run.log_metric('loss', 0.1)\n"
    run(project, [sys.executable, "-c", one + code.replace("3f2a", ids(project)[0][:8])])


def test_the_quick_start_is_captured_and_hides_its_secret(project: Path) -> None:
    everything = b"".join(path.read_bytes() for path in (project / ".reticent").rglob("*") if path.is_file())
    assert b"not for anyone else" not in everything
    shown = run(project, [sys.executable, "-m", "reticent.cli", "runs", "--json"])
    assert "Pipeline_score_eval" in shown
    assert "training_accuracy_score" in shown


def test_the_policy_is_in_force_as_it_stands(tmp_path: Path) -> None:
    (policy,) = [one for one in re.findall(r"```toml\n(.*?)```", README, re.DOTALL) if "[redact" in one]
    (make_key,) = re.findall(r"# \((umask .*? > hash\.key)\)", policy)
    (tmp_path / "reticent.toml").write_text(policy)
    run(tmp_path, ["sh", "-c", make_key])
    assert "All is well" in run(tmp_path, [sys.executable, "-m", "reticent.cli", "doctor"])
    log = "reticent.log_params({'customer_name': 'Miller', 'note': 'asked by EMP-654321'})"
    run(tmp_path, [sys.executable, "-c", f"import reticent\n{log}"])
    shown = run(tmp_path, [sys.executable, "-m", "reticent.cli", "runs", "--json"])
    assert "Miller" not in shown
    assert "asked by EMP-[REDACTED:employee-id]" in shown


def test_runs_are_carried_to_another_machine(project: Path, tmp_path: Path) -> None:
    (block,) = [block for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) if "reticent export" in block]
    export, *there = [line.partition("  #")[0].strip().split()[1:] for line in block.splitlines()]
    make_key, public_half = re.findall(r"`(openssl [^`]*)`", README)
    run(tmp_path, ["sh", "-c", make_key])
    run(tmp_path, ["sh", "-c", public_half.replace("\n", " ")])
    (tmp_path / "pyproject.toml").write_text("")
    bundle, key = str(tmp_path / "runs.tar.zst"), str(tmp_path / "key.pem")
    run_id = ids(project)[0]
    words = {"3f2a": run_id[:8], "runs.tar.zst": bundle, "key.pem": key}
    run(project, [sys.executable, "-m", "reticent.cli", *[words.get(word, word) for word in export]])
    for command in there:
        run(tmp_path, [sys.executable, "-m", "reticent.cli", *command])
    assert ids(tmp_path)[0] == run_id
