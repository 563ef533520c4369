"""MLflow's scoring protocol: what a request's body says, and what an answer's does.

A body is JSON with one of `dataframe_split`, `dataframe_records`, `instances` or `inputs` (and `params`, if it likes), or
CSV with a line of names. JSON has fewer types than a signature: here numbers, times and bytes become what they were.
"""

from __future__ import annotations

import base64
import binascii
import csv
import io
import json
from collections.abc import Mapping
from datetime import date, time
from typing import Any, Literal

from reticent.errors import ReticentError
from reticent.models.signature.kinds import Spec
from reticent.models.signature.tensors import is_a, is_sparse

FORMATS = ("dataframe_split", "dataframe_records", "instances", "inputs")

MOST_COLUMNS = 100_000
SPARE_CELLS = 1_000_000
"""A table may have so many cells, and ten times those that were sent: a small body must not make a huge table, of rows
with a name each or of one long row among short ones."""
TEXT_BYTES = 256 << 20
"""An array of texts takes the longest one's memory for each."""

_WHOLE = {"integer": "int32", "long": "int64"}
_REAL = {"float": "float32", "double": "float64"}


class InputError(ReticentError):
    """A body is not what the protocol has, or cannot be what the signature says."""


class MediaTypeError(ReticentError):
    """A body is of a kind that is not served."""


def kind_of(content_type: str | None) -> Literal["json", "csv"]:
    """The kind of a body by its Content-Type. MediaTypeError for one that is not served."""
    media, *parameters = [part.strip() for part in (content_type or "").split(";")]
    for parameter in filter(None, parameters):
        name, _, value = parameter.partition("=")
        if name.strip().lower() != "charset":
            raise MediaTypeError("the Content-Type has a parameter other than charset")
        if value.strip().strip('"').lower() not in ("utf-8", "utf8"):
            raise MediaTypeError("only the charset UTF-8 is served")
    if media.lower() == "application/json":
        return "json"
    if media.lower() == "text/csv":
        return "csv"
    raise MediaTypeError("the Content-Type must be application/json or text/csv")


