"""The data of a training. Arrays are described by samples of them; what yields batches, by what it says of itself."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from hashlib import blake2b
from typing import Any

from reticent import datasets, values
from reticent.patching import Call, Capture

DEFAULT_BATCH = 32
"""What Keras makes of arrays if nothing else is said."""
EXAMPLE_ROWS = 5


class Training:
    """What one call of `fit` was given."""

    def __init__(self, call: Call) -> None:
        self.x, self._y, self._weights = call.get("x"), call.get("y"), call.get("sample_weight")
        self._validation = call.get("validation_data")
        self._split = float(call.get("validation_split") or 0.0) if self._validation is None else 0.0
        self._steps_per_epoch = call.get("steps_per_epoch")
        self.batch_size: int | None = call.get("batch_size") or batch_size(self.x)

    def log(self, capture: Capture) -> None:
        if not capture.options.log_datasets:
            return
        given = self.x, self._y, self._weights
        validation = self._validation
        count = rows(self.x)
        if self._split and count is not None:  # as Keras splits it: the last rows
            kept = math.floor(count * (1.0 - self._split))
            validation = tuple(_part(one, kept, None) for one in given)
            given = tuple(_part(one, None, kept) for one in given)
        capture.log_dataset("train", "train", describe(*given))
        if isinstance(validation, (list, tuple)):
            capture.log_dataset("validation", "eval", describe(*validation))
        elif validation is not None:
            capture.log_dataset("validation", "eval", describe(validation))

    def samples(self, steps: int, epochs: int) -> int:
        """How many samples so many steps were trained on; 0 if that is not known."""
        if self.batch_size is None:
            return 0
        count = rows(self.x)
        if count is None or self._steps_per_epoch:
            return steps * self.batch_size
        return min(steps * self.batch_size, math.floor(count * (1.0 - self._split)) * max(1, epochs))


def describe(x: Any, y: Any = None, sample_weight: Any = None) -> datasets.Description:
    """What is known of data, of which nothing is taken."""
    if _is_array(x):
        return datasets.describe(x, y, sample_weight=sample_weight)
    if _holds_arrays(x):
        named = x.items() if isinstance(x, Mapping) else enumerate(x)
        return datasets.describe(
            None, y, sample_weight=sample_weight, **{f"features {name}": part for name, part in named}
        )
    return _described(x)


def batch_size(x: Any) -> int | None:
    """How many rows a batch has, if nothing is said of that in the call."""
    if rows(x) is not None:
        return DEFAULT_BATCH
    own = getattr(x, "batch_size", None)
    if isinstance(own, int):
        return own
    spec = getattr(x, "element_spec", None)
    if spec is None:
        return None
    first = next(iter(_leaves(spec)), None)
    extents = tuple(getattr(first, "shape", None) or ())
    if extents and extents[0] is not None:
        return int(extents[0])
    while x is not None:  # the last batch may be smaller, so the form does not say it; the step that makes batches does
        if hasattr(x, "_batch_size"):
            return int(x._batch_size)
        x = getattr(x, "_input_dataset", None)
    return None


def first_rows(x: Any) -> Any:
    """The first rows of arrays as arrays; None for other data."""
    import numpy as np

    def first(part: Any) -> Any:
        rows = datasets.take(part, 1, EXAMPLE_ROWS)
        if hasattr(rows, "iloc"):
            return rows
        return np.asarray(rows.detach().cpu() if hasattr(rows, "detach") else rows)

    if _is_array(x):
        return first(x)
    if isinstance(x, Mapping) and _holds_arrays(x):
        return {name: first(part) for name, part in x.items()}
    return [first(part) for part in x] if _holds_arrays(x) else None


def _described(data: Any) -> datasets.Description:
    """Of a `tf.data.Dataset`, a `DataLoader`, a `PyDataset` or a generator, none of which is asked for a batch."""
    kind = datasets.type_name(data)
    schema: dict[str, Any] = {"type": kind}
    profile: dict[str, Any] = {}
    spec = getattr(data, "element_spec", None)
    if spec is not None:
        schema["elements"] = _spec(spec)
        batches = int(data.cardinality())
        if batches >= 0:
            profile["batches"] = batches
        elif batches == -1:
            profile["batches"] = "without end"
    elif not hasattr(data, "__next__") and hasattr(data, "__len__"):
        profile["batches"] = len(data)
    source = getattr(data, "dataset", None)  # of a DataLoader
    if source is not None:
        schema["dataset"] = datasets.type_name(source)
        if hasattr(source, "__len__"):
            profile["rows"] = len(source)
    size = batch_size(data)
    if size is not None:
        profile["batch_size"] = size
    said = values.text(values.plain([schema, profile]))
    return datasets.Description(
        digest=blake2b(said.encode(), digest_size=8).hexdigest(),
        source=f"batches ({kind})",
        schema={"features": schema},
        profile={"features": profile},
        contents={},
    )


def _spec(spec: Any) -> Any:
    """The form of the elements of a `tf.data.Dataset` as plain data."""
    if isinstance(spec, Mapping):
        return {str(name): _spec(part) for name, part in spec.items()}
    if isinstance(spec, (list, tuple)):
        return [_spec(part) for part in spec]
    shape = getattr(spec, "shape", None)
    extents = None if shape is None or shape.rank is None else list(shape)
    return {"shape": extents, "dtype": getattr(getattr(spec, "dtype", None), "name", None)}


def _leaves(spec: Any) -> list[Any]:
    parts = (
        list(spec.values()) if isinstance(spec, Mapping) else list(spec) if isinstance(spec, (list, tuple)) else None
    )
    return [spec] if parts is None else [leaf for part in parts for leaf in _leaves(part)]


def _is_array(data: Any) -> bool:
    return hasattr(data, "shape") and hasattr(data, "__getitem__") and datasets.shape(data) is not None


def _holds_arrays(data: Any) -> bool:
    parts = list(data.values()) if isinstance(data, Mapping) else data if isinstance(data, (list, tuple)) else []
    return bool(parts) and all(map(_is_array, parts))


def to_numpy(tensor: Any) -> Any:
    """A copy of a tensor or variable of any backend."""
    import keras
    import numpy as np

    value = getattr(tensor, "value", tensor)  # of a variable of Keras
    if keras.config.backend() == "tensorflow":  # whose tensors Keras makes arrays with a warning
        return np.array(value.numpy())
    return np.array(keras.ops.convert_to_numpy(value))


def untraced() -> AbstractContextManager[Any]:
    """A context in which variables have values, also where TensorFlow is making a graph just now."""
    tensorflow = sys.modules.get("tensorflow")
    return nullcontext() if tensorflow is None else tensorflow.init_scope()


def rows(data: Any) -> int | None:
    """How many rows arrays have; None for other data."""
    if _holds_arrays(data):
        return datasets.rows(next(iter(data.values() if isinstance(data, Mapping) else data)))
    return datasets.rows(data) if _is_array(data) else None


def _part(data: Any, start: int | None, stop: int | None) -> Any:
    """Some rows of arrays, without a copy."""
    if isinstance(data, Mapping):
        return {name: _part(part, start, stop) for name, part in data.items()}
    if isinstance(data, (list, tuple)) and _holds_arrays(data):
        return [_part(part, start, stop) for part in data]
    if data is None:
        return None
    return data.iloc[start:stop] if hasattr(data, "iloc") else data[start:stop]
