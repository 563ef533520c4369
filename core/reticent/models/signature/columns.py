"""Columns of a signature enforced: whatever has rows becomes a DataFrame with the columns that the model takes."""

from __future__ import annotations

from typing import Any

from reticent.models.signature.conform import LIMITS, SchemaError, conform, decoded, scalar, told, unsuited
from reticent.models.signature.kinds import Spec, of_dtype
from reticent.models.signature.lossless import REASONS, LossyError, lossless
from reticent.models.signature.tables import table

NUMPY = {"integer": "int32", "long": "int64", "float": "float32", "double": "float64"}
_EMPTY = {
    "float": "float32",
    "double": "float64",
    "integer": "float64",
    "long": "float64",
    "datetime": "datetime64[ns]",
}


def enforce_columns(data: Any, specs: list[Spec]) -> Any:
    """A DataFrame with the columns of the signature in its order, each of its type, and no others."""
    frame = table(data, specs)
    places = _places(frame, specs)
    missing = [spec["name"] for spec, place in zip(specs, places, strict=True) if place is None and _required(spec)]
    if missing:
        raise SchemaError(f"the model needs the columns {missing}, which the data does not have")
    found = [(place, spec) for place, spec in zip(places, specs, strict=True) if place is not None]
    suited = frame.iloc[:, [place for place, _ in found]]
    dtypes = list(frame.dtypes)
    for index, (place, spec) in enumerate(found):
        if spec["type"] in NUMPY and dtypes[place] == NUMPY[spec["type"]]:
            continue
        given = frame.iloc[:, place]
        column = _column(given, spec, _where(spec, index))
        if column is not given:
            suited.isetitem(index, column)
    if suited.columns.nlevels == 1:
        suited.columns = [_label(label, spec) for label, (_, spec) in zip(suited.columns, found, strict=True)]
    for index, spec in enumerate(specs):
        if places[index] is None:
            suited.insert(index, spec["name"], _gaps(frame, spec))
    return suited


def _gaps(frame: Any, spec: Spec) -> Any:
    """An optional column that the data does not have."""
    import pandas as pd

    return pd.Series([None] * len(frame), index=frame.index, dtype=_EMPTY.get(spec["type"], object))


def _required(spec: Spec) -> bool:
    return spec.get("required", True) is not False


def _where(spec: Spec, index: int) -> str:
    return f"the column {spec['name']!r}" if spec.get("name") is not None else f"the column number {index + 1}"


def _places(frame: Any, specs: list[Spec]) -> list[int | None]:
    """Where the columns of a signature are in a DataFrame: by their names, or if they have none by their numbers."""
    if specs[0].get("name") is None:
        if len(frame.columns) < len(specs):
            raise SchemaError(f"the model takes {len(specs)} columns, but the data has {len(frame.columns)}")
        return list(range(len(specs)))
    # Exactly first: a number and its text may be two columns.
    exact: dict[Any, list[int]] = {}
    by_text: dict[str, list[int]] = {}
    for index, label in enumerate(frame.columns):
        exact.setdefault((type(label), label), []).append(index)
        by_text.setdefault(str(label), []).append(index)
    places: list[int | None] = []
    for name in (spec["name"] for spec in specs):
        found = exact.get((type(name), name)) or by_text.get(str(name)) or []
        if len(found) > 1:
            raise SchemaError(f"the data has {len(found)} columns {name!r}, of which the model needs one")
        places.append(found[0] if found else None)
    return places


def _label(label: Any, spec: Spec) -> Any:
    return spec["name"] if spec.get("name") is not None and isinstance(label, (str, int)) else label


def _column(column: Any, spec: Spec, where: str) -> Any:
    kind = spec["type"]
    if kind == "any":
        return column
    if kind in ("array", "object", "map", "sparkml_vector"):
        return _objects(column, [conform(value, spec, where) for value in column])
    if column.dtype.kind == "O" and not hasattr(column.dtype, "categories"):
        column = column if kind in ("string", "binary") else column.infer_objects()
    return _scalars(column, spec, where)


