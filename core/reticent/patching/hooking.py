"""Runs a hook around a call. Training sees the original's result and the original's errors, whatever the hook does."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from reticent import ranks
from reticent.active import active
from reticent.guard import swallowed, warn_once
from reticent.patching import tracing
from reticent.patching.call import Call
from reticent.patching.context import EVERYTHING, inside
from reticent.patching.importlib_bootstrap import around
from reticent.patching.integration import Hook, Integration, Patch, function_of
from reticent.patching.options import Options

enabled: dict[str, Options] = {}
"""The options of the integrations that are switched on."""

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


class _Hooks:
    """What a wrapper does around the original. A class of `__main__` pickles by value, and with it the wrappers of its
    methods: this is left behind then, and they do nothing in the other process, which need not have Reticent."""

    def __init__(self, original: Callable[..., Any], patch: Patch, integration: Integration) -> None:
        self.original = original
        self.patch = patch
        self.integration = integration

    def __reduce__(self) -> tuple[Any, ...]:
        return type(None), ()

    def begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Hooked | None:
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
                from reticent import session, system

                system.watch(session.current())
            return None
        hooked = _Hooked(self.original, args, kwargs, patch, self.integration, options)
        hooked.before()
        return hooked


class _Hooked:
    """One run of a hook around one call."""

    def __init__(
        self,
        original: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        patch: Patch,
        integration: Integration,
        options: Options,
    ) -> None:
        self.call: Call | None = None
        self.generator: Generator[None, Any, None] | None = None
        self.args, self.kwargs = args, kwargs
        """What to call the original with."""
        self.kind = f"{integration.name} integration ({getattr(original, '__qualname__', original)})"
        self.names: frozenset[str] = frozenset() if patch.transparent else frozenset({integration.name})
        try:
            self.call = Call(original, args, kwargs, integration, options)
        except (TypeError, ValueError):
            return  # the user's arguments do not fit: the original says so itself
        with swallowed(self.kind, report):
            self.generator = function_of(patch.hook)(self.call)

    def before(self) -> None:
        ready = False
        with swallowed(self.kind, report):
            if self.call is not None and self.generator is not None:
                self._advance(next, self.generator)
                self.args, self.kwargs = self.call.edited() if self.generator is not None else (self.args, self.kwargs)
                if self.call.quiet:
                    self.names |= {EVERYTHING}
                ready = True
        if not ready:
            self._drop()
        self._inside = inside.set(inside.get() | self.names)  # the hook may have changed the context

    def after(self, result: Any) -> None:
        inside.reset(self._inside)
        if self.call is None:
            return
        with swallowed(self.kind, report):
            if self.generator is not None:
                self._advance(self.generator.send, result)
                if self.generator is not None:
                    self._drop()
                    raise RuntimeError("a hook must yield once")
        with swallowed(self.kind, report):
            self.call.finish()

    def failed(self, error: BaseException) -> None:
        inside.reset(self._inside)
        self._drop()
        if self.call is not None:
            with swallowed(self.kind, report):
                self.call.finish(error)

    def _advance(self, step: Callable[[Any], None], value: Any) -> None:
        try:
            step(value)
        except StopIteration:
            self.generator = None
        except BaseException:
            self.generator = None
            raise

    def _drop(self) -> None:
        generator, self.generator = self.generator, None
        if generator is not None:
            with swallowed(self.kind, report):
                generator.close()


def report(kind: str, error: BaseException) -> None:
    """Note an error of a hook in the current run."""
    run = active.get()
    if run is not None:
        run.warn(kind, f"{kind}: {type(error).__name__}: {error}; the training is not affected")
    else:
        warn_once(kind, f"{kind} failed with {type(error).__name__}; the training is not affected")
