"""Which model the variables are of that an optimizer trains: it knows them, and they do not know their model."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Mapping
from typing import Any

from reticent.patching import quiet

MAX_MODELS = 32
MAX_ITEMS = 100

_made: deque[weakref.ref[Any]] = deque(maxlen=MAX_MODELS)
"""The models that were made last, the latest last."""


def made(args: tuple[Any, ...], kwargs: Mapping[str, Any], _: None) -> None:  # noqa: ARG001 - a hook's form
    """After a model was made, or the part of it that its class inherits."""
    _made.append(weakref.ref(args[0]))


def owner(optimizer: Any) -> Any:
    """The model that has the most of an optimizer's variables; of several the smallest, of several of these the first, in
    which the others were made, as a functional one in a sequential one. None if none has any."""
    wanted = set(map(id, getattr(optimizer, "_trainable_variables", ())))
    best, rank = None, (0, 0)
    for model in [reference() for reference in list(_made)]:
        with quiet():
            own = set() if model is None else set(map(id, model.trainable_variables))
        this = (len(own & wanted), -len(own))
        if this[0] and this > rank:
            best, rank = model, this
    return best


def params(model: Any) -> dict[str, object]:
    """What a model is, for the params of a loop that does not name it."""
    total = sum(_size(one) for one in model.variables)
    trainable = sum(_size(one) for one in model.trainable_variables)
    return {"model_class": type(model).__name__, "num_parameters": total, "num_trainable_parameters": trainable}


def may_be_kept(model: Any, optimizer: Any) -> bool:
    """Whether a model does not lead to its optimizer, so that to keep the one keeps not the other."""
    return not any(value is optimizer for part in model._flatten_layers() for value in list(vars(part).values()))


def _size(variable: Any) -> int:
    count = 1
    for extent in variable.shape:
        count *= extent
    return count
