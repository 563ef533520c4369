"""The candidates of a search, and the child runs that they get."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reticent.patching import Capture

if TYPE_CHECKING:
    from reticent.run import Run

_SPLIT_SCORE = re.compile(r"split\d+_test_")


@dataclass(frozen=True, slots=True)
class Candidate:
    number: int
    params: Mapping[str, Any]
    metrics: Mapping[str, float]
    """As in `cv_results_`."""
    took: float
    """The seconds that its fits and scores took, one after the other; 0 if that is not known."""
    failure: str
    """Why it was never fitted; empty if it was."""

    @classmethod
    def from_outputs(
        cls, number: int, params: Mapping[str, Any], outputs: list[dict[str, Any]], more: Mapping[str, float]
    ) -> Candidate:
        """From what its fits have given, while the search goes on: all but its rank."""
        metrics = {**_spread("fit_time", [one["fit_time"] for one in outputs])}
        metrics |= _spread("score_time", [one["score_time"] for one in outputs])
        for part in ("test", "train"):
            for name, scores in _scores(outputs, f"{part}_scores").items():
                each = {f"split{split}_{part}_{name}": score for split, score in enumerate(scores)}
                metrics |= {**each, **_spread(f"{part}_{name}", scores)}
        took = sum(one["fit_time"] + one["score_time"] for one in outputs)
        errors = [one.get("fit_error") for one in outputs]
        reason = str(errors[-1]).strip().rpartition("\n")[2] if all(errors) else ""
        return cls(number, params, {**metrics, **more}, took, reason)

    @classmethod
    def from_results(cls, number: int, results: Mapping[str, list[Any]], splits: int, error_score: Any) -> Candidate:
        """From the table of a search that has ended."""
        names = [name for name in results if name != "params" and not name.startswith("param_")]
        times = [results[name][number] for name in ("mean_fit_time", "mean_score_time") if name in results]
        took = splits * float(sum(times))
        return cls(
            number,
            results["params"][number],
            {name: results[name][number] for name in names},
            took if math.isfinite(took) else 0.0,
            "the warnings of the search say why" if _never_fitted(results, number, error_score) else "",
        )


class Children:
    """The child runs of one search. Each is written when its candidate is done, a matter of milliseconds, so that it is
    there whatever becomes of the process."""

    def __init__(self, capture: Capture, search: Any, began: float) -> None:
        self._capture = capture
        self._search = search
        self._began = began
        self._streamed: set[int] = set()
        self._runs: dict[int, Run] = {}
        candidate = getattr(search, "estimator", None)
        self._about = {
            "autologging": capture.integration,
            "estimator_name": type(candidate).__name__,
            "estimator_class": f"{type(candidate).__module__}.{type(candidate).__name__}",
        }

    def fitted(self, number: int, params: Mapping[str, Any], outputs: list[dict[str, Any]]) -> None:
        """Make the run of a candidate whose last fit has just come back; the last place is kept for the best one."""
        if len(self._streamed) >= self._capture.options.max_children - 1:
            return
        self._streamed.add(number)
        resources = getattr(self._search, "n_resources_", [])  # of a halving search, those of its iterations so far
        more = {"iter": len(resources) - 1, "n_resources": resources[-1]} if resources else {}
        candidate = Candidate.from_outputs(number, params, outputs, more)
        # When its fits began nobody tells, only for how long they ran.
        began = max(self._began, time.time() - candidate.took)
        self._make(candidate, began)

    def finish(self, candidates: list[Candidate]) -> None:
        """Add their ranks to the runs of the candidates, the best of which is the first, and make those left to make."""
        places = max(0, self._capture.options.max_children - len(self._streamed))
        rest = [one for one in candidates if one.number not in self._streamed][:places]
        for candidate in rest:
            with self._capture.guard("child run of a search"):
                self._make(candidate, self._began)
        self._capture.in_background("ranks of a search", lambda: self._rank(candidates))

    def _make(self, candidate: Candidate, began: float) -> None:
        from sklearn.exceptions import FitFailedWarning

        from reticent import outcome
        from reticent.api import past_run

        capture = self._capture
        name = f"{capture.run.name}.{capture.prefix}candidate_{candidate.number}"
        error = (
            FitFailedWarning(f"every fit of this candidate failed: {candidate.failure}") if candidate.failure else None
        )
        with past_run(name, capture.run, began) as child:
            self._runs[candidate.number] = child
            own = Capture(child, "", capture.options, capture.integration)
            child.set_tags(self._about)
            own.log_params(candidate.params, "explicit")
            own.log_metrics(candidate.metrics)
            child.end(outcome.status_of(error), error, end_time=began + candidate.took)

    def _rank(self, candidates: list[Candidate]) -> None:
        for candidate in candidates:
            child = self._runs.get(candidate.number)
            if child is not None:
                ranks = {name: rank for name, rank in candidate.metrics.items() if name.startswith("rank_")}
                Capture(child, "", self._capture.options, self._capture.integration).log_metrics(ranks)


def _spread(name: str, values: list[float]) -> dict[str, float]:
    """The mean and deviation of a number over the splits, computed as the search does."""
    import numpy as np

    array = np.array(values, dtype=np.float64)
    mean = np.average(array)
    return {f"mean_{name}": float(mean), f"std_{name}": float(np.sqrt(np.average((array - mean) ** 2)))}


def _scores(outputs: list[dict[str, Any]], key: str) -> dict[str, list[float]]:
    """The scores of each split, by the name of the scorer; a fit that failed has one number for all of them."""
    given = [output[key] for output in outputs if key in output]
    names = next((list(scores) for scores in given if isinstance(scores, dict)), ["score"])
    split = [scores if isinstance(scores, dict) else dict.fromkeys(names, scores) for scores in given]
    return {name: [float(scores[name]) for scores in split] for name in names} if split else {}


def _never_fitted(results: Mapping[str, list[Any]], number: int, error_score: Any) -> bool:
    """Whether every fit of a candidate failed. The table keeps no note of that, but scoring then took no time at all,
    and each score is the one that is given for a failure, NaN if nothing else was wanted."""
    scores = [column[number] for name, column in results.items() if _SPLIT_SCORE.match(name)]
    scored = "mean_score_time" not in results or results["mean_score_time"][number] != 0
    if scored or not scores or isinstance(error_score, str):  # "raise": the search itself would have failed
        return False
    return all(score == error_score or (math.isnan(score) and math.isnan(error_score)) for score in scores)
