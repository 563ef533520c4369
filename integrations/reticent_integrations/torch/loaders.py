"""What is known of the data of a training in PyTorch without drawing a batch of it: of a DataLoader, or of a data set.

A data set is not indexed and not iterated: that may be slow, draw random numbers, or take from a stream. What it holds in
memory (tensors, arrays, tables, the data sets that it wraps) is described, and a fingerprint or a list of files is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

from reticent import datasets
from reticent.datasets import Description
from reticent.guard import tried

MAX_PARTS = 20
"""The most arrays, and the most wrapped data sets, that are described of one data set."""
MAX_DEPTH = 5
ARRAYS = ("torch", "numpy", "pandas", "polars", "scipy")
"""The libraries whose arrays lie in memory, so that a sample of their content costs little."""
NAMES = {
    **dict.fromkeys(("data", "x", "X", "inputs"), "features"),
    **dict.fromkeys(("y", "Y", "labels", "label", "target"), "targets"),
}
"""What attributes are called in a description."""
LISTED = ("features", "targets", "indices")
"""Those that are described where they are lists too."""


def describe(data: Any) -> Description:
    """Describe a DataLoader, or a data set, by what it holds. The digest is that of the data, whatever the batches."""
    import torch

    if not isinstance(data, torch.utils.data.DataLoader):
        return _dataset(data)
    found = _dataset(data.dataset)
    return replace(found, schema={"loader": _loader(data), **found.schema})


def rows(data: Any) -> int | None:
    """How many samples a DataLoader goes through in one epoch, or a data set has, if it says so."""
    import torch

    if not isinstance(data, torch.utils.data.DataLoader):
        return _length(data)
    if isinstance(data.dataset, torch.utils.data.IterableDataset):
        return _length(data.dataset)
    sampler = data.sampler if data.batch_sampler is None else getattr(data.batch_sampler, "sampler", None)
    samples = _length(data.dataset) if sampler is None else _length(sampler)
    if samples is not None and data.drop_last and data.batch_size:
        samples -= samples % data.batch_size
    return samples


def _loader(loader: Any) -> dict[str, Any]:
    import torch

    told: dict[str, Any] = {
        "type": datasets.type_name(loader),
        "batch_size": loader.batch_size,
        "drop_last": loader.drop_last,
        "num_workers": loader.num_workers,
    }
    if isinstance(loader.dataset, torch.utils.data.IterableDataset):
        return told  # asked for its length, the loader would from then on warn of any other one
    told["batches"] = _length(loader)
    told["sampler"] = datasets.type_name(loader.sampler)
    if type(loader.batch_sampler) not in (torch.utils.data.BatchSampler, type(None)):
        told["batch_sampler"] = datasets.type_name(loader.batch_sampler)
        told["batch_size"] = getattr(loader.batch_sampler, "batch_size", None)
    return {name: value for name, value in told.items() if value is not None}


def _dataset(data: Any, depth: int = 0) -> Description:
    if datasets.fingerprint(data):
        found = datasets.describe(data)
        return replace(
            found, schema={"dataset": found.schema["features"]}, profile={"dataset": found.profile["features"]}
        )
    held = _held(data)
    parts = _parts(data, held)
    found = datasets.describe(**{"features": None, **parts})
    wrapped = _wrapped(data, held) if depth < MAX_DEPTH else {}
    inner = {name: _dataset(one, depth + 1) for name, one in wrapped.items()}

    told: dict[str, Any] = {"type": datasets.type_name(data)}
    length = _length(data)
    source = f"memory ({told['type']})"
    classes = getattr(data, "classes", None)
    if isinstance(classes, (list, tuple)) and classes:
        told["classes"] = [str(name) for name in classes[: datasets.MAX_CLASSES]]
    if isinstance(held.get("root"), (str, Path)):
        source = str(held["root"])
    elif len(inner) == 1:
        source = next(iter(inner.values())).source
    digest = blake2b(f"{told} {length} {found.digest if parts else ''}".encode(), digest_size=8)
    for name, one in inner.items():
        digest.update(f"{name} {one.digest}".encode())
    return Description(
        digest=digest.hexdigest(),
        source=source,
        schema={"dataset": told, **found.schema, **{name: one.schema for name, one in inner.items()}},
        profile={
            **({} if length is None else {"dataset": {"rows": length}}),
            **found.profile,
            **{name: one.profile for name, one in inner.items()},
        },
        contents=found.contents,
    )


def _held(data: Any) -> Mapping[str, Any]:
    """The attributes of a data set's own: reading others may run code."""
    held = getattr(data, "__dict__", None)
    return held if isinstance(held, dict) else {}


def _parts(data: Any, held: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a data set, as far as it lies in memory, by what it is called in a description."""
    tensors = held.get("tensors")
    if isinstance(tensors, (list, tuple)):  # a TensorDataset
        names = ["features", "targets", *(f"tensor_{number}" for number in range(2, MAX_PARTS))]
        return dict(zip(names, tensors, strict=False))
    if isinstance(data, (list, tuple)) or _is_array(data):
        return {"features": data}
    parts: dict[str, Any] = {}
    for name, value in list(held.items()):
        known = NAMES.get(name, name)
        if _is_array(value) or (known in LISTED and isinstance(value, (list, tuple, range))):
            parts[known if known not in parts else name] = value
    files = _files(held)
    if files is not None:
        parts["files"] = files
    return dict(list(parts.items())[:MAX_PARTS])


def _files(held: Mapping[str, Any]) -> list[str] | None:
    """A sample of the names below its root of the files that a folder of images (or of others) is made of."""
    root, samples = held.get("root"), held.get("samples")
    if not isinstance(root, (str, Path)) or not isinstance(samples, (list, tuple)) or not samples:
        return None
    if not isinstance(samples[0], (list, tuple)) or not isinstance(samples[0][0], str):
        return None
    sample = datasets.take(samples, max(1, len(samples) // datasets.MAX_ROWS))
    return [path.removeprefix(str(root)).replace("\\", "/") for path, *_ in sample]


def _wrapped(data: Any, held: Mapping[str, Any]) -> dict[str, Any]:
    """The data sets that one is made of: what it is a subset of, what it transforms, what it puts in a row."""
    import torch

    several = held.get("datasets")
    if isinstance(several, Mapping):
        found = {str(name): one for name, one in several.items()}
    elif isinstance(several, (list, tuple)):
        found = {f"part_{number}": one for number, one in enumerate(several)}
    else:
        found = {
            name: one
            for name, one in list(held.items())
            if one is not data
            and not _is_array(one)
            and (isinstance(one, torch.utils.data.Dataset) or name == "dataset" or hasattr(one, "_fingerprint"))
        }
    return dict(list(found.items())[:MAX_PARTS])


def _is_array(value: Any) -> bool:
    """Whether this is an array, a tensor or a table in memory. One in a file is not: a sample of it is slow to read."""
    kind = type(value)
    return (
        kind.__module__.partition(".")[0] in ARRAYS
        and kind.__name__ != "memmap"
        and bool(datasets.shape(value))
        and getattr(getattr(value, "device", None), "type", "cpu") in ("cpu", "cuda")
    )


def _length(data: Any) -> int | None:
    """What `len` says; the user's own code may raise anything there."""
    with tried():
        return len(data)
    return None
