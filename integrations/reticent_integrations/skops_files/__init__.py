"""Files in skops' format: what in one is not known to be harmless, and the model that it holds."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Set
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from reticent import aside
from reticent_integrations.sklearn import trees
from reticent_integrations.skops_files import archive, judge


def are_known() -> bool:
    """Whether skops is installed."""
    return find_spec("skops") is not None


def write(model: Any, path: Path) -> list[str]:
    """Write a model; the names that a loader has to be told to trust. What it cannot hold raises errors of many kinds."""
    skops_io = _skops_io()
    skops_io.dump(model, path)
    return list(skops_io.get_untrusted_types(file=path))


def imports(path: Path, objects: Set[str] = frozenset()) -> list[str]:
    """What a file would have called or imported that is not known to be harmless. `objects` are the names of classes,
    beside scikit-learn's, whose objects only hold data. ValueError if it would fill the memory."""
    _skops_io()  # and all of scikit-learn, whose classes are looked at
    with path.open("rb") as file:
        return judge.imports(archive.schema_of(file), objects)


def load(path: Path) -> Any:
    """The model in a file that was judged, or whose names are trusted. ValueError if it would fill the memory, or if
    what is in it would lead compiled code astray."""
    skops_io = _skops_io()
    with path.open("rb") as file:
        archive.schema_of(file)
        model = skops_io.load(file, trusted=skops_io.get_untrusted_types(file=file))
    trees.check(model)
    return model


def _skops_io() -> Any:
    """`skops.io`. It imports all of scikit-learn, and PyTorch with it, for a list of estimators, which takes seconds. A
    process of ours, and one that ends, does without: we look at every name ourselves."""
    if not (aside.is_child or aside.is_ending) or "skops.io" in sys.modules:
        return import_module("skops.io")
    return _without_listing()


@functools.cache
def _without_listing() -> Any:
    """`skops.io` that knows no estimators, for us alone: whoever else imports it at the end gets another one."""
    utils: Any = import_module("sklearn.utils")
    listing = utils.all_estimators
    utils.all_estimators = list
    try:
        skops_io = import_module("skops.io")
        # Indented, Python would write it in Python, which takes most of the time that a forest takes.
        sys.modules["skops.io._persist"].json = SimpleNamespace(dumps=lambda state, **_: json.dumps(state))  # type: ignore[attr-defined]
        return skops_io
    finally:
        utils.all_estimators = listing
        for name in [name for name in sys.modules if name.partition(".")[0] == "skops"]:
            del sys.modules[name]
