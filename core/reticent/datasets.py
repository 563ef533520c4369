"""What is recorded of training data: what it is, how much of it, and a digest to tell versions apart. Never the data.

Time and memory are bounded: large data is sampled by stride. Nothing is densified, copied whole or consumed; data of any
library is known by its methods, so none is imported here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from reticent import values

MAX_ROWS = 10_000
MAX_BYTES = 4 << 20
"""The most rows and, roughly, bytes that go into the digest of one array."""
MAX_COLUMNS = 1000
MAX_TEXT = 1000
MAX_CLASSES = 20
MAX_LABEL = 100
"""Characters: what has longer ones has texts, no labels of classes."""


@dataclass(frozen=True, slots=True)
class Description:
    """The arguments of `Run.log_dataset` for some data; the same data has the same digest on every machine."""

    digest: str
    source: str
    schema: dict[str, Any]
    profile: dict[str, Any]
    contents: dict[str, str]
    """As of the function `contents`."""


def describe(features: Any, targets: Any = None, **others: Any) -> Description:
    """Describe data by its parts; those that are None are left out."""
    parts = {"features": features, "targets": targets, **others}
    parts = {name: part for name, part in parts.items() if part is not None}
    digests = {name: _digest(part) for name, part in parts.items()}
    said = "".join(f"{name} {type_name(part)} {digests[name]} " for name, part in parts.items())
    return Description(
        digest=blake2b(said.encode(), digest_size=8).hexdigest(),
        source=_source(features),
        schema={name: _schema(part) for name, part in parts.items()},
        profile={name: _profile(part) for name, part in parts.items()} | _classes(targets),
        contents={
            name: digest if _column(parts[name]) is parts[name] else _digest(_column(parts[name]))
            for name, digest in digests.items()
            if _readable(parts[name])
        },
    )


def contents(**parts: Any) -> dict[str, str]:
    """A digest of the content of each part, whatever holds it: an array has that of a series of the same numbers, and of a
    table of a single column.

    Parts that are None, or cannot be read without taking from them or waiting for a device, are left out.
    """
    return {name: _digest(_column(part)) for name, part in parts.items() if _readable(part)}


def fingerprint(data: Any) -> str:
    """What the `datasets` library knows a data set of its own by, or a column of one: a digest of its content and of all
    that was done to it. Empty for other data."""
    found = getattr(data, "_fingerprint", None)
    if isinstance(found, str):
        return found
    if not type(data).__module__.startswith("datasets.") or not hasattr(data, "column_name"):
        return ""
    whole = fingerprint(data.source)
    return whole and f"{whole} {data.column_name}"


def type_name(data: Any) -> str:
    """The type as users know it: "numpy.ndarray", "pandas.DataFrame"."""
    kind = type(data)
    root = kind.__module__.partition(".")[0]
    return kind.__qualname__ if root == "builtins" else f"{root}.{kind.__qualname__}"


def shape(data: Any) -> tuple[int, ...] | None:
    """The extents of data that has any; of a list, or a column of the `datasets` library, its length."""
    extents = getattr(data, "shape", None)
    if extents is not None and not callable(extents):
        try:
            return tuple(int(extent) for extent in extents)
        except (TypeError, ValueError):  # a static shape with unknown extents
            return None
    return (len(data),) if isinstance(data, (list, tuple, str, range)) or fingerprint(data) else None


def rows(data: Any) -> int | None:
    """How many rows data has, if that can be known without reading it."""
    extents = shape(data)
    return extents[0] if extents else None


def take(data: Any, step: int, stop: int | None = None) -> Any:
    """Every `step`-th row of data, of the first `stop` rows: a view where its library makes one. TypeError if that
    needs more than slicing."""
    if step == 1 and stop is None:
        return data
    if hasattr(data, "iloc"):
        return data.iloc[:stop:step]
    if fingerprint(data) and hasattr(data, "select"):  # a slice would be a dict of lists
        return data.select(range(len(data))[:stop:step])
    return data[:stop:step]


def untouchable(data: Any) -> Any:
    """The same data, for who may work in place on what is given: arrays refuse that, and of a table a copy is changed.
    Nothing is copied here but tables of pandas before its version 3, which copies what somebody changes."""
    if hasattr(data, "iloc"):
        import pandas as pd

        return data.copy(deep=int(pd.__version__.partition(".")[0]) < 3)
    if isinstance(data, list):
        return data.copy()
    if hasattr(data, "nnz"):
        twin = copy(data)
        for name, part in vars(data).items():
            setattr(twin, name, _read_only(part))
        return twin
    return _read_only(data)


def _read_only(data: Any) -> Any:
    if not hasattr(data, "flags") or not hasattr(data, "setflags"):
        return data
    view = data.view()
    view.setflags(write=False)
    return view


def _source(data: Any) -> str:
    info = getattr(data, "info", None) if fingerprint(data) else None
    name = getattr(info, "dataset_name", None) or getattr(info, "builder_name", None)
    return f"datasets ({name})" if name else f"memory ({type_name(data)})"


def _readable(data: Any) -> bool:
    if fingerprint(data) or hasattr(data, "__next__") or callable(data) or getattr(data, "is_cuda", False):
        return False
    if not hasattr(data, "__getitem__") and not hasattr(data, "nnz"):  # CatBoost's pools, which keep to themselves
        return False
    return shape(data) is not None


def _column(data: Any) -> Any:
    """The only column of an array or of a table, without a copy; all other data as it is."""
    if (shape(data) or ())[1:] != (1,) or hasattr(data, "nnz") or hasattr(data, "detach"):
        return data
    return data.iloc[:, 0] if hasattr(data, "iloc") else data[:, 0]


def _digest(data: Any) -> str:
    digest = blake2b(digest_size=8)
    for chunk in _chunks(data):
        digest.update(chunk)
    return digest.hexdigest()


def _chunks(data: Any) -> Iterator[bytes]:
    """The bytes that tell data from other data: its form, then a sample of its content."""
    dtype = str(getattr(data, "dtype", ""))
    if type(data).__module__.startswith("polars."):  # whose Int64 is everyone else's int64
        dtype = dtype.lower()
    yield f"{shape(data)} {dtype}".encode()
    known = fingerprint(data)
    if known:  # each row would be decoded, and transformed
        yield known.encode()
        return
    if hasattr(data, "__next__") or callable(data):
        return  # reading an iterator would take from the user's training
    if hasattr(data, "nnz") and hasattr(data, "data"):
        for name in ("data", "indices", "indptr", "row", "col"):
            array = getattr(data, name, None)
            if hasattr(array, "tobytes"):
                yield from _array(array)
    elif hasattr(data, "columns") and hasattr(data, "__getitem__"):
        yield from _frame(data)
    elif isinstance(data, Mapping):
        for key, part in list(data.items())[:MAX_COLUMNS]:
            yield f"{values.plain(key)!r} {type_name(part)}".encode()
            yield from _chunks(part)
    elif isinstance(data, (list, tuple)):
        yield _items(data[:: _step(len(data), MAX_ROWS)])
    elif shape(data) is not None:
        yield from _array(data)


def _frame(data: Any) -> Iterator[bytes]:
    """A sample of a table, column by column."""
    names = _column_names(data)
    budget = MAX_BYTES // 16 // max(1, len(names))
    sample = take(data, _step(rows(data) or 0, min(MAX_ROWS, max(10, budget))))
    if len({str(kind) for kind in getattr(sample, "dtypes", ())}) == 1:  # one array: hundreds of columns at once
        yield repr(values.plain(names[:MAX_COLUMNS])).encode()
        yield from _array(sample)
        return
    for position, name in enumerate(names[:MAX_COLUMNS]):
        yield repr(values.plain(name)).encode()
        # By position where names may be doubled or no strings.
        yield from _array(sample.iloc[:, position] if hasattr(sample, "iloc") else sample[name])


def _column_names(data: Any) -> list[Any]:
    """Of a table: pyarrow's `columns` are the data itself."""
    return list(data.columns if hasattr(data, "iloc") else getattr(data, "column_names", data.columns))


