"""The data sets of a training, as far as XGBoost knows them: a DMatrix is not read again."""

from __future__ import annotations

import hashlib
import json
import sys
from itertools import repeat
from typing import Any

from reticent import datasets
from reticent.patching import Call

MAX_LABELS = 1_000_000
"""XGBoost gives labels as a copy: of more rows than this, none is made."""
EXAMPLE_ROWS = 5
MAX_EXAMPLE_CELLS = 10_000
"""Of wider data there is no example."""


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


def form(booster: Any) -> tuple[Any, Any]:
    """Data of the kind that the model takes and gives, without a row, as far as XGBoost knows it."""
    import numpy

    learner = json.loads(booster.save_config())["learner"]
    width = max(int(learner["learner_model_param"].get(size, 0)) for size in ("num_class", "num_target"))
    one_each = width <= 1 or learner["objective"]["name"] == "multi:softmax"
    outputs = numpy.empty((0,) if one_each else (0, width), numpy.float32)
    if booster.feature_names is None:
        return numpy.empty((0, booster.num_features()), numpy.float32), outputs
    values = {"float": 0.0, "q": 0.0, "int": 0, "i": False}  # "c" is of any kind
    types = booster.feature_types or ["float"] * len(booster.feature_names)
    return {name: values.get(kind) for name, kind in zip(booster.feature_names, types, strict=True)}, outputs


def first_rows(data: Any) -> Any:
    """The first rows, as the model takes them; None where XGBoost keeps no rows, but bins or categories of them."""
    import numpy
    import xgboost

    width, types = data.num_col(), data.feature_types or []
    if type(data) is not xgboost.DMatrix or "c" in types or not 0 < width * EXAMPLE_ROWS <= MAX_EXAMPLE_CELLS:
        return None
    try:
        stored = data.slice(list(range(min(EXAMPLE_ROWS, data.num_row()))), allow_groups=True).get_data().tocoo()
    except xgboost.core.XGBoostError:  # it lies in external memory
        return None
    rows = numpy.full(stored.shape, numpy.nan, numpy.float32)
    rows[stored.row, stored.col] = stored.data
    if data.feature_names is None:
        return rows
    pandas = sys.modules.get("pandas")
    if pandas is None:  # importing it would take longer than the example is worth
        return None
    kinds = {"int": "int64", "i": "bool"}
    frame = pandas.DataFrame(rows, columns=data.feature_names)
    whole = {name: kinds[kind] for name, kind in zip(frame, types, strict=False) if kind in kinds}
    return frame.astype({name: kind for name, kind in whole.items() if frame[name].notna().all()})
