"""Flavours: how the models of one framework are saved and loaded, and which flavour a model has."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

ENTRY_POINTS = "reticent.integrations"
"""An entry point of this group is named after the framework's module; what it loads has an attribute `flavor`."""

PYTHON_FUNCTION = "python_function"
"""MLflow's generic flavour, which names the module that loads a model as a function from data to predictions."""


@dataclass(frozen=True, slots=True)
class Flavor:
    name: str
    """As in MLmodel: "sklearn", "xgboost"."""
    handles: Callable[[Any], bool]
    """Whether a model is of this flavour. Called for other frameworks' models too, so it must not import its own."""
    save: Callable[[Any, Path], dict[str, Any]]
    """Write the model into an empty directory, as it is now and as fast as possible: training waits for it.

    Returns what MLmodel says under `flavors`: `{name: config}`, and `"python_function": config` if MLflow has a loader
    (without `env` and `python_version`, which are the same for every flavour). All of it must be JSON.
    A config with `serialization_format: pickle` or `cloudpickle` is loaded only for callers that trust the model.
    """
    load: Callable[[Path, dict[str, Any]], Any]
    """The model from its directory and its own config in `flavors`."""
    priority: int = 0
    """Of several flavours that handle a model the highest is taken: the specific ones above the general ones."""


_flavors: dict[str, Flavor] = {}
_loaded: set[str] = set()


def register(flavor: Flavor) -> None:
    """Make a flavour known; of two with the same name the newer one holds."""
    _flavors[flavor.name] = flavor


def find(model: object) -> Flavor | None:
    """The flavour for a model, from those registered and the integrations of the frameworks that its class comes from."""
    for root in roots(type(model)):
        _load(root)
    fitting = [flavor for flavor in list(_flavors.values()) if flavor.handles(model)]
    return max(fitting, key=lambda flavor: flavor.priority, default=None)


def named(names: Iterable[str]) -> Flavor | None:
    """The first known flavour with one of these names. Loads integrations until one has it."""
    names = [name for name in names if name != PYTHON_FUNCTION]
    for name in names:
        _load(name)
        if name in _flavors:
            return _flavors[name]
    for point in _points():
        try:
            _load(point)
        except ImportError:
            continue  # of another framework, which is not installed here
        for name in names:
            if name in _flavors:
                return _flavors[name]
    return None


def roots(kind: type) -> tuple[str, ...]:
    """The top-level modules that a class and its bases come from, its own first."""
    return tuple(dict.fromkeys(base.__module__.partition(".")[0] for base in kind.__mro__ if base is not object))


def _load(name: str) -> None:
    if name in _loaded or name in _flavors:
        return
    point = _points().get(name)
    if point is None:
        return
    flavor: Flavor | None = point.load().flavor
    _loaded.add(name)
    if flavor is not None and flavor.name not in _flavors:
        register(flavor)


@functools.cache
def _points() -> dict[str, metadata.EntryPoint]:
    return {point.name: point for point in metadata.entry_points(group=ENTRY_POINTS)}
