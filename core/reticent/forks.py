"""What is done around a fork, where there are forks. Apart from `process`, which `autolog()` has no need of."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable

IMPORT_S = 2.0
"""So long a fork waits for what threads of ours import."""

_given_up: set[tuple[int, str]] = set()
"""The threads, and what they import, that a fork has waited for in vain."""


def before_fork(action: Callable[[], None]) -> None:
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=action)


def after_fork_in_child(action: Callable[[], None]) -> None:
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=action)


def importing() -> dict[str, int]:
    """The modules that are looked for or loaded just now, and by which thread; only Python's locks tell of that."""
    locks = getattr(sys.modules.get("_frozen_importlib"), "_module_locks", {})
    # `list(locks)`, in which no other thread and no collection of garbage comes in between, as in one of its items.
    held = {name: getattr(locks.get(name, type(None))(), "owner", None) for name in list(locks)}
    return {name: thread for name, thread in held.items() if thread is not None}


def wait_for_imports() -> None:
    """Before a fork: what a thread imports then can never be imported in the child, where the thread is not and its lock
    stays. No thread of ours, which the user knows nothing of, is to do that to a child."""
    deadline = time.monotonic() + IMPORT_S
    while under_way := _imports_of_ours() - _given_up:
        if time.monotonic() > deadline:
            _given_up.update(under_way)
            return
        time.sleep(0.001)


def _imports_of_ours() -> set[tuple[int, str]]:
    """The threads of ours, other than this one, that import something, and what."""
    found = importing()
    if not found:
        return set()
    ours = {thread.ident for thread in threading.enumerate() if thread.name.startswith("reticent-")}
    return {(thread, name) for name, thread in found.items() if thread in ours - {threading.get_ident()}}
