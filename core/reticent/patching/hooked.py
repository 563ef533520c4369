"""Runs a hook around a call. Training sees the original's result and the original's errors, whatever the hook does."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from reticent.guard import swallowed
from reticent.patching.call import Call
from reticent.patching.context import EVERYTHING, inside
from reticent.patching.hooking import report
from reticent.patching.integration import Integration, Patch, function_of
from reticent.patching.options import Options


class Hooked:
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
