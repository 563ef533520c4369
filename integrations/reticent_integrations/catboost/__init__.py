"""CatBoost: the fit of its estimators, called by the user, by `catboost.train` or by scikit-learn, its searches, `cv`,
and the selection of features.

Captured are the params with what CatBoost chose itself, the metrics of each iteration, early stopping, the data sets,
importances and the model. Inside a fit that another integration captures, it adds what only CatBoost knows.
"""

from __future__ import annotations

from reticent.patching import Integration, Patch

# Its own classes, not those derived from them: a user's `fit` need not take callbacks, and calls one of these.
_CLASSES = ("CatBoost", "CatBoostClassifier", "CatBoostRegressor", "CatBoostRanker")
_SCORED = ("CatBoostClassifier", "CatBoostRegressor")

integration = Integration(
    "catboost",
    module="catboost",
    requires=">=1.2",
    patches=(
        *(Patch(f"catboost.core:{name}.fit", f"{__name__}.fit:fit") for name in _CLASSES),
        *(Patch(f"catboost.core:{name}.predict", f"{__name__}.later:predict") for name in _CLASSES),
        Patch("catboost.core:CatBoostClassifier.predict_proba", f"{__name__}.later:predict"),
        *(Patch(f"catboost.core:{name}.score", f"{__name__}.later:score") for name in _SCORED),
        Patch("catboost.core:CatBoost.grid_search", f"{__name__}.search:search"),
        Patch("catboost.core:CatBoost.randomized_search", f"{__name__}.search:search"),
        Patch("catboost.core:CatBoost.select_features", f"{__name__}.search:select"),
        Patch("catboost.core:cv", f"{__name__}.crossval:cv"),
    ),
    options=f"{__name__}.options:CatBoostOptions",
    demo="reticent_integrations.catboost.demo",
)
