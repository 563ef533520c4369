"""Cross-validation by a boosting library's own `cv`: what came of each fold, and the table that it returns.

The libraries give callbacks the mean over the folds alone. What they take it of passes through one function of theirs.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from reticent.patching import Call, Capture

_watched: ContextVar[list[Any] | None] = ContextVar("reticent_folds", default=None)


@contextmanager
def watched() -> Iterator[list[Any]]:
    """In here, what every fold scored in a round is put into the list, for the callback that comes next to take out."""
    scores: list[Any] = []
    token = _watched.set(scores)
    try:
        yield scores
    finally:
        _watched.reset(token)


def aggregate(call: Call) -> Generator[None, Any, None]:
    """Around a library's function that makes the mean over the folds, whose first argument is the scores of each."""
    scores = _watched.get()
    if scores is not None:
        scores[:] = next(iter(call.given().values()))
    yield


def log_table(capture: Capture, results: Mapping[str, Sequence[float]]) -> None:
    """Log what `cv` returned, a row for each round, as `cv_results.csv`."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["round", *results])
    rows.writerows([number, *scores] for number, scores in enumerate(zip(*results.values(), strict=True)))
    capture.log_text(text.getvalue(), "cv_results.csv")
