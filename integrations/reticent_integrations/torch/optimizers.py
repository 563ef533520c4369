"""What is known of optimizers and of the schedulers of their learning rates, in the names of PyTorch."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

_NO_HYPERPARAMETERS = {"params", "param_names", "initial_lr"}
"""What else is in the groups of an optimizer."""
_NO_SETTINGS = {
    *("optimizer", "base_lrs", "verbose", "last_epoch", "last_batch_iteration", "T_cur"),
    *("best", "num_bad_epochs", "cooldown_counter", "mode_worse"),
}
"""What a scheduler takes from its optimizer, or keeps of where it is."""
_IN_GROUPS = ("max_lr", "min_lr", "max_momentum", "base_momentum")
"""What OneCycleLR was told is in the groups of its optimizer alone; of these the first."""
MAX_GROUPS = 20
MAX_ITEMS = 100
_PLAIN = (type(None), bool, int, float, complex, str)
_LEFT_OUT = object()


def describe(*optimizers: Any) -> dict[str, object]:
    """The hyperparameters of optimizers as params: `optimizer_name`, and those of the first group under their own names
    (`lr`, `betas`); what another group has different under `group_1.`, another optimizer under `optimizer_2.`."""
    params: dict[str, object] = {}
    for prefix, optimizer in _numbered(optimizers):
        params[f"{prefix}optimizer_name"] = name_of(optimizer)
        params |= {f"{prefix}{name}": value for name, value in _hyperparameters(optimizer)}
    return params


def explicit(*optimizers: Any) -> set[str]:
    """The names of those params that `describe` gives which differ from the constructor's defaults: the user's choice."""
    chosen = set()
    for prefix, optimizer in _numbered(optimizers):
        chosen.add(f"{prefix}optimizer_name")
        cls: type = type(optimizer)
        defaults = _defaults(cls)
        for name, value in _hyperparameters(optimizer):
            if name.startswith("group_") or (name in defaults and _plain(defaults[name]) != value):
                chosen.add(f"{prefix}{name}")
    return chosen


def describe_scheduler(*schedulers: Any) -> dict[str, object]:
    """Schedulers as params: `scheduler_name`, and what it was told under `scheduler.` (`scheduler.gamma`); another one's
    under `scheduler_2.`, and those that one is made of under `scheduler.1.`, `scheduler.2.`"""
    params: dict[str, object] = {}
    for number, scheduler in enumerate(schedulers, 1):
        prefix = "scheduler" if number == 1 else f"scheduler_{number}"
        params[f"{prefix}_name"] = name_of(scheduler)
        params |= {f"{prefix}.{name}": value for name, value in _settings(scheduler)}
    return params


def learning_rates(optimizer: Any) -> list[float]:
    """The current one of each group. To read one that is on a device would be to wait for it: it is left out."""
    rates = [group.get("lr") for group in optimizer.param_groups]
    return [float(rate) for rate in rates if rate is not None and getattr(rate, "is_cpu", True)]


def name_of(one: Any) -> str:
    return type(one).__name__


def _numbered(optimizers: tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
    for number, optimizer in enumerate(optimizers, 1):
        yield "" if number == 1 else f"optimizer_{number}.", optimizer


def _hyperparameters(optimizer: Any) -> Iterator[tuple[str, object]]:
    """Those of the first group; of the next ones what differs from it."""
    groups = [_told(group) for group in optimizer.param_groups[:MAX_GROUPS]]
    first = groups[0] if groups else {}
    yield from first.items()
    if len(optimizer.param_groups) > 1:
        yield "param_groups", len(optimizer.param_groups)
    for number, group in enumerate(groups[1:], 1):
        for name, value in group.items():
            if name not in first or first[name] != value:
                yield f"group_{number}.{name}", value


def _told(group: Mapping[str, Any]) -> dict[str, object]:
    """The hyperparameters of a group; the learning rate is the one from before a scheduler came to change it."""
    told = {name: _plain(value) for name, value in group.items() if name not in _NO_HYPERPARAMETERS}
    if "initial_lr" in group and "lr" in told:
        told["lr"] = _plain(group["initial_lr"])
    return {name: value for name, value in told.items() if value is not _LEFT_OUT}


def _plain(value: Any) -> object:
    """A value that has the same text each time. What else there is, and what is on a device, is left out."""
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, Counter):  # the milestones of a MultiStepLR
        return _plain(sorted(value.elements()))
    if isinstance(value, (list, tuple)):
        items = [_plain(item) for item in value[:MAX_ITEMS]]
        if any(item is _LEFT_OUT for item in items):
            return _LEFT_OUT
        return tuple(items) if isinstance(value, tuple) else items
    if hasattr(value, "numel"):
        return value.item() if value.numel() == 1 and value.device.type == "cpu" else _LEFT_OUT
    return getattr(value, "__name__", _LEFT_OUT)  # a function


@lru_cache(maxsize=256)
def _defaults(cls: type) -> Mapping[str, Any]:
    """What the constructor sets what it is not given to; of a parameter that has to be given nothing that it could be."""
    found: dict[str, Any] = {}
    for base in cls.__mro__:
        if "__init__" not in vars(base) or base is object:
            continue
        parameters = inspect.signature(vars(base)["__init__"]).parameters.values()
        found = {one.name: one.default for one in parameters} | found
        if all(one.kind is not one.VAR_KEYWORD for one in parameters):
            break  # else it hands on to the next class what it has no name for
    return found


def _settings(scheduler: Any) -> Iterator[tuple[str, object]]:
    for name, value in list(vars(scheduler).items()):
        told = _LEFT_OUT if name in _NO_SETTINGS or name.startswith("_") else _plain(value)
        if told is not _LEFT_OUT:
            yield name, told
    for group in getattr(getattr(scheduler, "optimizer", None), "param_groups", ())[:1]:
        yield from ((name, _plain(group[name])) for name in _IN_GROUPS if name in group)
    parts = getattr(scheduler, "_schedulers", None)
    for number, part in enumerate(parts if isinstance(parts, (list, tuple)) else (), 1):
        yield f"{number}.name", name_of(part)
        for name, value in _settings(part):
            yield f"{number}.{name}", value
    if isinstance(getattr(scheduler, "_milestones", None), list):  # of a SequentialLR
        yield "milestones", _plain(scheduler._milestones)
