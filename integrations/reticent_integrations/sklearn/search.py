"""Searches over candidates: what was best, the table of all, and a child run for each candidate.

The child of a candidate is made when its last fit comes back, while the search goes on; so are all but one of as many as
the user wants, and what is left goes to the best candidates when the search has ended.
"""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from reticent import values
from reticent.patching import Capture
from reticent_integrations.sklearn.candidates import Candidate, Children
from reticent_integrations.sklearn.params import is_search, sealed
from reticent_integrations.sklearn.watching import Watch, watching


@contextmanager
def watched(capture: Capture, estimator: Any) -> Iterator[Children | None]:
    """Have the candidates of a search get their child runs as they are done; None if this is no search."""
    if not is_search(estimator):
        yield None
        return
    children = Children(capture, estimator, time.time())
    token = watching.set(Watch(children.fitted, capture.guard))
    try:
        yield children
    finally:
        watching.reset(token)


def log(capture: Capture, search: Any, children: Children) -> None:
    """Log what a search has found; the table and the children in the background."""
    best = getattr(search, "best_params_", None)
    if best is not None:
        capture.log_params({f"best_{key}": value for key, value in best.items()}, "derived")
    best_score = getattr(search, "best_score_", None)
    if best_score is not None:
        capture.log_metric("best_cv_score", float(best_score))
    results = {name: list(column) for name, column in search.cv_results_.items()}
    order = _from_best(results, getattr(search, "best_index_", None))
    left_out = max(0, len(order) - capture.options.max_children)
    tags = {"candidates": len(order)}
    capture.set_tags({**tags, "candidates_without_child_run": left_out} if left_out else tags)
    capture.in_background("cv_results.csv", lambda: capture.log_text(_table(results), "cv_results.csv"))
    splits, error_score = getattr(search, "n_splits_", 1), getattr(search, "error_score", math.nan)
    children.finish([Candidate.from_results(number, results, splits, error_score) for number in order])


def _from_best(results: Mapping[str, list[Any]], best: int | None) -> list[int]:
    """The numbers of the candidates, the best first: of a halving search the best of its last iteration."""
    count = len(results["params"])
    ranks = next((column for name, column in results.items() if name.startswith("rank_test_")), range(count))
    return sorted(range(count), key=lambda number: (number != best, ranks[number], number))


def _table(results: Mapping[str, list[Any]]) -> str:
    """All candidates as CSV, without the secrets among their parameters."""
    written = io.StringIO()
    table = csv.writer(written)
    table.writerow(results)
    for number in range(len(results["params"])):
        table.writerow(_cell(name, column[number]) for name, column in results.items())
    return written.getvalue()


def _cell(name: str, value: Any) -> str:
    if name == "params":
        value = {key: sealed(key, item) for key, item in value.items()}
    elif name.startswith("param_"):
        value = sealed(name.removeprefix("param_"), value)
    return values.text(values.plain(value))
