"""Input examples: the first rows of a model's input, as plain data, and the files that MLflow knows them by."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from reticent import values
from reticent.decoding import decodable
from reticent.errors import ReticentError
from reticent.files import inside
from reticent.models.signature.kinds import Spec
from reticent.models.signature.schema import enforce
from reticent.models.signature.tensors import has_values, host, is_a, is_array, is_sparse, is_tensor
from reticent_redact import Redactor, Report, SealedText

ROWS = 5
MAX_CELLS = 10_000
"""An example is taken while training waits, and read by people: of wider data it has fewer rows, or there is none."""

FILE = "input_example.json"
SERVING_FILE = "serving_input_example.json"


@decodable
class Example(msgspec.Struct, frozen=True):
    """`data` is a list of rows if there are `columns`, and otherwise as JSON has it."""

    type: Literal["dataframe", "ndarray", "sparse_matrix_csr", "json_object"]
    data: Any
    columns: list[int | str] | None = None


def take(data: Any) -> Example | None:
    """The first rows of a model's input; None if it is of no kind that we know, or too wide. Of a tensor on a device these
    rows are copied, which waits for it."""
    if is_a(data, "pandas", "DataFrame"):
        return _of_frame(data)
    if is_a(data, "pandas", "Series"):
        return _of_frame(data.iloc[:ROWS].to_frame())
    if is_a(data, "pyarrow", "Table"):
        rows = data.slice(0, _rows(data.shape)).to_pylist()
        cells = [[_cell(cell) for cell in row.values()] for row in rows]
        return Example("dataframe", cells, list(data.column_names)) if rows else None
    if is_a(data, "polars", "Series"):
        data = data.head(ROWS).to_frame()
    if is_a(data, "polars", "DataFrame"):
        cells = [[_cell(cell) for cell in row] for row in data.head(_rows(data.shape)).rows()]
        return Example("dataframe", cells, list(data.columns)) if cells else None
    if is_sparse(data):
        return _of_sparse(data)
    if is_array(data):
        listed = _of_arrays({"": data})
        return Example("ndarray", listed[""]) if listed else None
    if isinstance(data, (list, tuple)) and data and all(map(is_array, data)):
        if len(data) == 1:
            return take(data[0])
        data = {f"input_{index}": part for index, part in enumerate(data)}
    if isinstance(data, Mapping) and data:
        arrays = {str(name): value for name, value in data.items() if value is not None}
        if not any(map(is_array, arrays.values())):
            return Example("json_object", values.plain(data))
        named = _of_arrays(arrays) if all(map(is_array, arrays.values())) else None
        return Example("ndarray", named) if named else None
    if isinstance(data, list) and data:
        return Example("json_object", values.plain(data[:ROWS]))
    return None


def predictions(outputs: Any) -> Any:
    """What a model gave for the first rows, as plain lists; None for what has no rows, or more than an example has."""
    if outputs is None:
        return None
    if is_a(outputs, "pandas", "DataFrame") or is_a(outputs, "pandas", "Series"):
        outputs = outputs.to_numpy()
    if isinstance(outputs, Mapping):
        return {str(name): predictions(value) for name, value in outputs.items()}
    if isinstance(outputs, (list, tuple)):
        if any(map(is_array, outputs)):
            return [predictions(value) for value in outputs[:ROWS]]
        return values.plain(list(outputs[:ROWS]))
    shape = tuple(getattr(outputs, "shape", ()))
    if not shape or None in shape or not _rows(shape):
        return None
    if is_tensor(outputs) and not has_values(outputs):
        return None
    head = _head(outputs, _rows(shape))
    return values.plain(head.tolist()) if hasattr(head, "tolist") else None


def data(example: Example, specs: list[Spec] | None) -> Any:
    """An example as a model of this signature takes it."""
    if example.columns is not None:
        if specs and specs[0].get("name") is not None:
            return enforce([dict(zip(example.columns, row, strict=True)) for row in example.data], specs)
        import pandas as pd

        return pd.DataFrame(example.data, columns=example.columns)
    if example.type == "ndarray":
        if specs and specs[0]["type"] == "tensor":
            return enforce(example.data, specs)
        import numpy as np

        if isinstance(example.data, Mapping):
            return {name: np.asarray(value) for name, value in example.data.items()}
        return np.asarray(example.data)
    if example.type == "sparse_matrix_csr":
        from scipy.sparse import csr_matrix

        parts = example.data
        matrix = csr_matrix((parts["data"], parts["indices"], parts["indptr"]), shape=parts["shape"])
        return enforce(matrix, specs) if specs and specs[0]["type"] == "tensor" else matrix
    return example.data


def stored(directory: Path, info: Mapping[str, Any] | None) -> Example | None:
    """The example in a published model's directory; None if there is none. ReticentError if it cannot be understood."""
    if info is None:
        return None
    try:
        content = msgspec.json.decode(inside(directory, str(info["artifact_path"])).read_bytes())
        if info.get("params"):  # MLflow keeps an example of params with it
            content = content["inputs"]
        kind = str(info["type"])
        if kind == "dataframe":
            return Example("dataframe", content["data"], content["columns"])
        return msgspec.convert({"type": kind, "data": content}, Example)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReticentError(f"the model's input example cannot be read ({type(error).__name__})") from error


