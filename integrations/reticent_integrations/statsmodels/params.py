"""What a model was made of, and what its fit was told."""

from __future__ import annotations

import inspect
from collections.abc import Generator, Mapping
from typing import Any
from weakref import WeakKeyDictionary

from reticent.patching import Call

MAX_NAMES = 200
"""Names of variables in a param; all columns are in the data set's schema."""

_NO_PARAMS = frozenset({"endog", "exog", "data", "groups", "start_params", "constraints", "callback", "params"}) | {
    "model_spec",
    "design_info",
    "missing_idx",
    "formula",
    "exog_re",
    "exog_vc",
    "data_generator",
    "init_kwds_generator",
}
"""Arguments that are data, code, or what a formula is made into."""

_PLAIN = (bool, int, float, str, type(None))

_made: WeakKeyDictionary[Any, tuple[dict[str, Any], dict[str, Any]]] = WeakKeyDictionary()
"""The arguments that models were constructed with: those given, and the defaults of the others."""


def construct(call: Call) -> Generator[None, Any, None]:
    """Around the constructors of models."""
    yield
    _made[call.instance] = _params(call.given()), _params(call.defaults())


def log(call: Call, model: Any) -> None:
    given, defaults = _params(call.given()), _params(call.defaults())
    parameters = inspect.signature(call.function).parameters
    if "kwargs" in parameters:
        extra = {name: value for name, value in given.items() if name not in parameters}
        (given if extra else defaults)["kwargs"] = extra
    made, made_by_default = _made.get(model, ({}, {}))
    formula = getattr(model, "formula", None)
    if formula is not None:
        made = {**made, "formula": str(formula)}
        made.pop("missing", None)  # it is the formula's, not the user's
    taken = given.keys() | defaults.keys()
    capture = call.capture
    capture.log_params({**_apart(made, taken), **given}, "explicit")
    capture.log_params({**_apart(made_by_default, taken), **defaults}, "default")
    data = getattr(model, "data", None)  # of a rolling regression, which has no properties for their names
    endog_names = getattr(model, "endog_names", getattr(data, "ynames", None))
    names = {"endog_names": endog_names, "exog_names": getattr(model, "exog_names", getattr(data, "xnames", None))}
    groups = getattr(model, "group_labels", None)
    if groups is not None:  # of a mixed model or of estimating equations: how many, as they are data themselves
        capture.log_params({"groups": len(groups)}, "derived")
    capture.log_params({name: _shortened(value) for name, value in names.items() if value is not None}, "derived")


def _params(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Those that are settings, and no data; of an object its kind."""
    told = {name: _told(value) for name, value in arguments.items() if name not in _NO_PARAMS}
    return {name: value for name, value in told.items() if value is not ...}


def _told(value: Any) -> Any:
    """A setting as it is, an object as its name or that of its kind, `...` for data."""
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, (tuple, list)):
        return value if all(_told(item) is not ... for item in value) else ...
    if isinstance(value, Mapping):
        return {str(key): _told(item) for key, item in value.items() if _told(item) is not ...}
    if hasattr(value, "shape") or hasattr(value, "__len__"):
        return ...
    name = getattr(value, "__name__", type(value).__name__)
    link = getattr(value, "link", None)  # of a family of distributions
    return name if link is None else f"{name}(link={type(link).__name__})"


def _apart(values: Mapping[str, Any], taken: set[str]) -> dict[str, Any]:
    """Arguments of the constructor beside those of the fit, which may be called the same."""
    return {f"model_{name}" if name in taken else name: value for name, value in values.items()}


def _shortened(names: Any) -> Any:
    if isinstance(names, str):
        return names
    listed = list(names)
    return listed if len(listed) <= MAX_NAMES else [*listed[:MAX_NAMES], f"... {len(listed)} in all"]
