"""The data sets of a training. What CatBoost has already read into a pool is not read again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reticent import datasets
from reticent.patching import Call

MAX_LABELS = 100_000
"""A pool gives labels as a list of all of them: of more rows than this, none is made."""

HEAD = 1 << 20
"""Bytes of a file that go into its digest."""


def log(call: Call) -> Mapping[str, str]:
    """Log the training and the evaluation sets; inside another integration's fit only these: its own data is logged.

    Returns the digests of what the training data contains, as far as they are known.
    """
    contents: Mapping[str, str] = {}
    if not call.options.log_datasets:
        return contents
    if not call.inner:
        found = describe(call.get("X"), call.get("y"))
        contents = found.contents
        call.capture.log_dataset("train", "train", found)
    for name, features, targets in named(call.get("eval_set")):
        call.capture.log_dataset(name, "eval", describe(features, targets))
    return contents


def evaluated(eval_set: Any) -> list[tuple[Any, Any]]:
    """Features and targets of each evaluation set; a pool and a file have both in one."""
    sets = eval_set if isinstance(eval_set, list) else [eval_set]
    pairs = [one if isinstance(one, tuple) and len(one) == 2 else (one, None) for one in sets]
    return [(features, targets) for features, targets in pairs if features is not None]


def named(eval_set: Any) -> list[tuple[str, Any, Any]]:
    """The same with their names, which are CatBoost's."""
    sets = evaluated(eval_set)
    one = len(sets) == 1
    return [("validation" if one else f"validation_{number}", *pair) for number, pair in enumerate(sets)]


def describe(features: Any, targets: Any = None) -> datasets.Description:
    if hasattr(features, "get_feature_names"):
        return _pool(features)
    if isinstance(features, (str, os.PathLike)):
        return _file(Path(str(features).rpartition("://")[2]), str(features))
    return datasets.describe(features, targets)


def rows(features: Any) -> int:
    """How many rows there are; 0: not known."""
    if hasattr(features, "get_feature_names"):
        return int(features.num_row())
    return 0 if isinstance(features, str) else datasets.rows(features) or 0


def _pool(pool: Any) -> datasets.Description:
    """What CatBoost knows of a pool."""
    count, columns, names = pool.num_row(), pool.num_col(), pool.get_feature_names()
    kinds = dict.fromkeys(pool.get_cat_feature_indices(), "category")
    kinds |= dict.fromkeys(pool.get_text_feature_indices(), "text")
    kinds |= dict.fromkeys(pool.get_embedding_feature_indices(), "embedding")
    kind = datasets.type_name(pool)
    digest = hashlib.blake2b(repr((kind, count, columns, names, kinds)).encode(), digest_size=8)
    labels = pool.get_label() if count <= MAX_LABELS else None
    if labels is not None:
        told = datasets.describe(labels)
        digest.update(told.digest.encode())
    shown = names[: datasets.MAX_COLUMNS]
    schema = {
        "type": kind,
        "shape": [count, columns],
        "columns": [{"name": name, "type": kinds.get(number, "number")} for number, name in enumerate(shown)],
    }
    return datasets.Description(
        digest=digest.hexdigest(),
        source=f"memory ({kind})",
        schema={"features": schema},
        profile={"features": {"rows": count, "columns": columns}},
        contents={},
    )


def _file(path: Path, source: str) -> datasets.Description:
    """A file that CatBoost reads itself: its size and its first part tell it from others."""
    with path.open("rb") as file:
        head, size = file.read(HEAD), os.fstat(file.fileno()).st_size
    digest = hashlib.blake2b(size.to_bytes(8, "little") + head, digest_size=8)
    return datasets.Description(
        digest=digest.hexdigest(),
        source=source,
        schema={"features": {"type": "file"}},
        profile={"features": {"bytes": size}},
        contents={},
    )
