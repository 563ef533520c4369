"""Writes the table of frameworks in the README from what the tests of the integrations have seen.

python docs/summary.py    # done by `make captures`; with --print it only prints the table
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from reticent.captures import Captures, tables

README = Path(__file__).parents[1] / "README.md"
PLACE = re.compile(r"(?<=<!-- captures -->\n).*?(?=<!-- end of captures -->)", re.DOTALL)
SHOWN = 6
"""Names of a kind that are shown; the others are counted."""

_ROLE = re.compile(r"\((\w+)\)")
_ORDINARY = re.compile(r".*(_seconds|_per_second|_runtime|_memory_mb)")
"""Metrics of times and memory, which are the same everywhere."""


def table() -> str:
    rows = ["| | trainings that are looked at | params | metrics | files | data sets |", "| --- |" + " --- |" * 5]
    return "\n".join([*rows, *(_row(names, found) for names, found in tables().items())]) + "\n"


def _row(names: str, found: Captures) -> str:
    trainings = found.trainings.values()
    params = max(len(one.params) for one in trainings)
    metrics = [_numbered(name) for one in trainings for name in one.metrics if not _ORDINARY.fullmatch(name)]
    files = [_file(name) for one in trainings for name in (*one.models, *one.artifacts)]
    roles = sorted({_ROLE.findall(name)[-1] for one in trainings for name in one.datasets})
    titles = ", ".join(found.trainings)
    anchor = names.replace(", ", "-").replace(" ", "-")
    link = f"[{names}](docs/captures.md#{anchor}) {found.version.partition('+')[0]}"
    return f"| {link} | {titles} | {params} | {_some(metrics)} | {_some(files)} | {', '.join(roles)} |"


def _numbered(name: str) -> str:
    """With N for the numbers of folds and data sets."""
    return re.sub(r"(?<=_|t)\d+(?=[-_])", "N", name)


def _file(name: str) -> str:
    """Checkpoints as one; of data and its picture the name that both have."""
    return "checkpoints" if name.startswith("checkpoints/") else re.sub(r"\.(json|png)$", "", name)


def _some(all_names: list[str]) -> str:
    names = list(dict.fromkeys(all_names))
    shown = [f"`{name}`" for name in names[:SHOWN]]
    more = [f"{len(names) - SHOWN} more"] if len(names) > SHOWN else []
    return ", ".join(shown + more)


if __name__ == "__main__":
    if "--print" in sys.argv:
        print(table(), end="")
    else:
        README.write_text(PLACE.sub(lambda _: table(), README.read_text()))
