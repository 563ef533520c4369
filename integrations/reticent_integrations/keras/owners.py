"""Which model the variables are of that an optimizer trains: it knows them, and they do not know their model."""

from __future__ import annotations

import gc
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from types import FunctionType, ModuleType
from typing import Any

from reticent.patching import quiet

MAX_MODELS = 32
MAX_OBJECTS = 100_000
"""The most that is looked at of what a model holds: a tenth of a second's work, once in a loop."""
_NOT_FOLLOWED = (ModuleType, type)

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

    A compiled model leads to its optimizer: both become garbage at once, and only a weak reference can be had to it. What
    it consists of is kept instead, and is a model of the same class again, with the same weights.
    """
    harmless: set[int] = set()
    if not _leads_to(model, [optimizer], harmless):
        return lambda: model
    reference, kind = weakref.ref(model), type(model)
    held = {
        name: value for name, value in list(vars(model).items()) if not _leads_to(value, [model, optimizer], harmless)
    }

    def find() -> Any:
        found = reference()
        if found is None:
            found = object.__new__(kind)
            vars(found).update(held, compiled=False)
        return found

    return find


def _leads_to(start: Any, targets: list[Any], harmless: set[int]) -> bool:
    """Whether references lead from an object to one of the targets, or on and on. Those that were found to lead nowhere, by
    their ids, are added to `harmless`."""
    seen: set[int] = set()
    left = [start]
    while left:
        one = left.pop()
        if any(one is target for target in targets) or len(seen) > MAX_OBJECTS:
            return True
        if id(one) not in seen and id(one) not in harmless and not isinstance(one, _NOT_FOLLOWED):
            seen.add(id(one))
            # What a function finds in its module is not held by it alone.
            left += one.__closure__ or () if isinstance(one, FunctionType) else gc.get_referents(one)
    harmless |= seen
    return False


def _size(variable: Any) -> int:
    count = 1
    for extent in variable.shape:
        count *= extent
    return count
