"""What an integration patches, found without the code that patches; and hooks in place of an integration's own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from copy import copy
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any, cast

from reticent.patching import Call, Hook, Integration, Patch, RegisteredHook
from reticent.patching.hooking import enabled
from reticent.patching.integration import AnyPatch, function_of, options_of
from reticent.patching.placing import applies, place, remove


def owners(integration: Integration) -> list[Any]:
    """Modules and classes that patches may go to: those of the targets, subclasses with all that they inherit from, and
    modules that have a target's function under the same name."""
    found: dict[int, Any] = {}
    for patch in _applicable(integration):
        owner, name = resolve(patch)
        candidates = [owner]
        if isinstance(owner, ModuleType):
            function = vars(owner).get(name)
            modules = [module for module in list(sys.modules.values()) if isinstance(module, ModuleType)]
            candidates += [module for module in modules if module.__dict__.get(name) is function]
        elif patch.subclasses:
            candidates += [base for cls in subclasses(owner) for base in cls.__mro__ if base is not object]
        found.update({id(candidate): candidate for candidate in candidates})
    return list(found.values())


def functions(integration: Integration) -> Iterator[tuple[Any, str, Any]]:
    """Owner, name and what it has there, for every patch."""
    for patch in _applicable(integration):
        if isinstance(patch, RegisteredHook):
            continue  # its target is called, not patched
        owner, name = resolve(patch)
        for one in (owner, *(subclasses(owner) if patch.subclasses else ())):
            if callable(vars(one).get(name)):
                yield one, name, vars(one)[name]


def resolve(patch: AnyPatch) -> tuple[Any, str]:
    *path, name = patch.target.partition(":")[2].split(".")
    owner = import_module(patch.module)
    for part in path:
        owner = getattr(owner, part)
    return owner, name


def subclasses(cls: type) -> list[type]:
    direct: list[type] = cls.__subclasses__()
    found = {*direct, *(sub for one in direct for sub in subclasses(one))}
    return sorted(found, key=lambda sub: (sub.__module__, sub.__qualname__))


@contextmanager
def enabled_with(integration: Integration, make: Callable[[Hook], Hook]) -> Iterator[None]:
    """Have the integration on, with `make(hook)` in place of each hook."""
    patches = tuple(_with(patch, make) for patch in _applicable(integration))
    changed = copy(integration)
    changed.patches = patches
    enabled[integration.name] = cache(options_of(integration))
    try:
        for patch in patches:
            place(patch, changed)
        yield
    finally:
        del enabled[integration.name]
        remove(integration.name)


def _with(patch: AnyPatch, make: Callable[[Hook], Hook]) -> AnyPatch:
    """A patch with another hook; a plain one does all that the hook made does, around nothing."""
    changed = copy(patch)
    if isinstance(changed, Patch):
        changed.hook = make(function_of(changed.hook))
        return changed

    def nothing(call: Call) -> Generator[None, Any, None]:  # noqa: ARG001 - a hook's form
        yield

    planted, call = make(nothing), cast(Call, None)

    def hook(*_args: Any) -> None:
        for _ in planted(call):
            pass

    changed.hook = hook
    return changed


def _applicable(integration: Integration) -> list[AnyPatch]:
    return [patch for patch in integration.patches if _importable(patch.module) and applies(patch)]


def _importable(module: str) -> bool:
    """Whether a module of a framework can be imported: some of its parts need what not everybody has installed."""
    try:
        import_module(module)
    except ImportError:
        return False
    return True


class PlantedError(Exception):
    """An error in a hook."""


def _creation(original: Hook) -> Hook:  # noqa: ARG001 - one form for all
    def hook(call: Call) -> Generator[None, Any, None]:  # noqa: ARG001 - a hook's form
        raise PlantedError("while the hook is made")

    return hook


def _before(original: Hook) -> Hook:
    def hook(call: Call) -> Generator[None, Any, None]:
        next(original(call), None)  # with all the edits that the integration makes
        for name in call.given():
            call.set(name, PlantedError("an edit that must not be applied"))
        raise PlantedError("before yield")
        yield

    return hook


def _after(original: Hook) -> Hook:
    def hook(call: Call) -> Generator[None, Any, None]:
        yield from _half(original(call))
        raise PlantedError("after yield")

    return hook


def _twice(original: Hook) -> Hook:
    def hook(call: Call) -> Generator[None, Any, None]:
        yield from _half(original(call))
        yield

    return hook


def _never(original: Hook) -> Hook:  # noqa: ARG001 - one form for all
    def hook(call: Call) -> Generator[None, Any, None]:
        for name in call.given():
            call.set(name, PlantedError("an edit that must not be applied"))
        return
        yield

    return hook


def _close(original: Hook) -> Hook:
    def hook(call: Call) -> Generator[None, Any, None]:
        try:
            yield from _half(original(call))
        except GeneratorExit:
            raise PlantedError("while the hook is closed") from None

    return hook


def _half(generator: Generator[None, Any, None]) -> Generator[None, Any, None]:
    """The part of a hook before its `yield`."""
    next(generator)
    yield


PLANTED: dict[str, Callable[[Hook], Hook]] = {
    "when made": _creation,
    "before yield": _before,
    "after yield": _after,
    "yields twice": _twice,
    "never yields": _never,
    "when closed": _close,
}
"""Errors in hooks, by where they come up."""
