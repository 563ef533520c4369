"""Files in skops' format: which names in one are not known to be harmless, and what is in it."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from reticent import aside


def are_known() -> bool:
    """Whether skops is installed."""
    return find_spec("skops") is not None


def write(model: Any, path: Path) -> list[str]:
    """Write a model; the names that a loader has to be told to trust. What it cannot hold raises errors of many kinds."""
    skops_io = _skops_io()
    skops_io.dump(model, path)
    return list(skops_io.get_untrusted_types(file=path))


def untrusted(path: Path) -> list[str]:
    """The names in a file that skops does not know to be harmless."""
    return list(_skops_io().get_untrusted_types(file=path))


def load(path: Path) -> Any:
    """The model in a file whose names are trusted."""
    skops_io = _skops_io()
    return skops_io.load(path, trusted=skops_io.get_untrusted_types(file=path))


def _skops_io() -> Any:
    """`skops.io`. It imports all of scikit-learn, and PyTorch with it, for a list of estimators, which takes seconds. A
    process of ours does without: it looks at every name itself."""
    if not aside.is_child or "skops.io" in sys.modules:
        return import_module("skops.io")
    utils: Any = import_module("sklearn.utils")
    listing = utils.all_estimators
    utils.all_estimators = list
    try:
        return import_module("skops.io")
    finally:
        utils.all_estimators = listing
