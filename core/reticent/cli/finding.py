"""What `reticent doctor` finds: a state, what it is of, and what is to be said of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rich.console import RenderableType
from rich.text import Text

from reticent.cli import render

State = Literal["good", "fair", "bad", "none"]


@dataclass(frozen=True)
class Finding:
    state: State
    what: str
    says: str | Text
    why: str = ""


def table_of(findings: list[Finding]) -> RenderableType:
    table = render.table("", "", "", "")
    for finding in findings:
        says = finding.says if isinstance(finding.says, Text) else render.literal(finding.says)
        why = render.literal(finding.why, render.DIM)
        table.add_row(render.check(finding.state), render.literal(finding.what), says, why)
    return table
