"""PyTorch's compiler follows the Python code that it compiles, into what is called from there.

In our hooks it would break the user's graph, or fail where the user wants a whole one. While it looks, there are none.
"""

from __future__ import annotations

import sys
from collections.abc import Callable


def _never() -> bool:
    return False


traced: Callable[[], bool] = _never
"""Whether the code that asks is being compiled. A global, and nothing else, since the compiler reads it too."""


def find_compiler() -> None:
    """To be called when a framework is there that may be compiled."""
    global traced
    compiler = getattr(sys.modules.get("torch"), "compiler", None)
    traced = getattr(compiler, "is_compiling", traced)
