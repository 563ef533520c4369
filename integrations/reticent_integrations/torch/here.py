"""What goes on in a thread: a plain loop is in no call of ours that could hold this."""

from __future__ import annotations

import threading
import time
import weakref
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from reticent.forks import after_fork_in_child

if TYPE_CHECKING:
    from reticent_integrations.torch.training import Training
    from reticent_integrations.torch.watched import Known

MAX_MODULES = 32
MAX_LOSSES = 4096
"""More are not held of a thread that goes backward and never steps."""


class Pass:
    """One time that a DataLoader is gone through."""

    def __init__(self, loader: Any, iterator: Any, learning: bool, backwards: int) -> None:
        """`learning`: whether gradients are computed; `backwards`: how often the thread has gone backward, before it."""
        self._loader = weakref.ref(loader)
        self._kept: Any = None if loader.persistent_workers else loader
        """While its iterator exists: many a loop makes a loader that nobody else keeps. One that keeps its iterator would
        be kept for good by that, with its workers; and that these end is waited for where garbage is collected."""
        me = weakref.ref(self)

        def let_go(_: Any) -> None:
            this = me()
            if this is not None:
                this._kept = None

        self.iterator = weakref.ref(iterator, let_go)
        self.learning = learning
        self.began = time.perf_counter()
        self.batches = 0
        self.batch_size = 0
        self.rows: int | None = None
        """How many samples there are in all, if that is known."""
        self.backwards_before = backwards
        self.stepped = False
        """Whether an optimizer has stepped within it, or right after it."""
        self.exhausted = False
        self.counted = False
        """Whether it is counted as an epoch already."""

    @property
    def loader(self) -> Any:
        """None if it is gone."""
        return self._loader()

    @property
    def is_under_way(self) -> bool:
        return not self.exhausted and self.iterator() is not None

    def count_batches(self) -> None:
        """Note what the iterator, while there is one, has counted."""
        iterator = self.iterator()
        if iterator is not None:
            self.batches = iterator._num_yielded


class Here:
    __slots__ = ("backwards", "latest", "losses", "modules", "norm", "passes", "training", "unscaled")

    def __init__(self) -> None:
        self.training: Training | None = None
        """The one that this thread is at, or was at last."""
        self.losses: list[Any] = []
        """What was gone backward from since the last step: numbers, and tensors that are on a device."""
        self.backwards = 0
        """How often this thread has gone backward."""
        self.unscaled: dict[int, tuple[weakref.ref[Any], Any]] = {}
        """For a scaled loss, by its id, what it was before."""
        self.norm: Any = None
        """The norm of the gradients that they were clipped by since the last step."""
        self.modules: OrderedDict[int, weakref.ref[Any]] = OrderedDict()
        """Which were asked for their parameters, the latest last."""
        self.passes: dict[int, Pass] = {}
        """Those under way, by the id of the iterator."""
        self.latest: Pass | None = None
        """The latest pass that may be one of training."""

    def asked(self) -> list[Any]:
        return [module for module in (reference() for reference in self.modules.values()) if module is not None]


class _Local(threading.local):
    def __init__(self) -> None:
        self.here = Here()


local = _Local()
"""`local.here` is this thread's. What is called in every step looks that up once."""

known: dict[int, Known] = {}
"""The optimizers of this process by their ids."""


def _forked() -> None:
    local.here = Here()  # the training is its parent's
    known.clear()


after_fork_in_child(_forked)
