"""LightGBM: `lightgbm.train`, called by the user or by LightGBM's scikit-learn estimators, and `lightgbm.cv`.

Called alone, it captures all there is to know. Inside an estimator's fit, which the scikit-learn integration captures,
it adds what only LightGBM knows: the evaluation sets, the metrics of each iteration, early stopping, importances. Models
that are saved in between are checkpoints.
"""

from __future__ import annotations

from reticent.patching import Integration, Patch

_TRAIN, _CV = f"{__name__}.train:train", f"{__name__}.cv:cv"

integration = Integration(
    "lightgbm",
    module="lightgbm",
    requires=">=4.3",
    # One function by the three names that callers find it under.
    patches=(
        Patch("lightgbm:train", _TRAIN),
        Patch("lightgbm.engine:train", _TRAIN),
        Patch("lightgbm.sklearn:train", _TRAIN, optional=True),
        Patch("lightgbm:cv", _CV),
        Patch("lightgbm.engine:cv", _CV),
        Patch("lightgbm.engine:_agg_cv_result", "reticent_integrations.folds:aggregate", nested=True, optional=True),
        Patch("lightgbm.basic:Booster.save_model", "reticent_integrations.checkpoints:save", nested=True),
    ),
    options=f"{__name__}.options:LightGBMOptions",
    demo="reticent_integrations.lightgbm.demo",
)
