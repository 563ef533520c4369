"""scikit-learn: every estimator's fit, and all `partial_fit`s of one as one run; params of all parts, metrics and curves
of the training data, iterations and early stopping, importances, the model; searches with a child run for each candidate
while they go on; cross-validation by folds; and metrics that are computed afterwards, by data set."""

from __future__ import annotations

from reticent.patching import Integration, Patch
from reticent_integrations.sklearn.functions import CROSS_VALIDATIONS, CURVES, METRICS, NEWER_METRICS, PARTS, TABLES

_FITS = ("fit", "fit_predict", "fit_transform")
_PREDICTIONS = ("predict", "predict_proba", "decision_function")
_FIT, _PREDICT = f"{__name__}.fit:fit", f"{__name__}.later:predict"
_METRIC, _EVALUATE = f"{__name__}.later:metric", f"{__name__}.crossval:evaluate"

integration = Integration(
    "sklearn",
    module="sklearn",
    requires=">=1.4",
    patches=(
        *(Patch(f"sklearn.base:BaseEstimator.{name}", _FIT, subclasses=True) for name in _FITS),
        Patch("sklearn.base:BaseEstimator.partial_fit", f"{__name__}.partial:partial_fit", subclasses=True),
        *(Patch(f"sklearn.base:BaseEstimator.{name}", _PREDICT, subclasses=True) for name in _PREDICTIONS),
        Patch("sklearn.base:BaseEstimator.score", f"{__name__}.later:score", subclasses=True),
        *(Patch(f"sklearn.metrics:{name}", _METRIC) for name in (*METRICS, *PARTS, *TABLES, *CURVES)),
        Patch("sklearn.metrics:auc", f"{__name__}.later:area"),
        *(Patch(f"sklearn.metrics:{name}", _METRIC, optional=True) for name in NEWER_METRICS),
        *(Patch(f"sklearn.model_selection:{name}", _EVALUATE) for name in CROSS_VALIDATIONS),
        Patch("sklearn.utils.parallel:Parallel.__call__", f"{__name__}.threads:dispatch", transparent=True),
        Patch("joblib.parallel:Parallel.__call__", f"{__name__}.processes:hand_out", transparent=True),
        Patch("sklearn.utils.parallel:_FuncWrapper.__call__", f"{__name__}.threads:work", transparent=True),
    ),
    options=f"{__name__}.options:SklearnOptions",
    demo="reticent_integrations.sklearn.demo",
)