def _array(data: Any) -> Iterator[bytes]:
    """A sample of an array, a column or a tensor of numbers or objects."""
    if getattr(data, "is_cuda", False):
        return  # reading it would make the training wait for its device
    extents = shape(data) or ()
    row_size = 1
    for extent in extents[1:]:
        row_size *= extent
    wanted = min(MAX_ROWS, max(1, MAX_BYTES // max(1, row_size * 8)))
    sample = take(data, _step(extents[0], wanted)) if extents else data
    if row_size * 8 > MAX_BYTES:  # a single row is large: the start of the first one
        sample = sample[0].reshape(-1)[: MAX_BYTES // 8]
    if hasattr(sample, "detach"):
        sample = sample.detach().cpu()
    if hasattr(sample, "to_numpy"):
        sample = sample.to_numpy()
    elif not hasattr(sample, "tobytes") and hasattr(sample, "numpy"):
        try:
            sample = sample.numpy()
        except TypeError:  # of a type that NumPy does not have, as bfloat16
            sample = sample.float().numpy()
    if getattr(getattr(sample, "dtype", None), "kind", "O") == "O":
        items = list(sample.reshape(-1) if hasattr(sample, "reshape") else sample)
        yield _items(items[:MAX_ROWS])
    else:
        yield sample.tobytes()


def _items(items: Sequence[Any]) -> bytes:
    if set(map(type, items)) == {str}:  # as `_item`, at once
        return "".join([f"{item[:MAX_TEXT]}\0" for item in items]).encode("utf-8", "backslashreplace")
    return b"".join(map(_item, items))


def _item(item: Any) -> bytes:
    if isinstance(item, str):
        return item[:MAX_TEXT].encode("utf-8", "backslashreplace") + b"\0"
    if hasattr(item, "tobytes"):
        raw: bytes = item.tobytes()[: MAX_TEXT * 8]
        return raw
    return values.text(values.plain(item))[:MAX_TEXT].encode("utf-8", "backslashreplace") + b"\0"


def _step(length: int, wanted: int) -> int:
    return max(1, -(-length // max(1, wanted)))


def _schema(data: Any) -> dict[str, Any]:
    result: dict[str, Any] = {"type": type_name(data)}
    extents = shape(data)
    if extents is not None:
        result["shape"] = list(extents)
    known = fingerprint(data)
    if known:
        return {**result, "fingerprint": known, **_features(data)}
    columns = getattr(data, "columns", None)
    if columns is not None and not callable(columns):
        columns = _column_names(data)
        names = columns[:MAX_COLUMNS]
        types = (
            list(data.dtypes)
            if hasattr(data, "dtypes")
            else getattr(getattr(data, "schema", None), "types", [""] * len(names))
        )
        result["columns"] = [{"name": str(name), "type": str(kind)} for name, kind in zip(names, types, strict=False)]
        if len(columns) > MAX_COLUMNS:
            result["more_columns"] = len(columns) - MAX_COLUMNS
    elif hasattr(data, "dtype"):
        result["dtype"] = str(data.dtype)
    elif isinstance(data, (list, tuple)) and data:
        result["item_type"] = type_name(data[0])
    return result


def _features(data: Any) -> dict[str, Any]:
    """What a data set of the `datasets` library says of its columns, and which part it is of a larger one."""
    features, split = getattr(data, "features", None), getattr(data, "split", None)
    result: dict[str, Any] = {}
    if isinstance(features, Mapping):
        shown = list(features.items())[:MAX_COLUMNS]
        result["columns"] = [
            {"name": str(name), "type": str(getattr(kind, "dtype", type(kind).__name__))} for name, kind in shown
        ]
    return result if split is None else {**result, "split": str(split)}


def _profile(data: Any) -> dict[str, Any]:
    result: dict[str, Any] = {}
    extents = shape(data) or ()
    if extents:
        result["rows"] = extents[0]
    if len(extents) > 1:
        result["columns"] = extents[1]
    if hasattr(data, "nnz"):
        result["stored_values"] = int(data.nnz)
    return result


def _classes(targets: Any) -> dict[str, Any]:
    """How often each class occurs in labels, or in a sample of many; nothing if these are no labels of classes."""
    extents = shape(targets)
    dtype = str(getattr(targets, "dtype", ""))
    if extents is None or len(extents) != 1 or dtype.startswith(("float", "complex", "date", "time")):
        return {}
    if getattr(targets, "is_cuda", False) or fingerprint(targets):
        return {}
    sample = take(targets, _step(extents[0], MAX_ROWS))
    items = sample.tolist() if hasattr(sample, "tolist") else list(sample)
    kinds = set(map(type, items))
    counts = Counter(items) if all(issubclass(kind, (str, int)) for kind in kinds) else Counter()
    told = {str(label): count for label, count in counts.most_common()}
    if not told or len(told) > MAX_CLASSES or max(map(len, told)) > MAX_LABEL:
        return {}
    return {"classes": told}
