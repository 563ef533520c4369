"""Which model the variables are of that an optimizer trains: it knows them, and they do not know their model."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable, Mapping
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


def keep(model: Any, optimizer: Any) -> Callable[[], Any]:
    """What gives the model when its loop is over, or None if it is gone. Meanwhile the optimizer is not kept alive by it.

    A compiled model leads to its optimizer: both become garbage at once, and only a weak reference can be had to it. Its
    layers lead there not. From them a model of one of Keras's own classes is made again, with the same weights.
    """
    import keras

    if not _leads_to(optimizer, [model, *_parts(model)]):
        return lambda: model
    reference = weakref.ref(model)
    plain = type(model).__module__.startswith("keras.") and getattr(model, "inputs", None)
    if not plain or _leads_to(optimizer, _parts(model)) or _leads_to(model, _parts(model)):
        return reference
    inputs, outputs, name = model.inputs, model.outputs, model.name

    def find() -> Any:
        with quiet():
            return reference() or keras.Model(inputs, outputs, name=name)

    return find


def _parts(model: Any) -> list[Any]:
    return list(model._flatten_layers(include_self=False))


def _leads_to(thing: Any, parts: list[Any]) -> bool:
    return any(value is thing for part in parts for value in list(vars(part).values()))


def _size(variable: Any) -> int:
    count = 1
    for extent in variable.shape:
        count *= extent
    return count
