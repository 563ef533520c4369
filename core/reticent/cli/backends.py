"""`reticent backends`: which there are, what each one lacks, and whether those that are configured can be reached."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from importlib.metadata import EntryPoint

import typer
from rich.text import Text

from reticent import settings
from reticent.backends import Target, create, how_to_install, installed, missing, name_of
from reticent.backends.credentials import knowing
from reticent.cli import render
from reticent.cli.finding import Finding, table_of
from reticent.guard import tried

ANSWER_S = 15.0

_EMBEDDED = "sqlite"


def show_backends() -> None:
    """Print a line for each; exit code 1 if one that is configured cannot be used."""
    out = render.console()
    found = list(findings(settings.current().settings))
    out.print(table_of(found))
    if any(finding.state == "bad" for finding in found):
        raise typer.Exit(1)


def findings(chosen: settings.Settings) -> Iterator[Finding]:
    """First those that are configured, each asked whether it can be reached; then all others."""
    for url, error in _reached(chosen):
        shown = _sealed(url)
        if error is None:
            yield Finding("good", name_of(url), shown, "can be reached")
        else:
            yield Finding("bad", name_of(url), shown, error)
    used = {name_of(url) for url in chosen.backends}
    for name, point in sorted(installed().items()):
        if name not in used:
            yield _not_used(name, point)


def _reached(chosen: settings.Settings) -> list[tuple[str, str | None]]:
    """Each configured URL, and why it cannot be used; all are asked at once."""
    errors: dict[str, str | None] = dict.fromkeys(chosen.backends, f"no answer within {ANSWER_S:.0f} s")
    errors |= dict.fromkeys({_EMBEDDED} & errors.keys())  # it is made with the first run: to look leaves no trace
    root = settings.root(chosen)

    def ask(url: str) -> None:
        with tried() as attempt:
            backend = create(url)
            backend.open(Target(url, root))
            backend.close()
            errors[url] = None
        if attempt.error is not None:
            errors[url] = _sealed(str(attempt.error) or type(attempt.error).__name__)

    threads = [threading.Thread(target=ask, args=(url,), daemon=True) for url in errors if url != _EMBEDDED]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(ANSWER_S)
    return list(errors.items())


def _not_used(name: str, point: EntryPoint) -> Finding:
    with tried() as attempt:
        lacking = missing(point.load())
    if attempt.error is not None:
        return Finding("fair", name, "broken", f"{type(attempt.error).__name__} on import")
    if lacking:
        return Finding("none", name, Text("not installed", style=render.DIM), how_to_install(name))
    return Finding("none", name, Text("installed", style=render.DIM), "not configured")


def _sealed(text: str) -> str:
    return knowing().seal(text, channel="backend error")
