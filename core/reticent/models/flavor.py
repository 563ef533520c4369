"""Flavours: how the models of one framework are saved, loaded and asked, and which flavour a model has."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, TypeAlias

ENTRY_POINTS = "reticent.flavors"
"""An entry point of this group is named after the framework's top-level module, and gives a `Flavor`."""

PYTHON_FUNCTION = "python_function"
"""MLflow's generic flavour, which names the module that loads a model as a function from data to predictions."""

Config: TypeAlias = Mapping[str, Any]
"""What an MLmodel file says of a model under one flavour's name."""


@dataclass(frozen=True, slots=True)
class Flavor:
    name: str
    """As in MLmodel: "sklearn", "xgboost"."""
    handles: Callable[[Any], bool]
    """Whether a model is of this flavour. Called for other frameworks' models too, so it must not import its own."""
    save: Callable[[Any, Path], dict[str, Any]]
    """Write the model into an empty directory, as it is now and as fast as possible: training waits for it.

    Returns what MLmodel says under `flavors`: `{name: config}`, and `"python_function": config` if MLflow has a loader
    (without `env` and `python_version`, which are the same for every flavour). All of it must be JSON, and publishable
    as it is: `finish` may fail, or not come to its turn before the process ends.
    """
    load: Callable[[Path, Config], Any]
    """The model from its directory and its own config in `flavors`; also of one that MLflow wrote. Paths in a config
    come from a file: `reticent.files.inside` refuses those that lead out of the directory."""
    predict: Callable[[Any, Any, Mapping[str, Any]], Any] | None = None
    """What a loaded model gives for a DataFrame, an array, a dict of arrays or a list, with params of inference."""
    imports: Callable[[Path, Config], list[str]] | None = None
    """What `load` would import or run because a file says so, as "module.name": what a pickle refers to, the classes of
    custom layers. Read with nothing executed. If there is any, a model is loaded for those only who trust it."""
    finish: Callable[[Path, Path, dict[str, Any]], dict[str, Any]] | None = None
    """`finish(saved, finished, flavors)`: what is left to do after `save`, by a process of its own and without haste, or
    by this one when it ends:
    write everything that is to be published into the empty directory `finished`, in formats that are safe to open
    (`reticent.files.share` takes over a file as it is); returns `flavors` as they are then. A function of a module. Only
    ever given what this process has saved, so it may unpickle. If it raises, what `save` wrote is published."""
    to_onnx: Callable[[Any, Any], bytes] | None = None
    """The loaded model as a serialised ONNX model, made for input like an example."""
    priority: int = 0
    """Of several flavours that handle a model the highest is taken: the specific ones above the general ones."""


_flavors: dict[str, Flavor] = {}
_loaded: set[str] = set()


def register(flavor: Flavor) -> None:
    """Make a flavour known; of two with the same name the newer one holds."""
    _flavors[flavor.name] = flavor


def find(model: object) -> Flavor | None:
    """The flavour for a model, from those registered and those of the frameworks that its class comes from."""
    # A dict may be a model too: of what belongs to it, by name.
    for part in [model, *model.values()] if isinstance(model, Mapping) else [model]:
        for root in roots(part if isinstance(part, type) else type(part)):
            _load(root)
    fitting = [flavor for flavor in list(_flavors.values()) if flavor.handles(model)]
    if not fitting:
        _load(PYTHON_FUNCTION)
        fitting = [
            flavor for flavor in list(_flavors.values()) if flavor.name == PYTHON_FUNCTION and flavor.handles(model)
        ]
    return max(fitting, key=lambda flavor: flavor.priority, default=None)


def named(names: Iterable[str]) -> Flavor | None:
    """The first known flavour with one of these names; the generic one only if it is the only name."""
    names = list(names)
    names = [name for name in names if name != PYTHON_FUNCTION] or names
    for name in names:
        _load(name)
        if name in _flavors:
            return _flavors[name]
    for point in _points():
        _load(point)
        for name in names:
            if name in _flavors:
                return _flavors[name]
    return None


def roots(kind: type) -> tuple[str, ...]:
    """The top-level modules that a class and its bases come from, its own first."""
    return tuple(dict.fromkeys(base.__module__.partition(".")[0] for base in kind.__mro__ if base is not object))


def _load(name: str) -> None:
    if name in _loaded:
        return
    point = _points().get(name)
    if point is not None:
        try:
            flavor: Flavor = point.load()
            _flavors.setdefault(flavor.name, flavor)
        except ImportError:
            pass  # what it needs is not installed here
        finally:
            _loaded.add(name)  # only now: another thread looks for a flavor of it at once


@functools.cache
def _points() -> dict[str, metadata.EntryPoint]:
    return {point.name: point for point in metadata.entry_points(group=ENTRY_POINTS)}
