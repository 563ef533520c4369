"""What was said of a model's files before somebody was asked to trust them holds for what is loaded, or it is refused."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path

from reticent.errors import ReticentError

_last = threading.local()


def told(directory: Path, imports: Iterable[str]) -> None:
    """Loading the model in a directory would do this; so whoever loads it from this thread next has been told."""
    _last.judged = (directory, frozenset(imports))


def check(directory: Path, imports: Iterable[str]) -> None:
    """ReticentError if loading would do what nobody was told: the files were changed since. Who calls a flavour's `load`
    without its `imports` has not asked."""
    judged, _last.judged = getattr(_last, "judged", None), None
    if judged is None or judged[0] != directory:
        return
    more = sorted(set(imports) - judged[1])
    if more:
        raise ReticentError(
            f"the model in {directory} was changed while it was being loaded: it would now import {', '.join(more[:20])}; "
            "load it from a place where nobody else can write"
        )
