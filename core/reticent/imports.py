"""Acts when a module is imported, now or later. An error of ours never breaks the user's import."""

from __future__ import annotations

import sys
from collections.abc import Callable

from reticent.guard import swallowed


def when_imported(module: str, action: Callable[[], None]) -> None:
    """Call `action` at once if `module` is imported, else right after it is."""

    def guarded(_: object) -> None:
        with swallowed(f"the integration of {module}"):
            action()

    if _is_imported(module):
        guarded(None)
        return
    import wrapt  # its import takes about 100 ms: not before it is needed

    wrapt.register_post_import_hook(guarded, module)


def _is_imported(module: str) -> bool:
    loaded = sys.modules.get(module)
    spec = getattr(loaded, "__spec__", None)
    return loaded is not None and not getattr(spec, "_initializing", False)
