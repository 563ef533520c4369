"""Estimators of LightGBM's scikit-learn interface as JSON beside their booster's text, so that none has to be pickled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from reticent.decoding import decodable

MODULE = "lightgbm.sklearn"
KINDS = ("LGBMModel", "LGBMClassifier", "LGBMRegressor", "LGBMRanker")

MAX_SIZE = 64 << 20
"""Classes and the history of metrics; what is longer is not of an estimator."""

_ARRAYS = ("bool", "str", "object", *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)))
_ARRAYS += ("float32", "float64")


@decodable
class _Described(msgspec.Struct, forbid_unknown_fields=True):
    kind: str
    params: dict[str, Any]
    fitted: dict[str, Any]


def kind_of(model: Any) -> type[Any]:
    """The class of LightGBM's own that an estimator is, or that the user's was made from."""
    return next(base for base in type(model).__mro__ if base.__module__ == MODULE and base.__name__ in KINDS)


def describe(model: Any) -> bytes:
    """A fitted estimator but for its booster. TypeError if there is something in it that JSON cannot say."""
    kind = kind_of(model)
    new = kind()
    names = {*new.get_params(), *model._other_params}
    params = {name: _said(value) for name, value in model.get_params(deep=False).items() if name in names}
    derived = {"_Booster", "_class_map", *names}
    fitted = {name: _said(value) for name, value in vars(model).items() if name in _fitted_names(new) - derived}
    described = {"kind": kind.__name__, "params": params, "fitted": fitted}
    # Not msgspec, which takes NaN for null.
    return json.dumps(described, allow_nan=False).encode()


def rebuilt(path: Path, booster: Any) -> Any:
    """The estimator of a description that may come from anywhere, with its booster. ValueError if it makes no sense."""
    import lightgbm.sklearn

    with path.open("rb") as file:
        content = file.read(MAX_SIZE + 1)
    if len(content) > MAX_SIZE:
        raise ValueError(f"{path.name} has more than {MAX_SIZE >> 20} MB: it does not describe an estimator")
    described = msgspec.json.decode(content, type=_Described)
    if described.kind not in KINDS:
        raise ValueError(f"not an estimator of LightGBM: {described.kind[:100]!r}")
    kind = getattr(lightgbm.sklearn, described.kind)
    # Its params become attributes of the estimator: none of them may take the place of another.
    new = kind()
    reserved = {name for name in dir(new) if name not in new.get_params()}
    if odd := [name for name in described.params if not name.isidentifier() or name in reserved]:
        raise ValueError(f"not a param of an estimator: {odd[0][:100]!r}")
    model = kind(**{name: _meant(value) for name, value in described.params.items()})
    names = _fitted_names(model)
    vars(model).update({name: _meant(value) for name, value in described.fitted.items() if name in names})
    booster.best_iteration = model._best_iteration
    booster.best_score = model._best_score
    model._Booster = booster
    if model._classes is not None:
        _label(model)
    return model


def _fitted_names(model: Any) -> set[str]:
    """The attributes that LightGBM gives an estimator; not those that a user added."""
    return {name for name in vars(model) if name.startswith("_")} - {"_other_params"} | {"_eval_at", "fitted_"}


def _label(model: Any) -> None:
    from sklearn.preprocessing import LabelEncoder

    model._le = LabelEncoder()
    model._le.classes_ = model._classes
    model._class_map = {label: number for number, label in enumerate(model._classes)}


def _said(value: Any) -> Any:
    """A value in JSON: a dict as its items, as keys need not be texts; an array with its type."""
    import numpy as np

    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_said(item) for item in value]
    if isinstance(value, dict):
        return {"items": [[_said(key), _said(item)] for key, item in value.items()]}
    if isinstance(value, np.ndarray):
        dtype = "str" if value.dtype.kind == "U" else value.dtype.name
        if value.ndim == 1 and dtype in _ARRAYS:
            return {"dtype": dtype, "values": [_said(item) for item in value.tolist()]}
    raise TypeError(f"JSON has no {type(value).__qualname__}")


def _meant(value: Any) -> Any:
    import numpy as np

    if isinstance(value, list):
        return [_meant(item) for item in value]
    if isinstance(value, dict):
        if value.keys() == {"items"}:
            return {_meant(key): _meant(item) for key, item in value["items"]}
        if value.keys() == {"dtype", "values"} and value["dtype"] in _ARRAYS:
            return np.array([_meant(item) for item in value["values"]], dtype=value["dtype"])
        raise ValueError(f"a value of an estimator is not understood: it has the keys {sorted(value)[:5]}")
    return value
