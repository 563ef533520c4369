"""The data sets of a Trainer, without reading them."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any, Literal

from reticent.patching import Capture

_logged: weakref.WeakKeyDictionary[Capture, dict[str, str]] = weakref.WeakKeyDictionary()
"""The digests of the data sets of a training, and of what is asked after it, by name."""


def log(capture: Capture, trainer: Any) -> None:
    """Log what it trains with, and evaluates with: one data set, or several by name."""
    log_one(capture, "train", "train", trainer.train_dataset)
    for name, dataset in named("eval", trainer.eval_dataset).items():
        log_one(capture, name, "eval", dataset)


def named(name: str, dataset: Any) -> dict[str, Any]:
    """Data sets by the prefix that the Trainer gives to the metrics of each."""
    if isinstance(dataset, Mapping):
        return {f"{name}_{key}": one for key, one in dataset.items()}
    return {} if dataset is None else {name: dataset}


def log_one(capture: Capture, name: str, context: Literal["train", "eval", "test", "predict"], dataset: Any) -> None:
    """Log a data set, once; another one of the same name with a number."""
    from reticent_integrations.torch import loaders

    if dataset is None or not capture.options.log_datasets:
        return
    found = loaders.describe(dataset)
    known = _logged.setdefault(capture, {})
    number = 1
    while known.get(_numbered(name, number), found.digest) != found.digest:
        number += 1
    if _numbered(name, number) not in known:
        known[_numbered(name, number)] = found.digest
        capture.log_dataset(_numbered(name, number), context, found)


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}_{number}"
