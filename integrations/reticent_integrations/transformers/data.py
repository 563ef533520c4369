"""The data sets of a Trainer, without reading them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from reticent.patching import Capture


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
    from reticent_integrations.torch import loaders

    if dataset is not None and capture.options.log_datasets:
        capture.log_dataset(name, context, loaders.describe(dataset))
