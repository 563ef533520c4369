"""XGBoost: `xgboost.train`, called by the user or by XGBoost's scikit-learn estimators, and `xgboost.cv`.

Called alone, it captures all there is to know. Inside an estimator's fit, which the scikit-learn integration captures,
it adds what only XGBoost knows: the evaluation sets, the metrics of each iteration, early stopping, importances. Models
that are saved in between are checkpoints. Dask and Spark train in workers of their own, of which the first one logs.
"""

from __future__ import annotations

from typing import Literal

from reticent.patching import Integration, Options, Patch

Importance = Literal["weight", "gain", "cover", "total_gain", "total_cover"]


class XGBoostOptions(Options, frozen=True, forbid_unknown_fields=True, kw_only=True):
    importance_types: tuple[Importance, ...] = ("weight", "gain", "cover", "total_gain", "total_cover")
    """Feature importances to log, of those that `Booster.get_score` knows; none: no importances."""


_TRAIN, _CV = f"{__name__}.train:train", f"{__name__}.cv:cv"

integration = Integration(
    "xgboost",
    module="xgboost",
    requires=">=2.0",
    # One function by the three names that callers find it under.
    patches=(
        Patch("xgboost:train", _TRAIN),
        Patch("xgboost.training:train", _TRAIN),
        Patch("xgboost.sklearn:train", _TRAIN),
        Patch("xgboost:cv", _CV),
        Patch("xgboost.training:cv", _CV),
        Patch("xgboost.callback:_aggcv", "reticent_integrations.folds:aggregate", nested=True, optional=True),
        Patch("xgboost.core:Booster.save_model", "reticent_integrations.checkpoints:save", nested=True),
    ),
    options=XGBoostOptions,
    demo="reticent_integrations.xgboost.demo",
)
