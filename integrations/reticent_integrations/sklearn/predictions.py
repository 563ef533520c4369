"""What a fitted estimator says of its training data, in a bounded share of the time that its fit took."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from reticent import datasets
from reticent.guard import tried
from reticent_integrations.sklearn.params import final, is_search

LARGEST = 100_000
"""Rows that are predicted at most; of more data, every n-th row."""
PROBES = (1000, 50)
"""Of data much larger than this, so many rows are predicted first, to see how long the rest would take; the fewer ones
only where what a call takes for any number of rows matters."""
SHARE = 0.2
LEAST_S = 0.25
BEARABLE_SHARE = 0.1
BEARABLE_S = 1.0
"""Longer than this, and than this share of the fit, nothing is asked of an estimator, be its data ever so small."""
_QUICK = {
    "discriminant_analysis",
    "dummy",
    "ensemble",
    "linear_model",
    "multiclass",
    "naive_bayes",
    "neural_network",
    "tree",
}
"""Parts of scikit-learn whose estimators have less to do with a row to predict it than to learn from it."""


class TooSlowError(Exception):
    """The estimator answers so slowly that it is not asked."""


@dataclass(slots=True)
class Predictions:
    """Predictions for the training data, or for a sample of it. Arrays of our own, except `truth` and `weight`."""

    features: Any
    truth: Any
    weight: Any
    labels: Any
    scores: Any = None
    """Of a classifier: probabilities (rows, classes), or the decision function of two classes (rows,)."""
    unscored: str = "the estimator has no predict_proba"
    """Why there are no probabilities."""
    classes: Any = None
    rows: int = 0
    of_rows: int = 0
    """How many rows the training data has, of which `rows` were predicted."""


def predict(estimator: Any, classifier: bool, features: Any, truth: Any, weight: Any, fit_s: float) -> Predictions:
    """Predict the training data, or as much of it as is cheap compared with `fit_s`, the time of the fit.

    Raises TooSlowError if even a few rows take too long.
    """
    import numpy as np

    truth = column(truth)
    total = len(truth)
    weight = None if weight is None else np.asarray(weight, dtype=float).reshape(-1)
    if any(kind.__module__.startswith("sklearn.semi_supervised.") for kind in type(final(estimator)).__mro__):
        features, truth, weight = _labelled(features, truth, weight)
    step = affordable_step(estimator, estimator.predict, features, fit_s)
    if step > 1:
        features = datasets.take(features, step)
        truth, weight = truth[::step], None if weight is None else weight[::step]
    made = Predictions(features, truth, weight, None, rows=len(truth), of_rows=total)
    if classifier:
        estimator, features = _last(estimator, features)
        made.classes = _classes(estimator)
        with tried() as attempt:  # labels may be had where probabilities may not
            made.scores = _scores(estimator, features)
        if attempt.error is not None:
            made.unscored = f"{type(attempt.error).__name__}: {attempt.error}"
    if made.scores is not None and _labels_follow(estimator):
        made.labels = made.classes.take(np.argmax(made.scores, axis=1), axis=0)
    else:
        made.labels = column(estimator.predict(features))
    return made


def _labelled(features: Any, truth: Any, weight: Any) -> tuple[Any, Any, Any]:
    """The rows that have a label: those without one are -1 to estimators that learn from them too."""
    import numpy as np
    from sklearn.utils import _safe_indexing

    rows = np.flatnonzero(truth != -1)
    return _safe_indexing(features, rows), truth[rows], None if weight is None else weight[rows]


def column(data: Any) -> Any:
    """Labels or values as an array, a single column as one dimension."""
    import numpy as np

    array = np.asarray(data)
    return array.reshape(-1) if array.ndim == 2 and array.shape[1] == 1 else array


@contextmanager
def randomness_kept(params: dict[str, Any]) -> Iterator[None]:
    """Random numbers that are drawn in here are drawn again after it: some estimators draw to predict, and what we ask
    them must not change what the user's program draws next."""
    import numpy as np

    own = [value for value in params.values() if isinstance(value, np.random.RandomState)]
    before = [generator.get_state() for generator in own]
    shared = np.random.get_state()
    try:
        yield
    finally:
        for generator, state in zip(own, before, strict=True):
            generator.set_state(state)
        now = np.random.get_state()
        # Not set back if nothing was drawn: other threads may draw from it too.
        if not _same_state(now, shared):
            np.random.set_state(shared)


def _same_state(one: Any, other: Any) -> bool:
    return bool(one[2:] == other[2:] and (one[1] == other[1]).all())


