"""Acts when a module is imported, now or later. An error of ours never breaks the user's import.

Of wrapt, which has such hooks, all is imported with them: 4 ms, or 15 where it has to import asyncio, of the 30 that
`autolog()` may take.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from reticent.forks import importing
from reticent.guard import swallowed, tried

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType

_actions: dict[str, deque[Callable[[], None]]] = {}
"""By the name of the module that they wait for. Two threads may come for them at once, and each one takes what is left."""

_loading: set[str] = set()
"""The modules that a `_Loader` executes just now."""


def when_imported(module: str, action: Callable[[], None]) -> None:
    """Call `action` at once if `module` is imported, else right after it is. Waits while another thread imports it."""
    _actions.setdefault(module, deque()).append(action)
    watch()
    if is_imported(module) or _is_sought(module):
        with tried() as attempt:
            import_module(module)  # of one that another thread is loading there is only a part: this waits for it
        if attempt.error is None:
            _act(module)


def is_imported(module: str) -> bool:
    """Whether a module is there, and not just being loaded as one that is waited for. None in its place forbids that."""
    return sys.modules.get(module) is not None and module not in _loading


def _is_sought(module: str) -> bool:
    """Whether another thread looks for a module just now, perhaps since before it was waited for: then no `_Loader` will
    load it."""
    return module not in _loading and importing().get(module, threading.get_ident()) != threading.get_ident()


def watch() -> None:
    """See to it that imports are seen: who puts `sys.meta_path` back as it was takes that away."""
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)


def _act(module: str) -> None:
    waiting = _actions.get(module, deque())
    while waiting:
        try:
            action = waiting.popleft()
        except IndexError:  # another thread has just taken it
            return
        with swallowed(f"the integration of {module}"):
            action()


class _Finder:
    """Finds nothing itself. What those after it find of a module that is waited for is loaded by a `_Loader`."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not _actions.get(name) or self not in sys.meta_path:
            return None
        # Python holds the lock of all imports here: nothing may be imported.
        for finder in sys.meta_path[sys.meta_path.index(self) + 1 :]:
            find = getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = find(name, path, target) if find is not None else None
            if spec is not None:
                if hasattr(spec.loader, "exec_module"):
                    spec.loader = _Loader(spec.loader)  # type: ignore[assignment]  # all that Python asks of a loader
                return spec
        return None


class _Loader:
    """Stands in for the loader of a module until that is executed, and has the actions follow."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def __reduce__(self) -> tuple[Any, ...]:  # a copy that is being filled would ask itself for its `_loader`
        return _Loader, (self._loader,)

    @property  # type: ignore[misc]  # who only looks for the module may ask what kind of a loader it has
    def __class__(self) -> Any:
        return type(self._loader)

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            name = module.__spec__.name
            module.__spec__.loader = self._loader
        _loading.add(name)
        try:
            self._loader.exec_module(module)
        finally:
            _loading.discard(name)
        _act(name)


_finder = _Finder()
