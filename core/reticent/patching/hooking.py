"""Runs a hook around a call. Training sees the original's result and the original's errors, whatever the hook does."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from typing import Any

from reticent.guard import swallowed, warn_once
from reticent.patching.call import Call
from reticent.patching.context import EVERYTHING, inside
from reticent.patching.integration import Integration, Options, Patch
from reticent.run import active

enabled: dict[str, Options] = {}
"""The options of the integrations that are switched on."""

_wrappers: dict[tuple[int, int], Callable[..., Any]] = {}


def wrap(original: Callable[..., Any], patch: Patch, integration: Integration) -> Callable[..., Any]:
    """`original` with the patch's hook around it.

    One function known by several names gets one wrapper, so that each of them pickles by reference.
    """
    key = id(original), id(patch.hook)
    known = _wrappers.get(key)
    if known is not None and getattr(known, "__wrapped__", None) is original:
        return known

    hooked = _Wrapped(original, patch, integration)

    @functools.wraps(original)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return hooked(*args, **kwargs)

    _wrappers[key] = wrapper
    return wrapper


class _Wrapped:
    """What a wrapper does. Apart from the wrapper, so that a class of `__main__`, which pickles by value and with it the
    wrappers of its methods, carries nothing but the originals to another process."""

    def __init__(self, original: Callable[..., Any], patch: Patch, integration: Integration) -> None:
        self.original = original
        self.patch = patch
        self.integration = integration

    def __reduce__(self) -> tuple[Any, ...]:
        return functools.partial, (self.original,)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        original, patch, name = self.original, self.patch, self.integration.name
        options = enabled.get(name)
        around = inside.get()
        if options is None or not (
            patch.transparent or (EVERYTHING not in around and (name not in around or patch.nested))
        ):
            return original(*args, **kwargs)
        hooked = _Hooked(original, args, kwargs, patch, self.integration, options)
        args, kwargs = hooked.before(args, kwargs)
        token = inside.set(inside.get() | hooked.names)  # the hook may have changed the context
        try:
            result = original(*args, **kwargs)
        except BaseException as error:
            inside.reset(token)
            hooked.failed(error)
            raise
        inside.reset(token)
        hooked.after(result)
        return result


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
        self.kind = f"{integration.name} integration ({getattr(original, '__qualname__', original)})"
        self.names: frozenset[str] = frozenset() if patch.transparent else frozenset({integration.name})
        try:
            self.call = Call(original, args, kwargs, integration, options)
        except (TypeError, ValueError):
            return  # the user's arguments do not fit: the original says so itself
        with swallowed(self.kind, self._report):
            self.generator = patch.hook(self.call)

    def before(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments to call the original with."""
        if self.call is not None and self.generator is not None:
            with swallowed(self.kind, self._report):
                self._advance(next, self.generator)
                if self.generator is not None and self.call.quiet:
                    self.names |= {EVERYTHING}
                return self.call.edited() if self.generator is not None else (args, kwargs)
            self._drop()
        return args, kwargs

    def after(self, result: Any) -> None:
        if self.call is None:
            return
        with swallowed(self.kind, self._report):
            if self.generator is not None:
                self._advance(self.generator.send, result)
                if self.generator is not None:
                    self._drop()
                    raise RuntimeError("a hook must yield once")
        with swallowed(self.kind, self._report):
            self.call.finish()

    def failed(self, error: BaseException) -> None:
        self._drop()
        if self.call is not None:
            with swallowed(self.kind, self._report):
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
            with swallowed(self.kind, self._report):
                generator.close()

    def _report(self, kind: str, error: Exception) -> None:
        run = active.get()
        if run is not None:
            run.warn(kind, f"{kind}: {type(error).__name__}: {error}; the training is not affected")
        else:
            warn_once(kind, f"{kind} failed with {type(error).__name__}; the training is not affected")
