"""Data sets as MLflow's page and `mlflow.data` understand them."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Any

import msgspec

from reticent.records import Dataset

MAX_NAME = 500
MAX_DIGEST = 36
MAX_SCHEMA = 1_048_575
MAX_SOURCE = 65_535
MAX_PROFILE = 16_777_215
MAX_CONTEXT = 500

CONTEXT_TAG = "mlflow.data.context"

_TYPES = (
    (r"bool", "boolean"),
    (r"u?int(8|16)|int32", "integer"),
    (r"u?int(32|64)?", "long"),
    (r"float(16|32)|half", "float"),
    (r"float(64)?|double|decimal.*", "double"),
    (r"datetime.*|timestamp.*|date.*", "datetime"),
    (r"bytes.*|binary.*", "binary"),
)
"""MLflow's types of columns by pandas', NumPy's, Polars' and Arrow's; of anything else "string"."""


def entity(record: Dataset) -> dict[str, Any]:
    """An entity of `runs/log-inputs`; what is too long for MLflow is cut, or left out where half of it says nothing."""
    dataset: dict[str, str] = {
        "name": record.name[:MAX_NAME] or "data",
        "digest": record.digest if len(record.digest) <= MAX_DIGEST else _shortened(record.digest),
        **_source(record.source),
    }
    if (schema := _schema(record.schema)) and len(schema) <= MAX_SCHEMA:
        dataset["schema"] = schema
    if len(record.profile) <= MAX_PROFILE:
        dataset["profile"] = record.profile
    return {"tags": [{"key": CONTEXT_TAG, "value": record.context[:MAX_CONTEXT]}], "dataset": dataset}


def _shortened(digest: str) -> str:
    return sha256(digest.encode("utf-8", "surrogatepass")).hexdigest()[:MAX_DIGEST]


def _source(text: str) -> dict[str, str]:
    """Where the data is from: a URL as MLflow has it, else in its words for what a program has made."""
    text = text[: MAX_SOURCE // 8]
    scheme = text.partition("://")[0] if "://" in text else ""
    source: dict[str, Any] = {"uri": text}
    if scheme in ("http", "https"):
        kind, source = "http", {"url": text}
    elif re.fullmatch(r"[a-z][a-z0-9+.-]{0,35}", scheme):
        kind = "local" if scheme == "file" else scheme
    else:
        kind, source = "code", {"tags": {"mlflow.source.name": text}}
    return {"source_type": kind, "source": msgspec.json.encode(source).decode()}


def _schema(text: str) -> str:
    """Of tables the columns, of arrays the form; "" if neither is known."""
    try:
        parts = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, msgspec.ValidationError):
        return ""
    columns: list[dict[str, Any]] = []
    tensors: dict[str, Any] = {}
    for name, part in parts.items():
        if not isinstance(part, dict):
            continue
        if isinstance(part.get("columns"), list):
            columns += [
                {"type": _type(str(one.get("type"))), "name": str(one.get("name")), "required": True}
                for one in part["columns"]
                if isinstance(one, dict)
            ]
        elif name in ("features", "targets") and isinstance(part.get("shape"), list) and "dtype" in part:
            shape = [-1, *part["shape"][1:]]
            tensor = {"type": "tensor", "tensor-spec": {"dtype": _dtype(part["dtype"]), "shape": shape}}
            tensors[name] = msgspec.json.encode([tensor]).decode()
    if columns:
        return msgspec.json.encode({"mlflow_colspec": columns}).decode()
    if "features" in tensors:
        return msgspec.json.encode({"mlflow_tensorspec": {"targets": None, **tensors}}).decode()
    return ""


def _type(dtype: str) -> str:
    dtype = dtype.lower().removeprefix("torch.")
    return next((known for pattern, known in _TYPES if re.fullmatch(pattern, dtype)), "string")


def _dtype(dtype: object) -> str:
    """A type of numbers as NumPy calls it."""
    name = str(dtype).removeprefix("torch.").lower()
    return name if re.fullmatch(r"(u?int|float|complex)\d+|bool|object|str", name) else "object"
