"""The data sets of a training, as far as XGBoost knows them: a DMatrix is not read again."""

from __future__ import annotations

import hashlib
from itertools import repeat
from typing import Any

from reticent import datasets
from reticent.patching import Call

MAX_LABELS = 1_000_000
"""XGBoost gives labels as a copy: of more rows than this, none is made."""


def log(call: Call, evals: list[Any]) -> None:
    """Log the training and the evaluation sets; inside an estimator's fit only these: its own data is logged already."""
    training = call.get("dtrain")
    if not call.options.log_datasets:
        return
    if not call.inner:
        call.capture.log_dataset("train", "train", describe(training))
    for data, name in evals:
        if data is not training:
            call.capture.log_dataset(name, "eval", describe(data))


def describe(data: Any) -> datasets.Description:
    """What XGBoost knows of a DMatrix, without reading it again."""
    rows, columns, stored = data.num_row(), data.num_col(), data.num_nonmissing()
    names, types = data.feature_names, data.feature_types
    kind = datasets.type_name(data)
    digest = hashlib.blake2b(repr((kind, rows, columns, stored, names, types)).encode(), digest_size=8)
    if rows <= MAX_LABELS:
        labels = data.get_label()
        digest.update(datasets.take(labels, max(1, len(labels) // datasets.MAX_ROWS)).tobytes())
    schema: dict[str, Any] = {"type": kind, "shape": [rows, columns]}
    if names is not None:
        shown = names[: datasets.MAX_COLUMNS]
        schema["columns"] = [
            {"name": name, "type": type} for name, type in zip(shown, types or repeat(""), strict=False)
        ]
    return datasets.Description(
        digest=digest.hexdigest(),
        source=f"memory ({kind})",
        schema={"features": schema},
        profile={"features": {"rows": rows, "columns": columns, "stored_values": stored}},
        contents={},
    )


def example(booster: Any) -> Any:
    """Data of the kind that the model takes, as far as XGBoost knows it."""
    import numpy

    if booster.feature_names is None:
        return numpy.empty((0, booster.num_features()), numpy.float32)
    values = {"float": 0.0, "q": 0.0, "int": 0, "i": False}  # "c" is of any kind
    types = booster.feature_types or ["float"] * len(booster.feature_names)
    return {name: values.get(kind) for name, kind in zip(booster.feature_names, types, strict=True)}
