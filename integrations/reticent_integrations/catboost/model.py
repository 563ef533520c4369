"""What a trained model tells of itself, and an example of what it takes and gives."""

from __future__ import annotations

from typing import Any

from reticent import datasets

_ROWS = 5


def scores(estimator: Any) -> dict[str, float]:
    """The best values of the metrics, in which iteration the model was best, and of how many trees it is."""
    found: dict[str, float] = {
        f"best_{data}-{metric}": value
        for data, metrics in estimator.best_score_.items()
        for metric, value in metrics.items()
    }
    if estimator.best_iteration_ is not None:
        found["best_iteration"] = estimator.best_iteration_
    return {**found, "tree_count": estimator.tree_count_}


def importances(estimator: Any) -> dict[str, dict[str, float]]:
    """Those that CatBoost computes with each training, or can of the model alone; others need the data once more."""
    found = estimator.feature_importances_
    if found.ndim == 0:  # None: of a ranker, whose own type needs the data, and after a selection of features
        found = estimator.get_feature_importance(type="PredictionValuesChange")
    names = estimator.feature_names_
    if found.ndim != 1 or len(found) != len(names):
        return {}
    return {"PredictionValuesChange": dict(zip(names, found.tolist(), strict=True))}


def example(estimator: Any, features: Any) -> dict[str, Any]:
    """The options of `log_model`: some rows with what the model says of them, or else the names of the features."""
    rows = _rows(features)
    if rows is None:
        return {"signature_inputs": _blank(estimator)}
    return {"input_example": rows, "signature_outputs": estimator.predict(rows)}


def _rows(features: Any) -> Any:
    """The first rows, if they are in a form that models are given by others too."""
    if hasattr(features, "get_feature_names"):
        return _rows_of_pool(features)
    extents = datasets.shape(features)
    if extents is None or len(extents) != 2 or extents[0] == 0 or not hasattr(features, "__getitem__"):
        return None
    return datasets.take(features, 1, _ROWS)


def _rows_of_pool(pool: Any) -> Any:
    """A pool gives numbers back, but neither categories nor texts, and nothing once it is quantized."""
    others = (pool.get_cat_feature_indices, pool.get_text_feature_indices, pool.get_embedding_feature_indices)
    if pool.is_quantized() or not pool.num_row() or any(indices() for indices in others):
        return None
    numbers = pool.slice(list(range(min(_ROWS, pool.num_row())))).get_features()
    names = pool.get_feature_names()
    if names == [str(number) for number in range(len(names))]:  # the data had none
        return numbers
    import pandas as pd  # CatBoost needs it itself

    return pd.DataFrame(numbers, columns=names)


def _blank(estimator: Any) -> dict[str, Any]:
    """By name 0.0 for a number, None for what may be of any kind."""
    names = estimator.feature_names_
    others = {
        *estimator.get_cat_feature_indices(),
        *estimator.get_text_feature_indices(),
        *estimator.get_embedding_feature_indices(),
    }
    return {name: None if number in others else 0.0 for number, name in enumerate(names)}
