"""What is done in the child after a fork, where there are forks. Apart from `process`, which `autolog()` has no need of."""

from __future__ import annotations

import os
from collections.abc import Callable


def after_fork_in_child(action: Callable[[], None]) -> None:
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=action)
