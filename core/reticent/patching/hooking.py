"""The wrappers of functions with a hook, and which of their calls are hooked. What runs the hook then (`hooked`) is imported
with the first such call: wrappers are placed while a program starts.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from reticent import ranks
from reticent.active import active
from reticent.guard import swallowed, warn_once
from reticent.patching import tracing
from reticent.patching.context import EVERYTHING, inside
from reticent.patching.importlib_bootstrap import around
from reticent.patching.integration import Hook, Integration, Patch

if TYPE_CHECKING:
    from reticent.patching.hooked import Hooked
    from reticent.patching.options import Options

enabled: dict[str, Callable[[], Options]] = {}
"""What gives the options of the integrations that are switched on: they are made when a hook first needs them."""

_wrappers: dict[tuple[int, Hook | str], Callable[..., Any]] = {}


def wrap(original: Callable[..., Any], patch: Patch, integration: Integration) -> Callable[..., Any]:
    """`original` with the patch's hook around it.

    One function known by several names gets one wrapper, so that each of them pickles by reference.
    """
    key = id(original), patch.hook
    known = _wrappers.get(key)
    if known is not None and getattr(known, "__wrapped__", None) is original:
        return known

    tracing.find_compiler()
    wrapper = around(original, _Hooks(original, patch, integration))
    _wrappers[key] = wrapper
    return wrapper


@functools.cache
def _hooked() -> type[Hooked]:
    from reticent.patching.hooked import Hooked  # this statement in each call would take a sixth of what a hook takes

    return Hooked


class _Hooks:
    """What a wrapper does around the original. A class of `__main__` pickles by value, and with it the wrappers of its
    methods: this is left behind then, and they do nothing in the other process, which need not have Reticent."""

    def __init__(self, original: Callable[..., Any], patch: Patch, integration: Integration) -> None:
        self.original = original
        self.patch = patch
        self.integration = integration

    def __reduce__(self) -> tuple[Any, ...]:
        return type(None), ()

    def begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Hooked | None:
        """What is known of a call that is about to be made; None if it is not to be hooked."""
        if tracing.traced():
            return None
        patch, name = self.patch, self.integration.name
        options = enabled.get(name)
        around = inside.get()
        if options is None or not (
            patch.transparent or (EVERYTHING not in around and (name not in around or patch.nested))
        ):
            return None
        if ranks.follows():  # rank 0 logs for all of them
            with swallowed("the run of rank 0"):
                from reticent import sessions, system

                system.watch(sessions.current())
            return None
        hooked = None
        with swallowed("integrations", report):
            hooked = _hooked()(self.original, args, kwargs, patch, self.integration, options())
            hooked.before()
        return hooked


def report(kind: str, error: BaseException) -> None:
    """Note an error of a hook in the current run."""
    run = active.get()
    if run is not None:
        run.warn(kind, f"{kind}: {type(error).__name__}: {error}; the training is not affected")
    else:
        warn_once(kind, f"{kind} failed with {type(error).__name__}; the training is not affected")
