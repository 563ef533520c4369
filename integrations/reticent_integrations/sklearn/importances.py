"""What an estimator says of its features: the importances of trees, the coefficients of linear models."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reticent.guard import tried
from reticent.patching import Capture
from reticent.sessions import current
from reticent_integrations import importances
from reticent_integrations.sklearn.params import final, sealed

MOST_FEATURES = 5000
"""Of more features than this, none are logged: those are words or pixels, which nobody reads one by one."""

_HAVE_THEIRS = {"xgboost", "lightgbm", "catboost"}
"""Their own integrations log what their trees say, by type."""


def log(capture: Capture, estimator: Any) -> None:
    last = final(estimator)
    root = type(last).__module__.partition(".")[0]
    if root in _HAVE_THEIRS or getattr(last, "n_features_in_", MOST_FEATURES) > MOST_FEATURES:
        return
    found = {
        "impurity" if root == "sklearn" else "built_in": getattr(last, "feature_importances_", None),
        "coefficients": getattr(last, "coef_", None),
    }
    by_kind = {kind: by_feature(value) for kind, value in found.items()}
    given = {kind: value for kind, value in by_kind.items() if 0 < len(value) <= MOST_FEATURES}
    if given:
        count = max(map(len, given.values()))
        names = feature_names(estimator, last, count)
        named = {kind: dict(zip(names, value, strict=False)) for kind, value in given.items()}
        capture.in_background("feature importances", lambda: importances.log(capture, named))


def by_feature(value: Any) -> list[Any]:
    """A number for each feature, or a list of them where each class or output has its own; none of what is sparse."""
    if not hasattr(value, "ndim") or not hasattr(value, "tolist") or value.ndim not in (1, 2):
        return []
    if value.ndim == 2:
        value = value[0] if len(value) == 1 else value.T
    listed: list[Any] = value.tolist()
    return listed


def feature_names(estimator: Any, last: Any, count: int) -> list[str]:
    """The names of the columns that the last step was given, as scikit-learn tells them; or x0, x1..."""
    names = getattr(last, "feature_names_in_", None)
    if names is None:
        names = _transformed(estimator)
    listed = [] if names is None else [str(name) for name in names]
    return listed if len(listed) == count == len(set(listed)) else [f"x{number}" for number in range(count)]


def _transformed(estimator: Any) -> Any:
    """The names of what comes out of the steps before the last one."""
    pipeline = getattr(estimator, "best_estimator_", estimator)
    if len(getattr(pipeline, "steps", ())) < 2:
        return None
    with tried():  # many transformers cannot tell, each in its own way
        return _sealed(pipeline[:-1].get_feature_names_out(), getattr(pipeline, "feature_names_in_", ()))
    return None


def _sealed(names: Iterable[str], columns: Iterable[Any]) -> list[str]:
    """Names of features without the values in them: an encoder makes `password_<value>` of a column `password`."""
    judge = current().redactor.judge
    secret = [column for column in columns if isinstance(column, str) and judge(column) is not None]
    told = []
    for number, name in enumerate(names):
        column = next((one for one in secret if f"__{one}_" in f"__{name}"), None)
        if column is not None:
            front, _, value = f"__{name}".rpartition(f"__{column}_")
            name = f"{front[2:]}__{column}_{number}".removeprefix("__") if sealed(column, value) != value else name
        told.append(str(name))
    return told
