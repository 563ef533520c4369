"""`reticent doctor --captures`: the tables of ours and of others, and that the page in docs/ is what it prints."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from reticent import captures

from .conftest import Command

PAGE = Path(__file__).parents[3] / "docs" / "captures.md"

TABLE = {
    "version": "1.5",
    "trainings": {
        "train": {
            "params": {
                "depth": "explicit",
                **{f"option_{number}": "default" for number in range(60)},
                "a|b": "derived",
            },
            "metrics": ["loss"],
            "tags": [],
            "artifacts": ["tree.json"],
            "datasets": ["table (train)"],
            "models": ["model"],
        }
    },
}


@pytest.fixture
def toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Integrations of third parties: one with a table, one without, one that cannot be imported, one whose table is none."""
    points = []
    toy = 'from types import SimpleNamespace\nintegration = SimpleNamespace(requires=">=1.2,<3")'
    for name, code in {"toys": toy, "bare": "", "broken": "1 / 0", "wrong": ""}.items():
        monkeypatch.delitem(sys.modules, f"{name}_reticent", raising=False)  # of another test
        package = tmp_path / f"{name}_reticent"
        package.mkdir()
        (package / "__init__.py").write_text(code)
        points.append(f"{name} = {name}_reticent:integration")
    points.append("toys_more = toys_reticent:more")
    (tmp_path / "toys_reticent" / "captures.json").write_text(json.dumps(TABLE))
    (tmp_path / "toys_reticent" / "oldest.json").write_text('{"version": "1.2", "passed": 40, "failed": 1}')
    (tmp_path / "wrong_reticent" / "captures.json").write_text('{"version": 1}')
    found = [metadata.EntryPoint(*point.split(" = "), "reticent.integrations") for point in points]
    monkeypatch.setattr(captures.metadata, "entry_points", lambda group: found)
    monkeypatch.syspath_prepend(str(tmp_path))


def test_a_table_is_shown_by_origin_and_kind(toys: None, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    outcome = command("doctor", "--captures")
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    assert "toys, toys_more  1.5" in lines
    assert not [line for line in lines if "bare" in line or "broken" in line or "wrong" in line]
    assert max(map(len, lines)) <= 80
    assert "    params, explicit  depth" in lines
    assert "    params, derived   a|b" in lines
    assert "    data sets         table (train)" in lines
    assert not [line for line in lines if line.strip().startswith("tags")]
    words = outcome.out.replace(",", " ").split()
    assert all(f"option_{number}" in words for number in range(60)), "a name is cut in two, or missing"


def test_one_framework_is_asked_for(toys: None, command: Command) -> None:
    assert "depth" in command("doctor", "--captures", "toys_more").out
    outcome = command("doctor", "--captures", "bare")
    assert outcome.code == 1
    assert "'bare'; there is of: toys, toys_more" in outcome.err
    assert command("doctor", "toys").code == 2
    assert command("doctor", "--markdown").code == 2


def test_as_markdown(toys: None, command: Command) -> None:
    page = command("doctor", "--captures", "--markdown").out
    assert "### toys, toys_more: train\n\n| | |\n| --- | --- |\n| params, explicit | `depth` |\n" in page
    assert "| params, derived | `a\\|b` |" in page
    assert "| toys, toys_more | >=1.2,<3 | 1.2, 1 test failed | 1.5 |" in page


def test_the_page_in_docs_is_up_to_date(command: Command) -> None:
    assert command("doctor", "--captures", "--markdown").out == PAGE.read_text("utf-8"), "write it anew: make captures"


def test_the_readmes_table_is_made_from_the_same() -> None:
    root = PAGE.parents[1]
    command = [sys.executable, str(root / "docs" / "summary.py"), "--print"]
    table = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert f"<!-- captures -->\n{table}<!-- end of captures -->" in (root / "README.md").read_text(), (
        "run `make captures`"
    )
