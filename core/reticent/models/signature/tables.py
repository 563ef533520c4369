"""Anything with rows as a DataFrame, told by the columns of a signature where the data alone does not say what it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reticent.models.signature.conform import SchemaError
from reticent.models.signature.kinds import Spec
from reticent.models.signature.tensors import host, is_a, is_array, is_sparse, is_tensor

_NESTED = ("array", "object", "map", "sparkml_vector", "any")


def table(data: Any, specs: list[Spec]) -> Any:
    """A DataFrame of data; of one that is none, with the signature's columns only. SchemaError if there can be none."""
    try:
        import pandas as pd
    except ImportError:
        raise SchemaError("the model takes columns, which needs pandas: install pandas") from None

    if isinstance(data, pd.DataFrame):
        return data
    if isinstance(data, pd.Series):
        name = specs[0].get("name") if len(specs) == 1 else data.name
        return data.to_frame() if name is None else data.to_frame(name)
    if is_a(data, "pyarrow", "Table") or is_a(data, "polars", "DataFrame"):
        return data.to_pandas()
    if is_array(data):
        return _of_array(data, specs)
    if isinstance(data, Mapping):
        return _of_mapping(data, specs)
    if isinstance(data, (list, tuple)):
        return _of_rows(list(data), specs)
    return _of_rows([data], specs)


def _of_array(data: Any, specs: list[Spec]) -> Any:
    import pandas as pd

    if len(data.shape) > 2 and len(specs) > 1:
        raise SchemaError(f"the model takes columns, but the data is an array with {len(data.shape)} dimensions")
    if is_sparse(data):
        sparse: Any = pd.DataFrame.sparse
        return sparse.from_spmatrix(data.tocsc(), columns=_labels(data.shape[1], specs))
    values = host(data) if is_tensor(data) else data
    if values.ndim == 0:
        return _of_rows([values.item()], specs)
    if len(specs) == 1 and (values.ndim != 2 or specs[0]["type"] in _NESTED):
        return _frame({_name(0, specs[0]): list(values) if values.ndim > 1 else values}, specs)
    if values.ndim == 1:
        raise SchemaError(f"the model takes {len(specs)} columns, but the data is an array with one dimension")
    return pd.DataFrame(values, columns=_labels(values.shape[1], specs))


def _labels(width: int, specs: list[Spec]) -> list[Any]:
    """The names of columns that are given by number: if the signature names them, there must be as many."""
    if specs[0].get("name") is None:
        return list(range(width))
    if width != len(specs):
        raise SchemaError(f"the model takes {len(specs)} columns, but the data has {width}, which have no names")
    return [spec["name"] for spec in specs]


def _of_mapping(data: Mapping[Any, Any], specs: list[Spec]) -> Any:
    if specs[0].get("name") is None:
        if len(specs) == 1 and specs[0]["type"] in ("object", "map", "any"):
            return _frame({0: [data]}, specs)
        values = list(data.values())
        return _frame(dict(enumerate(_columns(values, specs[: len(values)]))), specs)
    by_text = {str(name): name for name in data}
    present = [spec for spec in specs if str(spec["name"]) in by_text]
    values = _columns([data[by_text[str(spec["name"])]] for spec in present], present)
    return _frame({spec["name"]: value for spec, value in zip(present, values, strict=True)}, specs)


def _columns(values: Sequence[Any], specs: Sequence[Spec]) -> list[Any]:
    """Values of a mapping as columns of one length: each is a column, or else all of them are one row."""
    values = [host(value) if is_tensor(value) else value for value in values]
    many = [_depth(value) > _cell_depth(spec, value) for value, spec in zip(values, specs, strict=False)]
    if not any(many):
        return [[value] for value in values]
    lengths = {len(value) for value, column in zip(values, many, strict=False) if column}
    if len(lengths) > 1:
        raise SchemaError(f"the columns of the data differ in length: they have {sorted(lengths)} rows")
    (length,) = lengths
    return [value if column else [value] * length for value, column in zip(values, many, strict=False)]


def _of_rows(rows: list[Any], specs: list[Spec]) -> Any:
    if rows and all(isinstance(row, Mapping) for row in rows) and specs[0].get("name") is not None:
        names = [spec["name"] for spec in specs]
        texts = [{str(name): value for name, value in row.items()} for row in rows]
        present = [name for name in names if any(str(name) in row for row in texts)]
        return _frame({name: [row.get(str(name)) for row in texts] for name in present}, specs)
    widths = {len(row) if _depth(row) else -1 for row in rows}
    if len(specs) == 1 and not (widths == {1} and all(_depth(row) > _cell_depth(specs[0], row[0]) for row in rows)):
        return _frame({_name(0, specs[0]): rows}, specs)
    if len(widths) > 1 or -1 in widths:
        raise SchemaError(f"the model takes {len(specs)} columns, but not all rows of the data are lists of one length")
    labels = _labels(widths.pop() if widths else len(specs), specs)
    return _frame({label: [row[index] for row in rows] for index, label in enumerate(labels)}, specs)


def _frame(columns: Mapping[Any, Any], specs: list[Spec]) -> Any:
    """Columns of plain values. Their floats are of no width, so they may become narrow ones."""
    import pandas as pd

    kinds = {_name(index, spec): spec["type"] for index, spec in enumerate(specs)}
    made = {}
    for name, values in columns.items():
        if kinds.get(name) in _NESTED:
            column = pd.Series([None] * len(values), dtype=object)
            for index, value in enumerate(values):
                column.iat[index] = value
        else:
            column = values if isinstance(values, pd.Series) else pd.Series(values)
            if kinds.get(name) == "float" and column.dtype == "float64" and isinstance(values, list):
                column = column.astype("float32")
        made[name] = column
    return pd.DataFrame(made)


def _name(index: int, spec: Spec) -> Any:
    return index if spec.get("name") is None else spec["name"]


def _cell_depth(spec: Spec, value: Any) -> int:
    """How deep in lists a single value of this type is."""
    if spec["type"] == "array":
        return 1 + _cell_depth(spec["items"], None)
    if spec["type"] == "sparkml_vector":
        return 1
    # What is of any type may be a list; an array, which is no plain value, is a column.
    return _depth(value) if spec["type"] == "any" and not hasattr(value, "shape") else 0


def _depth(value: Any) -> int:
    if is_array(value) or is_a(value, "pandas", "Series"):
        return len(value.shape)
    if isinstance(value, (list, tuple)):
        return 1 + max((_depth(item) for item in value[:1]), default=0)
    return 0
