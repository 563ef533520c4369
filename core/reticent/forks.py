"""What is done around a fork, where there are forks. Apart from `process`, which `autolog()` has no need of."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable

IMPORT_S = 2.0
"""So long a fork waits for what threads of ours import."""


def after_fork_in_child(action: Callable[[], None]) -> None:
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=action)


def importing() -> dict[str, int]:
    """The modules that are looked for or loaded just now, and by which thread; only Python's locks tell of that."""
    locks = getattr(sys.modules.get("_frozen_importlib"), "_module_locks", {})
    held = {name: getattr(reference(), "owner", None) for name, reference in list(locks.items())}
    return {name: thread for name, thread in held.items() if thread is not None}


def _forks() -> None:
    """What a thread imports while its process forks can never be imported in the child, where the thread is not and its
    lock stays: no thread of ours, which the user knows nothing of, is to do that to a child."""
    deadline = time.monotonic() + IMPORT_S
    while (threads := importing().values()) and time.monotonic() < deadline:
        if not any(thread.ident in threads and thread.name.startswith("reticent-") for thread in threading.enumerate()):
            return
        time.sleep(0.001)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_forks)
