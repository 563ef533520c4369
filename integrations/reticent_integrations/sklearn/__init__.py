"""scikit-learn: every estimator's fit, and all `partial_fit`s of one as one run; params of all parts, metrics and curves
of the training data, iterations and early stopping, importances, the model; searches with a child run for each candidate
while they go on; cross-validation by folds; and metrics that are computed afterwards, by data set."""

from __future__ import annotations

from typing import Annotated

import msgspec

from reticent.patching import Integration, Options, Patch
from reticent_integrations.sklearn import crossval, later, processes, threads
from reticent_integrations.sklearn.fit import fit
from reticent_integrations.sklearn.partial import partial_fit


class SklearnOptions(Options, frozen=True, forbid_unknown_fields=True, kw_only=True):
    training_metrics: bool = True
    """Predict the training data after a fit, and log metrics and curves of that."""
    max_children: Annotated[int, msgspec.Meta(ge=0)] = 50
    """Child runs of a search at most: of its first candidates, as they are done, and in the last place of the best."""


_FITS = ("fit", "fit_predict", "fit_transform")
_PREDICTIONS = ("predict", "predict_proba", "decision_function")

integration = Integration(
    "sklearn",
    module="sklearn",
    requires=">=1.4",
    patches=(
        *(Patch(f"sklearn.base:BaseEstimator.{name}", fit, subclasses=True) for name in _FITS),
        Patch("sklearn.base:BaseEstimator.partial_fit", partial_fit, subclasses=True),
        *(Patch(f"sklearn.base:BaseEstimator.{name}", later.predict, subclasses=True) for name in _PREDICTIONS),
        Patch("sklearn.base:BaseEstimator.score", later.score, subclasses=True),
        *(Patch(f"sklearn.metrics:{name}", later.metric) for name in (*later.METRICS, *later.PARTS, *later.TABLES)),
        *(Patch(f"sklearn.metrics:{name}", later.metric, optional=True) for name in later.NEWER_METRICS),
        *(Patch(f"sklearn.model_selection:{name}", crossval.evaluate) for name in crossval.FUNCTIONS),
        Patch("sklearn.utils.parallel:Parallel.__call__", threads.dispatch, transparent=True),
        Patch("joblib.parallel:Parallel.__call__", processes.hand_out, transparent=True),
        Patch("sklearn.utils.parallel:_FuncWrapper.__call__", threads.work, transparent=True),
    ),
    options=SklearnOptions,
    demo="reticent_integrations.sklearn.demo",
)

__all__ = ["SklearnOptions", "integration"]
