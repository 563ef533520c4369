"""`reticent doctor`: what is captured here, how it is set up and why, and what is wrong."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path

import msgspec
import typer
from rich.console import RenderableType
from rich.text import Text

from reticent import files, settings
from reticent.backends.sqlite.schema import database_path
from reticent.cli import backends, courier, render
from reticent.cli.doctor_frameworks import frameworks, options_table, refused_options
from reticent.cli.finding import Finding, table_of
from reticent.errors import SettingsError
from reticent.runlog import RUN_ID

LITTLE_SPACE = 1e9

_TABLES = ("redact", "capture")
"""Settings that hold names and bounds, never a value of the user's."""


def diagnose() -> None:
    """Print all findings; exit code 1 if one of them is bad."""
    out = render.console()
    source, problem = _settings()
    problems = [] if problem is None else [problem]
    root = settings.root(source.settings)
    parts: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        ("Place", lambda: chain(place(root), courier.finding(root, source.settings))),
        ("Frameworks", lambda: chain(frameworks(), refused_options(source))),
        ("Backends", lambda: backends.findings(source.settings)),
    ]
    from reticent import __version__

    python = sys.version.split()[0]
    out.print(Text.assemble((f"reticent {__version__}", render.HEAD), (f"  python {python}", render.DIM)))
    for title, part in parts:
        found = list(part())
        problems += [finding for finding in found if finding.state == "bad"]
        render.section(out, title, table_of(found))
    if problem is not None:
        render.section(out, "Settings", table_of([problem]))
    else:
        render.section(out, "Options of autologging", options_table(source), "as settings have them")
        render.section(out, "Settings", settings_table(source))
        from reticent.cli.policy import policy_table

        render.section(out, "Redaction", policy_table(source), "the policy in force")
    out.print()
    if not problems:
        out.print(Text("All is well.", style=render.GOOD))
        return
    out.print(Text(render.plural(len(problems), "problem"), style=render.BAD))
    raise typer.Exit(1)


def _settings() -> tuple[settings.Source, Finding | None]:
    """The settings in force; with a wrong one the defaults, so that the rest can be looked at, and what is wrong."""
    try:
        return settings.current(), None
    except SettingsError as error:
        defaults = settings.load(Path("/"), {}, {})
        return defaults, Finding("bad", "settings", str(error), "the defaults are looked at instead")


def settings_table(source: settings.Source) -> RenderableType:
    """Each setting, its value sealed (a backend's URL may hold a password), and the place that it comes from."""
    from reticent_redact import Redactor

    redactor = Redactor()
    redactor.know_process()
    table = render.table("", "", "")
    for name in settings.FIELDS:
        if name == "redact":  # it has a section of its own
            continue
        value = msgspec.to_builtins(getattr(source.settings, name))
        if isinstance(value, dict):
            value = {key: item for key, item in value.items() if item not in render.NOTHING}
        origin = source.origin[name]
        style = render.DIM if origin == "default" else ""
        text = (
            render.setting(value)
            if name in _TABLES
            else redactor.seal(render.setting(value), channel="settings", key=name)
        )
        table.add_row(render.literal(name, style), render.literal(text, style), render.literal(origin, render.DIM))
    return table


def place(root: Path) -> Iterator[Finding]:
    """The root, the file system under it, and the embedded database."""
    existing = next(path for path in (root, *root.parents) if path.exists())
    if not existing.is_dir():
        yield Finding("bad", "root", str(root), f"{existing} is a file, not a directory")
        return
    try:
        with tempfile.TemporaryFile(dir=existing):  # the only answer that counts: permissions, quotas, read-only mounts
            yield Finding("good", "root", str(root), _runs(root))
    except OSError as error:
        yield Finding("bad", "root", str(root), f"{existing} cannot be written: {error.strerror}")
    yield _file_system(existing)
    free = shutil.disk_usage(existing).free
    if free < LITTLE_SPACE:
        yield Finding("fair", "free space", render.size(free), "what is logged on a full disk is lost")
    else:
        yield Finding("good", "free space", render.size(free))
    yield database(root)


def _runs(root: Path) -> str:
    try:
        count = sum(entry.is_dir() and bool(RUN_ID.fullmatch(entry.name)) for entry in os.scandir(root / "runs"))
    except FileNotFoundError:
        return "made with the first run"
    except OSError as error:
        return error.strerror or type(error).__name__
    return render.plural(count, "run")


def _file_system(path: Path) -> Finding:
    kind = files.file_system(path) or "unknown"
    if files.is_network(path):
        return Finding("fair", "file system", kind, "a network: metrics are appended, not mapped")
    if not files.reserves(path):
        return Finding("good", "file system", kind, "no trusted reservation of space: metrics are appended, not mapped")
    return Finding("good", "file system", kind, "metrics are written to reserved, mapped memory")


def database(root: Path) -> Finding:
    path = database_path(root)
    why = (
        "" if path.parent == root else "in the user's cache: SQLite's locks cannot be trusted on a network file system"
    )
    if not path.exists():
        return Finding("none", "database", str(path), "; ".join(filter(None, ("made with the first run", why))))
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5.0)) as connection:
            answer = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.Error as error:
        answer = str(error)
    if answer != "ok":
        first = render.literal(answer.split("\n")[0], limit=120)
        return Finding("bad", "database", str(path), f"{first}; `reticent reindex` rebuilds it from the run logs")
    size = render.size(path.stat().st_size)
    return Finding("good", "database", str(path), "; ".join(filter(None, (size, why))))