def affordable_step(estimator: Any, ask: Callable[[Any], Any], features: Any, fit_s: float) -> int:
    """Every how many rows `ask`, a method of the estimator, may be asked about within a share of the time of the fit.

    Raises TooSlowError if even a few rows take too long.
    """
    rows = datasets.rows(features) or 0
    affordable_s = max(LEAST_S, SHARE * fit_s)
    if _is_quick(estimator):
        learned_s = getattr(estimator, "refit_time_", fit_s)  # a search has fitted many, to parts of the data
        if 2 * learned_s <= affordable_s and rows <= LARGEST:
            return 1  # so that nothing has to be asked to know how long it takes
    else:
        limit = max(BEARABLE_S, BEARABLE_SHARE * fit_s)
        if rows and not _bearable(ask, features, min(rows, PROBES[0]), limit):
            raise TooSlowError(f"the estimator's answers for its training data would take longer than {limit:.3g} s")
    if rows <= 2 * PROBES[0]:
        return 1
    times: list[float] = []
    for count in PROBES:
        probe = datasets.take(features, rows // count, rows // count * count)
        start = time.perf_counter()
        ask(probe)
        times.append(time.perf_counter() - start)
        # Twice: classifiers predict labels and probabilities.
        if 2 * times[0] * rows <= affordable_s * PROBES[0]:
            return math.ceil(rows / LARGEST)
    # What a call takes for any number of rows is no part of this.
    seconds_a_row = max(times[0] - times[1], 0.0) / (PROBES[0] - PROBES[1])
    affordable = affordable_s / max(2 * seconds_a_row, 1e-9)
    return math.ceil(rows / min(LARGEST, max(PROBES[0] // 2, int(affordable))))


def _bearable(ask: Callable[[Any], Any], features: Any, rows: int, limit: float) -> bool:
    """Whether two answers about `rows` rows take less than `limit` seconds, by asking about one, and about as many more
    as surely take no longer than half of that."""
    count, spent, again = 1, 0.0, False
    while spent < limit:
        start = time.perf_counter()
        with tried() as attempt:
            ask(datasets.take(features, 1, count))
        if attempt.error is not None:  # what it says to all rows counts: some cannot be asked about a part of them
            return True
        took = time.perf_counter() - start
        spent += took
        if 2 * took * rows <= limit * count:
            return True
        more = min(rows, int(count * limit / (2 * took)))
        if more >= 2 * count:
            count = more
        elif again:
            return False
        again = True  # the first answer may have had something to load
    return False


def _is_quick(estimator: Any) -> bool:
    """Whether predicting the training data takes no longer than the fit did, by what the estimator is made of."""
    parts = [estimator, *estimator.get_params(deep=True).values()]
    for kind in {type(part) for part in parts if hasattr(part, "fit") and not isinstance(part, type)}:
        root, _, rest = kind.__module__.partition(".")
        part_of = rest.partition(".")[0]
        # What transforms, or only holds others, had all rows to transform in the fit.
        holds = part_of == "pipeline" or hasattr(kind, "transform")
        if root != "sklearn" or not (part_of in _QUICK or holds):
            return False
    return True


def _last(estimator: Any, features: Any) -> tuple[Any, Any]:
    """The estimator that answers, and the features as they come to it: a pipeline would transform them for each question
    anew."""
    pipeline = sys.modules.get("sklearn.pipeline")
    best = getattr(estimator, "best_estimator_", estimator) if is_search(estimator) else estimator
    if pipeline is None or type(best) is not pipeline.Pipeline or len(best.steps) < 2:
        return best, features
    for _, step in best.steps[:-1]:  # not a pipeline of these, which may be said not to be fitted: some need no fit
        if step is not None and not isinstance(step, str):
            features = step.transform(features)
    return best.steps[-1][1], features


def _classes(estimator: Any) -> Any:
    """The classes in the order of the columns of the probabilities; None for several outputs."""
    import numpy as np

    classes = getattr(estimator, "classes_", None)
    return None if classes is None or isinstance(classes, list) else np.asarray(classes)


def _scores(estimator: Any, features: Any) -> Any:
    import numpy as np

    if hasattr(estimator, "predict_proba"):
        scores = np.asarray(estimator.predict_proba(features))
        return scores if scores.ndim == 2 else None
    if hasattr(estimator, "decision_function"):
        scores = np.asarray(estimator.decision_function(features))
        return scores if scores.ndim == 1 else None
    return None


def _labels_follow(estimator: Any) -> bool:
    """Whether `predict` of this class is, by its definition, the class of the highest probability."""
    ensemble = sys.modules.get("sklearn.ensemble")
    if ensemble is None or getattr(estimator, "n_outputs_", 1) != 1:
        return False
    kinds: Sequence[Any] = (ensemble.RandomForestClassifier, ensemble.BaggingClassifier)
    own = type(estimator)
    return any(own.predict is one.predict and own.predict_proba is one.predict_proba for one in kinds)
