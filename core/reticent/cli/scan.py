"""`reticent redact scan`: what would be hidden in files: rule and place, never what stands there."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from reticent import settings
from reticent.cli import render
from reticent_redact import Policy, Redactor, Report
from reticent_redact.scan import Place, scan, scan_file

STDIN = "-"
_IN_MEMORY = 16 << 20
"""Bytes of standard input that are kept in memory; more of it goes to a file without a name."""

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json"
_LEVEL = {"high": "error", "medium": "warning", "low": "note"}


@dataclass(frozen=True)
class Hit:
    """`path` is shown without secrets in it: the name of a file may be one."""

    path: str
    place: Place

    @property
    def where(self) -> str:
        return self.path if self.place.line is None else f"{self.path}:{self.place.line}:{self.place.column}"


@dataclass
class Scanned:
    """What was found, how many files were read, and what could not be."""

    hits: list[Hit] = field(default_factory=list)
    files: int = 0
    errors: list[str] = field(default_factory=list)


def scan_paths(paths: Sequence[str], policy_file: Path | None, form: Literal["text", "json", "sarif"]) -> None:
    redactor = redactor_by(policy_file)
    found = Scanned()
    out = render.console()
    with _progress(out, form == "text") as (advance, show):
        for path in paths:
            for hit in _scan(redactor, path, found, advance):
                if form == "text":
                    show(_line(hit))
                    found.hits = [hit]  # that there are any is all that is asked for: there may be millions
                else:
                    found.hits.append(hit)
    if form == "json":
        render.dump(_as_json(found))
    elif form == "sarif":
        render.dump(_as_sarif(found))
    elif not found.hits and not found.errors:
        out.print(Text.assemble(render.check("good"), f" nothing to hide in {render.plural(found.files, 'file')}"))
    for error in found.errors:
        render.complain(error)
    if found.errors or found.hits:
        raise typer.Exit(2 if found.errors else 1)


def redactor_by(policy_file: Path | None) -> Redactor:
    """One that hides what a session's would, with the policy in force or that in a file."""
    policies = settings.current().settings.policies
    if policy_file is not None:
        policies = settings.policy_of(policy_file, os.environ)
    policy: Policy = policies.base
    redactor = Redactor(policy)
    redactor.know_process()
    for key in policies.hash_keys():
        redactor.register(key)
    return redactor


def _scan(redactor: Redactor, path: str, found: Scanned, advance: Callable[[], None]) -> Iterator[Hit]:
    if path == STDIN:
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
            found.files += 1
            for place in scan(redactor, file):  # type: ignore[arg-type] # it has what a BinaryIO has
                yield Hit(STDIN, place)
        return

    def refuse(error: OSError) -> None:
        found.errors.append(f"{_shown(redactor, str(error.filename))}: {error.strerror}")

    for file_path in _files(Path(path), refuse):
        shown, report = str(file_path), Report()
        shown = redactor.seal(shown, channel="artifact name", report=report)
        for hidden in report.counts():
            yield Hit(shown, Place(hidden.rule, hidden.action, hidden.confidence))
        try:
            for place in scan_file(redactor, file_path):
                yield Hit(shown, place)
            found.files += 1
        except OSError as error:
            refuse(error)
        advance()


def _files(path: Path, refuse: Callable[[OSError], None]) -> Iterator[Path]:
    """The regular files at and below a path, in order; no links are followed, and our own runs are left out."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        refuse(error)
        return
    if not stat.S_ISDIR(mode):
        if stat.S_ISREG(mode):
            yield path
        else:
            refuse(OSError(0, "is no file, and is not read", str(path)))
        return
    own = settings.root(settings.current().settings)
    for folder, folders, names in os.walk(path, onerror=refuse):
        folders[:] = sorted(name for name in folders if name != ".reticent" and Path(folder, name).absolute() != own)
        for name in sorted(names):
            file = Path(folder, name)
            if stat.S_ISREG(file.lstat().st_mode):
                yield file


def _shown(redactor: Redactor, path: str) -> str:
    return redactor.seal(path, channel="artifact name")


def _line(hit: Hit) -> Text:
    sure = Text(hit.place.confidence, style=render.DIM)
    line = Text.assemble(
        render.literal(f"{hit.where:<48}"), "  ", (f"{hit.place.rule:<24}", render.REDACTED), "  ", sure
    )
    if hit.place.line is None:
        line.append("  the whole file would be withheld", style=render.DIM)
    return line


@contextmanager
def _progress(out: Console, wanted: bool) -> Iterator[tuple[Callable[[], None], Callable[[Text], None]]]:
    """What to call after each file, and what prints a line; a person sees the files counted."""

    def show(line: Text) -> None:
        out.print(line, soft_wrap=True)

    if not wanted or not render.on_terminal(out):
        yield lambda: None, show
        return
    columns = (SpinnerColumn(style=render.DIM), TextColumn("{task.completed:,.0f} files"), TimeElapsedColumn())
    with Progress(*columns, console=out, transient=True) as progress:
        task = progress.add_task("", total=None)
        yield lambda: progress.advance(task), show


def _as_json(found: Scanned) -> dict[str, Any]:
    hits = [{"path": hit.path, **hit.place._asdict()} for hit in found.hits]
    return {"hits": hits, "files": found.files, "errors": found.errors}


def _as_sarif(found: Scanned) -> dict[str, Any]:
    from reticent import __version__

    confidence = {hit.place.rule: hit.place.confidence for hit in found.hits}
    rules = sorted(confidence)
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "reticent",
                        "semanticVersion": __version__,
                        "rules": [
                            {
                                "id": rule,
                                "shortDescription": {"text": f"A secret, by the rule {rule}"},
                                "defaultConfiguration": {"level": _LEVEL[confidence[rule]]},
                            }
                            for rule in rules
                        ],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "invocations": [
                    {
                        "executionSuccessful": not found.errors,
                        "toolExecutionNotifications": [
                            {"level": "error", "message": {"text": error}} for error in found.errors
                        ],
                    }
                ],
                "results": [_result(hit, rules.index(hit.place.rule)) for hit in found.hits],
            }
        ],
    }


def _result(hit: Hit, rule: int) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": quote(hit.path.replace(os.sep, "/"))}}
    if hit.place.line is not None:
        place["region"] = {"startLine": hit.place.line, "startColumn": hit.place.column}
    says = "would be hidden" if hit.place.line is not None else "would have the whole file withheld"
    return {
        "ruleId": hit.place.rule,
        "ruleIndex": rule,
        "level": _LEVEL[hit.place.confidence],
        "message": {"text": f"What the rule {hit.place.rule} finds here {says}."},
        "locations": [{"physicalLocation": place}],
    }