def parse(
    body: bytes | bytearray, kind: Literal["json", "csv"], specs: list[Spec] | None
) -> tuple[Any, dict[str, Any]]:
    """Data for a model whose inputs have these specifications, and params of inference. InputError says what is wrong."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError("the body is not UTF-8") from None
    if kind == "csv":
        return _csv(text, specs or []), {}
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"the body is no JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except ValueError:
        raise InputError("the body has a number with too many digits") from None
    except RecursionError:
        raise InputError("the body is nested too deeply") from None
    if not isinstance(content, dict):
        raise InputError(f"the body must be a JSON object with one of {', '.join(FORMATS)}, not {_kind(content)}")
    try:
        return data(content, specs or []), _params(content)
    except RecursionError:
        raise InputError("the body is nested too deeply") from None


def data(content: Mapping[str, Any], specs: list[Spec]) -> Any:
    """The data in a JSON object of the protocol."""
    given = [name for name in FORMATS if name in content]
    if len(given) != 1:
        raise InputError(f"the body must have one of {', '.join(FORMATS)}; it has {', '.join(given) or 'none of them'}")
    value = content[given[0]]
    if given[0] == "dataframe_split":
        return _split(value, specs)
    if given[0] == "dataframe_records":
        return _frame(_records(value), specs, given[0])
    if given[0] == "instances" and isinstance(value, list) and value and isinstance(value[0], dict):
        value = _by_column(_records(value))
    return _plain_inputs(value, specs)


def frame_from_csv(source: Any, specs: list[Spec]) -> Any:
    """A DataFrame from CSV (a file or its path): texts stay as they are where the signature says so."""
    import pandas as pd

    texts = {spec["name"]: str for spec in specs if spec.get("type") in ("string", "binary") and "name" in spec}
    try:
        frame = pd.read_csv(source, dtype=texts)
    except (ValueError, OverflowError) as error:  # of pandas' parser; its messages name lines, and may quote values
        raise InputError(f"the data is no CSV with a line of names ({type(error).__name__})") from None
    return typed(frame, specs)


def typed(frame: Any, specs: list[Spec]) -> Any:
    """A DataFrame with columns of the types in a signature, where JSON and CSV have no such type."""
    if not frame.columns.is_unique:
        raise InputError("two columns have the same name")
    for spec in specs:
        name = spec.get("name")
        if name in frame.columns:
            try:
                frame[name] = _column(frame[name], spec["type"])
            except (ValueError, TypeError, OverflowError, binascii.Error):
                raise InputError(f"the column {name!r} has values that are not of type {spec['type']}") from None
    return frame


def answer(predictions: Any) -> str:
    """The body of an answer. TypeError or ValueError for predictions that JSON cannot hold."""
    return json.dumps({"predictions": _jsonable(predictions)}, default=_encoded)


def _csv(text: str, specs: list[Spec]) -> Any:
    try:
        head: list[str] = next(filter(None, csv.reader(io.StringIO(text))), [])
    except csv.Error:
        raise InputError("the data is no CSV with a line of names") from None
    rows = text.count("\n") + text.count("\r") + 1
    _bound(rows, len(head), rows + text.count(","))
    return frame_from_csv(io.StringIO(text), specs)


def _split(value: Any, specs: list[Spec]) -> Any:
    if not isinstance(value, dict):
        raise InputError(f"dataframe_split must be an object, not {_kind(value)}")
    if "data" not in value or value.keys() - {"columns", "data", "index"}:
        raise InputError("dataframe_split must have data, may have columns and index, and nothing else")
    rows, columns, index = (value.get(key) for key in ("data", "columns", "index"))
    if not isinstance(rows, list) or not all(part is None or isinstance(part, list) for part in (columns, index)):
        raise InputError("data, columns and index of dataframe_split must be lists")
    widths = {len(row) for row in rows if isinstance(row, list)}
    if columns is not None and rows:
        widths.add(len(columns))
    if len(widths) > 1 or (index is not None and len(index) != len(rows)):
        raise InputError("dataframe_split is no table: its rows, columns and index are of different lengths")
    return _frame(rows, specs, "dataframe_split", columns=columns, index=index)


def _records(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise InputError("rows by name must be a list of objects")
    return value


def _frame(rows: Any, specs: list[Spec], what: str, **options: Any) -> Any:
    import pandas as pd

    if isinstance(rows, list):
        named = [row for row in rows if isinstance(row, dict)]
        _bound(len(rows), len(set().union(*named)), sum(map(len, named)))
    elif any(isinstance(column, dict) for column in rows.values()):
        raise InputError(f"{what} is no table: a column of it is an object")
    try:
        frame = pd.DataFrame(rows, **options)
    except (ValueError, TypeError, AssertionError, AttributeError):  # as pandas says it, with values
        raise InputError(f"{what} is no table: rows of different lengths, or not as many names as columns") from None
    return typed(frame, specs)


def _bound(rows: int, columns: int, cells: int) -> None:
    """InputError for a table of this size, in which so many cells have a value, if it is too large."""
    if columns > MOST_COLUMNS:
        raise InputError(f"the table has more than {MOST_COLUMNS:,} columns")
    if rows * columns > SPARE_CELLS + 10 * cells:
        raise InputError("hardly any of the table's cells has a value")


def _by_column(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {name: [] for name in rows[0]}
    for row in rows:
        if row.keys() != columns.keys():
            raise InputError("the instances must all have the same names")
        for name, value in row.items():
            columns[name].append(value)
    return columns


def _plain_inputs(value: Any, specs: list[Spec]) -> Any:
    """`inputs` and `instances`: arrays, by name if there are several; a table where the signature has columns."""
    named = {str(spec["name"]): spec for spec in specs if spec.get("name") is not None}
    if len(named) == 1 and isinstance(value, list) and not any(isinstance(item, dict) for item in value):
        value = {next(iter(named)): value}
    tensors = any(spec.get("type") == "tensor" for spec in specs)
    if isinstance(value, dict):
        if named and not tensors:
            scalars = not any(isinstance(item, list) for item in value.values())
            return _frame([value] if scalars else value, specs, "the input")
        return {name: _array(item, named.get(name), name) for name, item in value.items()}
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return _frame(value, specs, "the input") if named and not tensors else value
    if specs and not tensors:
        rows = isinstance(value, list) and all(isinstance(row, list) and len(row) == len(named) for row in value)
        if named and rows:
            return _frame(value, specs, "the input", columns=list(named))
        if not named or isinstance(value, list):
            return value  # texts and other single values, or what the signature refuses
    return _array(value, specs[0] if tensors else None, "")


def _array(value: Any, spec: Spec | None, name: str) -> Any:
    import numpy as np

    dtype = (spec or {}).get("tensor-spec", {}).get("dtype")
    longest, count = _texts(value)
    try:
        if longest * count * 4 > TEXT_BYTES:
            raise ValueError
        array = np.array(value)
        if dtype is None or dtype == "object":
            return array
        if dtype == "bytes":
            return np.array([base64.b64decode(item, validate=True) for item in value])
        if np.dtype(dtype).kind in "iu" and array.dtype.kind == "f" and not _are_whole(array):
            raise ValueError
        return array.astype(dtype)
    except (ValueError, TypeError, OverflowError, binascii.Error):
        which = f"the input {name!r}" if name else "the input"
        raise InputError(f"{which} is no array{f' of {dtype}' if dtype else ''}") from None


def _column(column: Any, kind: str) -> Any:
    if kind == "binary" and column.dtype == object:
        return column.map(lambda text: base64.b64decode(text, validate=True) if isinstance(text, str) else text)
    if kind == "datetime":
        import pandas as pd

        return pd.to_datetime(column)
    if kind in _REAL:
        return column.astype(_REAL[kind])
    if kind in _WHOLE and not column.isna().any():  # what a gap means is told by the signature
        if column.dtype.kind == "f" and not _are_whole(column):
            raise ValueError
        return column.astype(_WHOLE[kind])
    return column


def _texts(value: Any) -> tuple[int, int]:
    """The length of the longest text in nested lists, and how many values there are."""
    longest, count, left = 0, 0, [value]
    while left:
        part = left.pop()
        if isinstance(part, list):
            left += [item for item in part if isinstance(item, list)]
            longest = max(longest, max((len(item) for item in part if isinstance(item, str)), default=0))
            count += len(part)
    return longest, count


def _are_whole(numbers: Any) -> bool:
    return bool((numbers % 1 == 0).all())


def _params(content: Mapping[str, Any]) -> dict[str, Any]:
    params = content.get("params")
    if params is not None and not isinstance(params, dict):
        raise InputError(f"params must be an object, not {_kind(params)}")
    return params or {}


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _jsonable(predictions: Any) -> Any:
    if is_a(predictions, "pandas", "Series"):
        predictions = predictions.to_frame()
    if is_a(predictions, "pandas", "DataFrame"):
        return predictions.to_dict(orient="records")
    return predictions.toarray() if is_sparse(predictions) else predictions


def _encoded(value: Any) -> Any:
    """What JSON has for a value that it does not know."""
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, (date, time)):
        return value.isoformat()
    if hasattr(value, "tolist"):  # arrays, and numbers of numpy's
        return value.tolist()
    if is_a(value, "pandas", "DataFrame") or is_a(value, "pandas", "Series"):
        return _jsonable(value)
    raise TypeError(f"predictions of type {type(value).__name__} have no form in JSON")
