"""Trees of nearest neighbours count what they are asked, and are pickled with these numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_TREES = {
    "sklearn.neighbors._kd_tree": ("KDTree", "KDTree64"),
    "sklearn.neighbors._ball_tree": ("BallTree", "BallTree64"),
}
_MOST = 1000
"""Parts of an ensemble that are looked through."""


@contextmanager
def counters_kept(estimator: Any) -> Iterator[None]:
    """What is asked in here is not counted: what the user pickles is the same as without us."""
    states = [(tree, tree.__getstate__()) for tree in _trees(estimator)]
    try:
        yield
    finally:
        for tree, state in states:
            if tree.__getstate__()[4:11] != state[4:11]:
                tree.__setstate__(state)  # the same arrays: nothing is copied


def _trees(estimator: Any) -> Iterator[Any]:
    """Those of an estimator, and of the estimators that it is made of."""
    seen: set[int] = set()
    waiting = [estimator]
    while waiting:
        part = waiting.pop()
        kind = type(part)
        if id(part) in seen:
            continue
        seen.add(id(part))
        if kind.__name__ in _TREES.get(kind.__module__, ()):
            yield part
        elif kind in (list, tuple):
            waiting += part[:_MOST]
        elif hasattr(kind, "get_params"):
            waiting += vars(part).values()
