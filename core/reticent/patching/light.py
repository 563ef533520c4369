"""Hooks on what a training calls in every step: nothing is bound, nothing can be edited, and little is paid."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reticent.guard import swallowed
from reticent.patching import tracing
from reticent.patching.context import inside
from reticent.patching.hooking import enabled, report
from reticent.patching.importlib_bootstrap import around, beside
from reticent.patching.integration import Integration, LightPatch, RegisteredHook, function_of

_wrappers: dict[tuple[int, object], Callable[..., Any]] = {}


def wrap(original: Callable[..., Any], patch: LightPatch, integration: Integration) -> Callable[..., Any]:
    """`original` with the patch's hook after it. One function known by several names gets one wrapper."""
    key = id(original), patch.hook or patch.failed
    known = _wrappers.get(key)
    if known is not None and getattr(known, "__wrapped__", None) is original:
        return known

    tracing.find_compiler()
    name = getattr(original, "__qualname__", str(original))
    done = Guarded(patch.hook, integration.name, name) if patch.hook is not None else None
    failed = Guarded(patch.failed, integration.name, name) if patch.failed is not None else None
    before = Guarded(patch.before, integration.name, name, everywhere=True) if patch.before is not None else None

    if patch.outer:
        wrapper = around(original, _Outer(integration.name, done, failed))
    else:
        wrapper = beside(original, before, done, failed)
    _wrappers[key] = wrapper
    return wrapper


def registered(patch: RegisteredHook, integration: Integration) -> Callable[..., None]:
    """What to give to the framework's registry."""
    tracing.find_compiler()
    return Guarded(patch.hook, integration.name, patch.target.partition(":")[2], everywhere=patch.everywhere)


class Guarded:
    """A hook whose errors end here, and which is called while its integration is on: outside of hooked calls, or everywhere.

    Pickled by value, with a class of `__main__`, it is left behind, and nothing is called in the other process.
    """

    __slots__ = ("everywhere", "hook", "integration", "kind")

    def __init__(
        self, hook: Callable[[Any, Any, Any], None] | str, integration: str, name: str, everywhere: bool = False
    ) -> None:
        self.hook: Callable[..., None] = _Named(hook, self) if isinstance(hook, str) else hook
        self.everywhere = everywhere
        self.integration = integration
        self.kind = f"{integration} integration ({name})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(None), ()

    def __call__(self, first: Any, second: Any, third: Any) -> None:
        if tracing.traced():
            return
        if self.integration in enabled and (self.everywhere or not inside.get()):
            try:
                self.hook(first, second, third)
            except (Exception, SystemExit):
                with swallowed(self.kind, report):
                    raise


class _Named:
    """Stands in for a hook until its first call."""

    wanted = True

    def __init__(self, name: str, place: Guarded) -> None:
        self.name, self.place = name, place

    def __call__(self, *given: Any) -> None:
        try:
            self.place.hook = function_of(self.name)
        except Exception:
            self.place.hook = _Nothing()  # what cannot be imported is tried once, not in every step
            raise
        self.place.hook(*given)


class _Nothing:
    wanted = False

    def __call__(self, *_given: Any) -> None:
        pass


class _Outer:
    """Has the hooks called with what its call calls inside of it, of which no other hook sees anything then."""

    def __init__(self, integration: str, done: Guarded | None, failed: Guarded | None) -> None:
        self.names = frozenset({integration})
        self.integration = integration
        self.done = done
        self.failed = failed

    def __reduce__(self) -> tuple[Any, ...]:
        return type(None), ()

    def begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _OuterCall | None:
        return None if self.integration not in enabled or inside.get() else _OuterCall(self, args, kwargs)


class _OuterCall:
    __slots__ = ("args", "hooks", "kwargs", "token")

    def __init__(self, hooks: _Outer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.hooks, self.args, self.kwargs = hooks, args, kwargs
        self.token = inside.set(hooks.names)

    def after(self, result: Any) -> None:
        inside.reset(self.token)
        if self.hooks.done is not None:
            self.hooks.done(self.args, self.kwargs, result)

    def failed(self, error: BaseException) -> None:
        inside.reset(self.token)
        if self.hooks.failed is not None:
            self.hooks.failed(self.args, self.kwargs, error)
