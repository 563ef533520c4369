"""The outputs of a search's fits, seen as they come back to the thread that searches.

scikit-learn hands a search's fits to one `Parallel`, whatever its backend, and joblib gives the outputs in the order of
the tasks. Where a version does that in another way nothing is seen here, and the search is logged from its results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any, NamedTuple

_SOURCES = ("_get_outputs", "_get_sequential_output")
"""The generators of `joblib.Parallel` that its call makes a list of."""


class Task(NamedTuple):
    """The fit of a candidate to a part of the data."""

    candidate: int
    split: int
    splits: int
    params: Mapping[str, Any]


class Watch:
    """Of one search: `done` is called with the number, the params and the outputs of each candidate."""

    def __init__(
        self,
        done: Callable[[int, Mapping[str, Any], list[dict[str, Any]]], None],
        guard: Callable[[str], AbstractContextManager[None]],
    ) -> None:
        self._done = done
        self._guard = guard
        self._parallel: Any = None
        self._before = 0
        """The candidates of earlier calls: a halving search makes one for each iteration."""
        self._tasks: list[Task] = []
        self._outputs: list[dict[str, Any]] = []

    def noted(self, task: Any) -> None:
        """Note a task that is about to be handed out, and which candidate it is for."""
        function, _, named = task
        place, split = named.get("candidate_progress"), named.get("split_progress")
        if getattr(function, "__name__", "") == "_fit_and_score" and place and split:
            self._tasks.append(Task(place[0], split[0], split[1], named["parameters"]))

    @contextmanager
    def attending(self, parallel: Any) -> Iterator[bool]:
        """See the outputs of a call of `parallel`; False, and nothing is seen, if it is not the search's own."""
        if self._parallel not in (None, parallel):
            yield False
            return
        self._parallel, self._tasks, self._outputs = parallel, [], []
        originals = {name: getattr(parallel, name) for name in _SOURCES if hasattr(parallel, name)}
        for name, original in originals.items():
            setattr(parallel, name, partial(self._seen, original))
        try:
            yield True
        finally:
            for name in originals:
                delattr(parallel, name)
            self._before += 1 + max((task.candidate for task in self._tasks), default=-1)

    def _seen(self, original: Callable[..., Iterator[Any]], *args: Any) -> Iterator[Any]:
        for output in original(*args):
            if isinstance(output, dict):  # the first one is None, and no output
                with self._guard("candidates of a search"):
                    self._came(output)
            yield output

    def _came(self, output: dict[str, Any]) -> None:
        self._outputs.append(output)
        count = len(self._outputs)
        if count > len(self._tasks):
            return
        last = self._tasks[count - 1]
        if last.split + 1 == last.splits:
            self._done(self._before + last.candidate, last.params, self._outputs[count - last.splits :])


watching: ContextVar[Watch | None] = ContextVar("reticent_sklearn_watching", default=None)
"""The watch of the search that is under way in this context."""
