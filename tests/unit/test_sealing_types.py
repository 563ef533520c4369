"""The types keep raw values from the run log and from backends: mypy refuses what has not passed `Redactor.seal`."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

REFUSED = {
    "a record of raw text": "Param(time=1.0, key='lr', value='0.1')",
    "a warning of a raw kind": "Warned(time=1.0, kind=raw, message=sealed)",
    "a raw tag": "Tag(time=1.0, key=sealed, value=raw)",
    "a raw value in the run log": "writer.append(raw)",
    "a raw key of metrics": "writer.intern('loss', raw)",
    "a dict in a batch": "backend.write(Batch('id', directory, [{'key': raw}]))",
    "a raw artifact": "write_sealed(directory, sealed, raw)",
}
ACCEPTED = {
    "a sealed record": "writer.append(Param(time=1.0, key=sealed, value=sealed))",
    "a sealed key of metrics": "writer.intern('loss', sealed)",
}
SNIPPET = """
from pathlib import Path
from reticent_redact import Redactor
from reticent.artifacts import write_sealed
from reticent.backends import Backend, Batch
from reticent.records import Param, Tag, Warned
from reticent.runlog import LogWriter

def check(writer: LogWriter, backend: Backend, directory: Path, raw: str) -> None:
    sealed = Redactor().seal(raw, channel="test")
"""


@pytest.fixture(scope="module")
def errors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What mypy says of each statement, by its description."""
    file = tmp_path_factory.mktemp("mypy") / "snippet.py"
    statements = {**REFUSED, **ACCEPTED}
    file.write_text(SNIPPET + "".join(f"    {statement}\n" for statement in statements.values()))
    first = SNIPPET.count("\n") + 1
    output = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    ).stdout
    found = {}
    for number, name in enumerate(statements, first):
        found[name] = " ".join(line for line in output.splitlines() if f"{file.name}:{number}: error" in line)
    assert f"{file.name}:{first}:" in output, output
    return found


@pytest.mark.parametrize("name", REFUSED)
def test_raw_values_are_refused(name: str, errors: dict[str, str]) -> None:
    assert "expected" in errors[name]


@pytest.mark.parametrize("name", ACCEPTED)
def test_sealed_values_are_accepted(name: str, errors: dict[str, str]) -> None:
    assert errors[name] == ""


def test_only_the_redactor_makes_sealed_text() -> None:
    makers = []
    for package in ("core", "integrations", "redact"):
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                called = node.func if isinstance(node, ast.Call) else None
                name = getattr(called, "id", getattr(called, "attr", ""))
                casts = name == "cast" and isinstance(node, ast.Call) and "SealedText" in ast.dump(node.args[0])
                if name == "SealedText" or casts:
                    makers.append(file.relative_to(ROOT).as_posix())
    assert set(makers) == {"redact/reticent_redact/redactor.py"}
