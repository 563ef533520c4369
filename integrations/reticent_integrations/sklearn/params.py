"""The parameters of an estimator and of all that it is made of; and a copy of it that may be shown to anyone."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from reticent import values
from reticent.patching import Capture

_PLAIN = (type(None), bool, int, float)
_MAX_ITEMS = 1000
_LINE_BREAK = re.compile(r"\n\s*")


def log(capture: Capture, estimator: Any, shown: Any) -> None:
    """Log the parameters of `estimator`; `shown` is its `sealed_copy`, from which the text of its parts is taken."""
    deep = not is_search(estimator)
    given = estimator.get_params(deep=deep)
    texts = {**given, **shown.get_params(deep=deep)}
    explicit: dict[str, object] = {}
    default: dict[str, object] = {}
    written: dict[int, str] = {}
    for key, value in given.items():
        chosen = default if _is_default(estimator, given, key, value) else explicit
        # A part's own values are logged by their names as well, where what is secret is seen and counted.
        chosen[key] = _text(texts[key], written) if _holds_estimators(value) else value
    capture.log_params(explicit, "explicit")
    capture.log_params(default, "default")


def sealed_copy(estimator: Any) -> Any:
    """An estimator of the same class and parameters, its parts likewise, with the secrets among the values replaced.

    Not fitted, but said to be; made without running any constructor, in microseconds, unlike `sklearn.clone`.
    """
    copy = object.__new__(type(estimator))
    # Constructors set more than parameters, and methods rely on it; what is private or was fitted is left out.
    made = {name: value for name, value in vars(estimator).items() if not name.startswith("_") and name[-1] != "_"}
    made.update(estimator.get_params(deep=False))
    if "_other_params" in vars(estimator):  # which LightGBM's `get_params` relies on
        made["_other_params"] = vars(estimator)["_other_params"]
    shown = {name: sealed(name, value) for name, value in made.items()}
    if not hasattr(estimator, "__sklearn_clone__"):  # CatBoost's are no BaseEstimator, and have params in other places
        copy, shown = type(estimator)(**shown), {}
    vars(copy).update(shown, __sklearn_is_fitted__=_yes)
    return copy


def sealed(name: str, value: Any) -> Any:
    """The value of a parameter, or what may be shown in place of it."""
    if type(value) in _PLAIN:
        return value
    if _is_estimator(value):
        return sealed_copy(value)
    if _holds_estimators(value):
        if isinstance(value, dict):
            return {key: sealed(str(key), item) for key, item in value.items()}
        return type(value)(sealed(name, item) for item in value)
    plain = values.plain(value)
    from reticent.sessions import current

    shown = current().redactor.redact(name, plain)
    if shown == plain:
        return value
    _register(plain, shown)
    return shown


def register_secrets(estimator: Any) -> None:
    """Have what is secret by its name, in parameters and attributes, known as a secret wherever it stands later."""
    for name, value in estimator.get_params(deep=True).items():
        if type(value) not in _PLAIN and not _holds_estimators(value):
            sealed(name, value)
    for name, value in vars(estimator).items():
        if type(value) is str:
            sealed(name, value)


def _register(plain: Any, shown: Any) -> None:
    """Have texts that are secret by their names known as secrets, so that they are found in the pickled model too."""
    from reticent.sessions import current

    if isinstance(plain, dict) and isinstance(shown, dict):
        for one, other in zip(plain.values(), shown.values(), strict=False):
            _register(one, other)
    elif isinstance(plain, (list, tuple)) and isinstance(shown, (list, tuple)):
        for one, other in zip(plain, shown, strict=False):
            _register(one, other)
    elif isinstance(plain, str) and plain != shown and current().redactor.redact_text(plain) == plain:
        current().redactor.register(plain)


def _text(value: Any, written: dict[int, str]) -> str:
    """The text of estimators, or of a container of them, in one line. `written` are those that there are already, by the
    identity of the estimator: scikit-learn takes milliseconds for one, and each stands in all that it is a part of."""
    if type(value) in (list, tuple):
        items = [_text(item, written) for item in value]
        return f"[{', '.join(items)}]" if type(value) is list else f"({', '.join(items)}{',' * (len(items) == 1)})"
    if type(value) is dict:
        return "{" + ", ".join(f"{key!r}: {_text(item, written)}" for key, item in value.items()) + "}"
    if not _is_estimator(value):
        return values.text([values.plain(value)])[1:-1]  # in a list, texts have quotes
    if id(value) not in written:
        written[id(value)] = _LINE_BREAK.sub(" ", values.text(values.plain(value)))
    return written[id(value)]


def is_search(estimator: Any) -> bool:
    """Whether this is a search over candidates, one of scikit-learn's or made after them."""
    module = sys.modules.get("sklearn.model_selection._search")
    base = getattr(module, "BaseSearchCV", None)
    return base is not None and isinstance(estimator, base)


def final(estimator: Any) -> Any:
    """What makes the predictions: of a search its best estimator, of a pipeline its last step."""
    best = getattr(estimator, "best_estimator_", None) if is_search(estimator) else None
    if best is not None:
        return final(best)
    steps = getattr(estimator, "steps", None)
    return final(steps[-1][1]) if isinstance(steps, list) and steps else estimator


def changes_data(estimator: Any) -> bool:
    """Whether a part of the estimator works in place on the data that it is given, as with `copy=False`."""
    given = estimator.get_params(deep=True).items()
    return any(value is False and name.rpartition("__")[2].startswith("copy") for name, value in given)


def _is_default(estimator: Any, params: Mapping[str, Any], key: str, value: Any) -> bool:
    owner_key, _, name = key.rpartition("__")
    owner = params.get(owner_key) if owner_key else estimator
    kind: Any = type(owner)
    defaults = _defaults(kind)
    if name not in defaults:
        return False
    default = defaults[name]
    if value is default:
        return True
    if type(value) is not type(default) or type(value) not in (bool, int, float, str, tuple):
        return False
    return bool(value == default or (value != value and default != default))


@lru_cache(maxsize=512)
def _defaults(kind: type) -> Mapping[str, Any]:
    """The defaults of the constructor, and of those that it hands its `**kwargs` to."""
    found: dict[str, Any] = {}
    for cls in kind.__mro__:
        constructor = vars(cls).get("__init__")
        if constructor is None:
            continue
        parameters = inspect.signature(constructor).parameters.values()
        for one in parameters:
            if one.default is not inspect.Parameter.empty:
                found.setdefault(one.name, one.default)
        if all(one.kind is not inspect.Parameter.VAR_KEYWORD for one in parameters):
            break
    return found


def _is_estimator(value: Any) -> bool:
    return hasattr(value, "get_params") and not isinstance(value, type)


def _holds_estimators(value: Any) -> bool:
    """Whether a value is an estimator, or a container of the kinds that hold them and does."""
    if type(value) in (list, tuple):
        return any(_holds_estimators(item) for item in value[:_MAX_ITEMS])
    if type(value) is dict:
        return any(_holds_estimators(item) for item in list(value.values())[:_MAX_ITEMS])
    return _is_estimator(value)


def _yes() -> bool:
    return True