def seal(example: Example | None, redactor: Redactor, report: Report) -> tuple[dict[str, str], dict[str, SealedText]]:
    """What MLmodel says of an example, and its files. Both are empty if nothing readable is left of it."""
    if example is None:
        return {}, {}
    columns = example.columns
    info = {"artifact_path": FILE, "type": example.type}
    known_by: Any = example.data
    if columns is not None:
        info["pandas_orient"] = "split"
        # Column by column, so that a name like "password" hides the values under it.
        known_by = {name: [row[i] for row in example.data] for i, name in enumerate(columns)}

    def stored(plain: Any) -> Any:
        if columns is None:
            return plain
        return {"columns": list(plain), "data": [list(row) for row in zip(*plain.values(), strict=True)]}

    def served(plain: Any) -> Any:
        return {"inputs" if columns is None else "dataframe_split": stored(plain)}

    def sealed(form: Any, report: Report | None) -> SealedText:
        return redactor.seal(
            known_by, channel="example", report=report, render=lambda plain: msgspec.json.encode(form(plain)).decode()
        )

    files = {FILE: sealed(stored, report)}
    if not example.type.startswith("sparse"):
        info["serving_input_path"] = SERVING_FILE
        files[SERVING_FILE] = sealed(served, None)  # the same values, which are counted once
    try:
        for text in files.values():
            msgspec.json.decode(text)
    except msgspec.DecodeError:  # withheld
        return {}, {}
    return info, files


def _of_frame(frame: Any) -> Example | None:
    rows = _rows(frame.shape)
    columns = [name if type(name) is int else str(name) for name in frame.columns]
    if not rows or len(set(columns)) < len(columns):
        return None
    cells = frame.iloc[:rows].to_numpy(dtype=object).tolist()
    return Example("dataframe", [[_cell(cell) for cell in row] for row in cells], columns)


def _of_sparse(matrix: Any) -> Example | None:
    # The first rows of any other format are spread over all of its data.
    rows = _rows(matrix.shape[:1])
    if matrix.format != "csr" or not rows:
        return None
    head = matrix[:rows]
    if head.nnz > MAX_CELLS:
        return None
    parts = {name: getattr(head, name).tolist() for name in ("data", "indices", "indptr")}
    return Example("sparse_matrix_csr", {**parts, "shape": list(head.shape)})


def _of_arrays(arrays: Mapping[str, Any]) -> dict[str, Any] | None:
    """The first rows of each, as many of one as of another."""
    if not all(has_values(array) for array in arrays.values()) or any(map(is_sparse, arrays.values())):
        return None
    rows = min((_rows(tuple(array.shape)) for array in arrays.values()), default=0)
    heads = {name: _head(array, rows) for name, array in arrays.items()} if rows else {}
    # A structured array has rows of other kinds, and JSON has no complex numbers.
    if any(head.dtype.kind in "Vc" for head in heads.values()):
        return None
    return {name: values.plain(head.tolist()) for name, head in heads.items()} or None


def _head(array: Any, rows: int) -> Any:
    return host(array[:rows]) if is_tensor(array) else array[:rows]


def _rows(shape: tuple[int, ...]) -> int:
    """How many rows of data of this shape make an example."""
    width = 1
    for extent in shape[1:]:
        width *= extent
    return min(ROWS, shape[0], MAX_CELLS // max(width, 1)) if shape else 0


def _cell(cell: Any) -> Any:
    return None if type(cell).__name__ in ("NAType", "NaTType") else values.plain(cell)
