"""Whether the trees of a model from a file can be asked: scikit-learn follows their nodes without looking at bounds, so
that a forged one would read outside of its memory, or never come to a leaf. So with sparse matrices and random states,
which SciPy and NumPy follow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def check(model: Any) -> None:
    """ValueError if a tree anywhere in a model has a node that leads outside, back, or to no feature, or if a matrix or
    a random state has a place that leads outside."""
    import numpy as np

    for part, _ in _parts(model):
        _check_places(part)
    for tree, features in _trees(model):
        if hasattr(tree, "nodes"):  # of histogram-based boosting
            nodes, splits = tree.nodes, tree.nodes["is_leaf"] == 0
            children, used = ("left", "right"), nodes["feature_idx"]
            categorical = splits & (nodes["is_categorical"] != 0)
            sets = tree.raw_left_cat_bitsets
            if np.any(nodes["bitset_idx"][categorical] >= len(sets)) or (len(sets) and sets.shape[1:] != (8,)):
                raise ValueError("a tree of the model has a node whose categories are not there")
        else:
            nodes = tree.__getstate__()["nodes"]
            splits = nodes["left_child"] != -1
            children, used = ("left_child", "right_child"), nodes["feature"]
            features = min(features, tree.n_features)
        places = np.arange(len(nodes))
        for name in children:
            child = nodes[name].astype(np.int64)
            if np.any(splits & ((child <= places) | (child >= len(nodes)))):
                raise ValueError("a tree of the model has a node that leads out of it, or back")
        if np.any(splits & ((used < 0) | (used >= features))):
            raise ValueError("a tree of the model has a node that asks for a feature that there is not")


def _check_places(part: Any) -> None:
    import numpy as np
    from scipy import sparse

    if sparse.issparse(part) and part.format in ("csr", "csc", "bsr"):
        part.check_format(full_check=True)
    elif isinstance(part, np.random.RandomState | np.random.Generator):
        bits: Any = (
            part.get_state(legacy=False) if isinstance(part, np.random.RandomState) else part.bit_generator.state
        )
        if not 0 <= bits["state"].get("pos", 0) <= 624 or not 0 <= bits.get("buffer_pos", 0) <= 4:
            raise ValueError("a random state of the model stands outside of its numbers")


def _trees(model: Any) -> Iterator[tuple[Any, int]]:
    """The trees in a model, each with the number of features that what it stands in takes."""
    kinds = ("sklearn.tree._tree.Tree", "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor")
    for part, features in _parts(model):
        if f"{type(part).__module__}.{type(part).__name__}" in kinds:
            yield part, features


def _parts(model: Any) -> Iterator[tuple[Any, int]]:
    """All that a model is made of, each with the number of features that what it stands in takes."""
    seen: set[int] = set()
    waiting: list[tuple[Any, int]] = [(model, 0)]
    while waiting:
        part, features = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        yield part, features
        if isinstance(part, Mapping):
            waiting += [(value, features) for value in part.values()]
        elif isinstance(part, list | tuple | set):
            waiting += [(value, features) for value in part]
        elif getattr(getattr(part, "dtype", None), "kind", "") == "O":
            waiting += [(value, features) for value in part.ravel()]
        elif hasattr(part, "__dict__") and not isinstance(part, type):
            features = getattr(part, "n_features_in_", features)
            waiting += [(value, features) for value in vars(part).values()]
