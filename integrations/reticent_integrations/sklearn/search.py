"""Searches over candidates: what was best, the table of all, and a child run for each of the best candidates."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping
from typing import Any

from reticent import outcome, values
from reticent.api import past_run
from reticent.run import Run
from reticent_integrations.sklearn.params import sealed

_SPLIT_SCORE = re.compile(r"split\d+_test_")


def log(run: Run, prefix: str, search: Any, began: float, max_children: int) -> None:
    """Log what a search that was fitted from `began` (epoch seconds) has found; the table and the children in the
    background."""
    best = getattr(search, "best_params_", None)
    if best is not None:
        run.log_params({f"{prefix}best_{key}": value for key, value in best.items()}, origin="derived")
    best_score = getattr(search, "best_score_", None)
    if best_score is not None:
        run.log_metric(f"{prefix}best_cv_score", float(best_score))
    results = {name: list(column) for name, column in search.cv_results_.items()}
    order = _from_best(results)
    left_out = len(order) - min(len(order), max_children)
    tags = {f"{prefix}candidates": len(order)}
    run.set_tags({**tags, f"{prefix}candidates_without_child_run": left_out} if left_out else tags)
    run.in_background("cv_results.csv", lambda: run.log_text(_table(results), f"{prefix}cv_results.csv"))
    candidate = getattr(search, "estimator", None)
    about = {
        "autologging": "sklearn",
        "estimator_name": type(candidate).__name__,
        "estimator_class": f"{type(candidate).__module__}.{type(candidate).__name__}",
    }

    def make_children() -> None:
        from sklearn.exceptions import FitFailedWarning

        for number in order[:max_children]:
            # When a candidate was fitted nobody tells, only for how long: from the beginning of the search, then, and
            # with all its splits one after the other, also if they were fitted side by side.
            took = _took(results, number, getattr(search, "n_splits_", 1))
            with past_run(f"{run.name}.{prefix}candidate_{number}", run, began) as child:
                child.set_tags(about)
                _log_candidate(child, results, number)
                error = None
                if _never_fitted(results, number, getattr(search, "error_score", math.nan)):
                    error = FitFailedWarning("every fit of this candidate failed; the warnings of the search say why")
                child.end(outcome.status_of(error), error, end_time=began + took)

    run.in_background("child runs of a search", make_children)


def _took(results: Mapping[str, list[Any]], number: int, splits: int) -> float:
    """The seconds that a candidate's fits and scores took in all; 0 if that is not known."""
    times = [results[name][number] for name in ("mean_fit_time", "mean_score_time") if name in results]
    took = splits * float(sum(times))
    return took if math.isfinite(took) else 0.0


def _never_fitted(results: Mapping[str, list[Any]], number: int, error_score: Any) -> bool:
    """Whether every fit of a candidate failed. The search keeps no note of that, but scoring then took no time at all,
    and each score is the one that it gives for a failure, NaN if nothing else was wanted."""
    scores = [column[number] for name, column in results.items() if _SPLIT_SCORE.match(name)]
    scored = "mean_score_time" not in results or results["mean_score_time"][number] != 0
    if scored or not scores or isinstance(error_score, str):  # "raise": the search itself would have failed
        return False
    return all(score == error_score or (math.isnan(score) and math.isnan(error_score)) for score in scores)


def _log_candidate(child: Run, results: Mapping[str, list[Any]], number: int) -> None:
    child.log_params(results["params"][number], origin="explicit")
    for key, column in results.items():
        if key != "params" and not key.startswith("param_"):
            child.log_metric(key, column[number])


def _from_best(results: Mapping[str, list[Any]]) -> list[int]:
    """The numbers of the candidates, the best first."""
    count = len(results["params"])
    ranks = next((column for name, column in results.items() if name.startswith("rank_test_")), range(count))
    return sorted(range(count), key=lambda number: (ranks[number], number))


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
