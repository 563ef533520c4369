"""The data sets of a training. What LightGBM makes of data it makes when it trains: none is made earlier for us."""

from __future__ import annotations

import hashlib
import os
from typing import Any, Literal
from weakref import WeakKeyDictionary

from reticent import datasets
from reticent.patching import Call

MAX_LABELS = 1_000_000
"""LightGBM gives labels as a copy: of more rows than this, none is made."""
EXAMPLE_ROWS = 5

_known: WeakKeyDictionary[Any, tuple[int, datasets.Description]] = WeakKeyDictionary()
"""By data set, whose version tells whether it has been changed since: LightGBM frees the data that it was described by."""


class Datasets:
    """Those of one training."""

    def __init__(self, call: Call, evaluated: list[tuple[Any, str]]) -> None:
        self.capture = call.capture
        training = call.get("train_set")
        self.named: list[tuple[Any, str, Literal["train", "eval"]]] = [
            (data, name, "eval") for data, name in evaluated if data is not training
        ]
        if not call.inner:  # else it is logged already, as what the estimator was given
            self.named.insert(0, (training, "train", "train"))
        if not call.options.log_datasets:
            self.named = []
        self.sources = [_file(data) for data, _, _ in self.named]
        self.described: list[datasets.Description | None] = [None] * len(self.named)

    def log(self) -> None:
        """Those that can be described by now."""
        for position, (data, name, context) in enumerate(self.named):
            if self.described[position] is None:
                found = _describe(data, self.sources[position])
                self.described[position] = found
                if found is not None:
                    self.capture.log_dataset(name, context, found)

    def log_rest(self) -> None:
        """Those that LightGBM has read itself while it trained; and remember all."""
        self.log()
        for (data, _, _), found in zip(self.named, self.described, strict=True):
            if found is not None:
                _known[data] = data.version, found


def _describe(data: Any, source: str | None) -> datasets.Description | None:
    """None if nothing is known yet."""
    version, known = _known.get(data, (None, None))
    if known is not None and version == data.version:
        return known
    if hasattr(data.data, "shape"):
        return datasets.describe(data.data, data.label, weight=data.weight, group=data.group)
    return _made(data, source) if data._handle is not None else None


def _made(data: Any, source: str | None) -> datasets.Description:
    """Of data in the form that LightGBM has made of it."""
    rows, columns, names = data.num_data(), data.num_feature(), data.get_feature_name()
    kind = datasets.type_name(data)
    digest = hashlib.blake2b(repr((kind, rows, columns, names)).encode(), digest_size=8)
    labels = data.get_field("label") if rows <= MAX_LABELS else None
    if labels is not None:
        digest.update(datasets.take(labels, max(1, len(labels) // datasets.MAX_ROWS)).tobytes())
    shown = [{"name": name, "type": ""} for name in names[: datasets.MAX_COLUMNS]]
    return datasets.Description(
        digest=digest.hexdigest(),
        source=source or f"memory ({kind})",
        schema={"features": {"type": kind, "shape": [rows, columns], "columns": shown}},
        profile={"features": {"rows": rows, "columns": columns}},
        contents={},
    )


def _file(data: Any) -> str | None:
    return os.fspath(data.data) if isinstance(data.data, (str, os.PathLike)) else None


def first_rows(data: Any) -> Any:
    """A copy of the first rows of the data, while it is there; None where taking them would read more than these."""
    raw = data.data
    if hasattr(raw, "iloc"):
        return raw.iloc[:EXAMPLE_ROWS].copy()
    if hasattr(raw, "tobytes") or getattr(raw, "format", "") == "csr":
        return raw[:EXAMPLE_ROWS].copy()
    return None


def form(booster: Any) -> tuple[Any, Any]:
    """Data of the kind that the model takes and gives, without a row, as far as LightGBM knows it."""
    import numpy

    names, width = booster.feature_name(), booster.num_model_per_iteration()
    outputs = numpy.empty((0,) if width == 1 else (0, width))
    if names == [f"Column_{number}" for number in range(len(names))]:
        return numpy.empty((0, len(names))), outputs
    return dict.fromkeys(names, 0.0), outputs