def _scalars(column: Any, spec: Spec, where: str) -> Any:
    kind, dtype = spec["type"], column.dtype
    if hasattr(dtype, "categories"):
        import pandas as pd

        categories = pd.Series(dtype.categories)
        suited = _scalars(categories, {**spec, "required": True}, where)
        return column if suited.dtype == categories.dtype else _scalars(column.astype(categories.dtype), spec, where)
    if _is_text(dtype):
        return _of_texts(column, spec, where)
    if dtype.kind == "O":
        return _of_objects(column, spec, where)
    given = of_dtype(dtype, ())
    if kind in NUMPY and dtype.kind in "iuf":
        return _numbers(column, spec, where)
    if given["type"] != kind:
        raise unsuited(where, kind, told(given) if given["type"] != "any" else str(dtype), REASONS["other"])
    return column


def _numbers(column: Any, spec: Spec, where: str) -> Any:
    kind, dtype = spec["type"], column.dtype
    if kind in LIMITS and not _required(spec) and column.hasnans:
        # Whole numbers with gaps are floats in pandas.
        _numbers(column.dropna(), spec, where)
        return column
    if isinstance(dtype, _numpy_dtype()):
        try:
            converted = lossless(column.to_numpy(), NUMPY[kind])
        except LossyError as error:
            raise unsuited(where, kind, told(of_dtype(dtype, ())), REASONS[str(error)]) from None
        return column if converted.dtype == dtype else _series(converted, column)
    if told(of_dtype(dtype, ())) == kind:
        return column
    return _of_objects(column.astype(object), spec, where)


def _of_texts(column: Any, spec: Spec, where: str) -> Any:
    kind = spec["type"]
    if kind == "string":
        return column
    if kind == "binary":
        return _objects(column, [decoded(value, where) if isinstance(value, str) else None for value in column])
    if kind == "datetime":
        return _dates(column, where)
    raise unsuited(where, kind, "string", REASONS["other"])


def _of_objects(column: Any, spec: Spec, where: str) -> Any:
    kind = spec["type"]
    if kind == "string":  # of any objects, as MLflow has it
        return column
    values = [scalar(value, spec, where) if not _gap(value, spec) else None for value in column]
    if kind == "datetime":
        return _dates(_objects(column, values), where)
    if kind in NUMPY:
        import pandas as pd

        gaps = any(value is None for value in values)
        dtype = "float64" if gaps and kind in LIMITS else NUMPY[kind]
        return pd.Series(values, index=column.index, name=column.name, dtype=dtype)
    return _objects(column, values)


def _gap(value: Any, spec: Spec) -> bool:
    import pandas as pd

    return bool(pd.api.types.is_scalar(value) and pd.isna(value)) and (
        spec["type"] not in LIMITS or not _required(spec)
    )


def _dates(column: Any, where: str) -> Any:
    import pandas as pd

    try:
        return pd.to_datetime(column, format="ISO8601" if _is_text(column.dtype) else None)
    except (ValueError, TypeError):
        hint = "texts must be dates as ISO 8601 has them, and all of one time zone or none"
        raise unsuited(where, "datetime", "string" if _is_text(column.dtype) else "any", hint) from None


def _is_text(dtype: Any) -> bool:
    return getattr(dtype, "name", "") in ("string", "str")


def _objects(column: Any, values: list[Any]) -> Any:
    import pandas as pd

    made = pd.Series([None] * len(values), index=column.index, name=column.name, dtype=object)
    for index, value in enumerate(values):
        made.iat[index] = value
    return made


def _series(values: Any, column: Any) -> Any:
    import pandas as pd

    return pd.Series(values, index=column.index, name=column.name)


def _numpy_dtype() -> type:
    import numpy as np

    return np.dtype
