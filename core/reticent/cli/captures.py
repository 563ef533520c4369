"""`reticent doctor --captures`: what is captured of each framework, as the tests of its integration have seen it."""

from __future__ import annotations

from rich.console import Group
from rich.text import Text

from reticent.captures import Captures, Oldest, Training, tables, versions
from reticent.cli import render
from reticent.errors import ReticentError

_HEAD = """\
# What is captured

Written by `make captures`: what the integrations' end-to-end tests found after real trainings. A param is *explicit* if the
user gave it, *default* if the framework did, and *derived* if the framework or Reticent found it out. With every run come
its surroundings too (command line, git, versions), which are not listed here; `N` stands for a number. The oldest
versions are tested by `make oldest`: the contract that every integration keeps, in environments of their own, Keras on
PyTorch there.
"""


def show_captures(framework: str | None) -> None:
    """Print the tables, or that of one framework."""
    out = render.console()
    for names, table in _wanted(framework).items():
        parts = [part for title, training in table.trainings.items() for part in _part(title, training)]
        render.section(out, names, Group(*parts), table.version)


def print_markdown(framework: str | None) -> None:
    """The same as a page in Markdown."""
    blocks = [_HEAD]
    if framework is None:
        blocks.append(_versions())
    for names, table in _wanted(framework).items():
        blocks.append(f"## {names}\n\nSeen with version {table.version}.\n")
        for title, training in table.trainings.items():
            rows = [f"| {what} | {', '.join(map(_code, found))} |" for what, found in training.groups().items()]
            blocks.append("\n".join([f"### {names}: {title}\n", "| | |", "| --- | --- |", *rows]) + "\n")
    render.console().file.write("\n".join(blocks))


def _versions() -> str:
    rows = ["| | captured | oldest tested | newest tested |", "| --- | --- | --- | --- |"]
    for names, known in versions().items():
        rows.append(f"| {names} | {known.required} | {_oldest(known.oldest)} | {known.newest or ''} |")
    return "\n".join(["## Versions\n", *rows]) + "\n"


def _oldest(oldest: Oldest | None) -> str:
    if oldest is None:
        return ""
    return oldest.version if not oldest.failed else f"{oldest.version}, {render.plural(oldest.failed, 'test')} failed"


def _wanted(framework: str | None) -> dict[str, Captures]:
    known = tables()
    if framework is None:
        return known
    wanted = {names: table for names, table in known.items() if framework in names.split(", ")}
    if not wanted:
        raise ReticentError(f"there is no table of what is captured of {framework!r}; there is of: {', '.join(known)}")
    return wanted


def _part(title: str, training: Training) -> list[Text | render.Block]:
    table = render.table("", "", firm=(0,))
    for what, names in training.groups().items():
        table.add_row(Text(what, style=render.DIM), render.literal(", ".join(names)))
    return [Text(title), render.Block(table, 2)]


def _code(name: str) -> str:
    return "`" + name.replace("|", "\\|") + "`"
