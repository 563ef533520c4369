"""Puts wrappers where patches say, and takes them away so that nothing shows that they were there."""

from __future__ import annotations

import copy
import os
import sys
import types
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

from reticent.guard import swallowed
from reticent.patching import hooking, light
from reticent.patching.integration import AnyPatch, Integration, LightPatch, Patch, RegisteredHook


class _Placed(NamedTuple):
    owner: weakref.ref[Any]
    name: str
    original: Any
    """What the owner had under the name; None if it only inherited it."""
    wrapper: Any


class _Registered(NamedTuple):
    patch: RegisteredHook
    handle: Any


_placed: dict[str, dict[tuple[int, str, int], _Placed | _Registered]] = {}
"""By integration, in order; and by what tells one from all others: the owner, the name, and the wrapper or patch."""


def place(patch: AnyPatch, integration: Integration) -> None:
    """Apply one patch; its module must be imported. AttributeError if there is no such target."""
    owner, name = _resolve(patch)
    if isinstance(patch, RegisteredHook):
        placed = _placed.setdefault(integration.name, {})
        key = id(owner), name, id(patch)
        if key not in placed:
            placed[key] = _Registered(patch, getattr(owner, name)(light.registered(patch, integration)))
        return
    if not patch.subclasses:
        function = vars(owner).get(name)
        for holder, called in _holders(owner, name):
            _place_on(holder, called, patch, integration)
        if isinstance(function, types.FunctionType) and _private_home(function, owner) is not None:
            vars(owner)[name].__module__ = owner.__name__
        return
    for cls in (owner, *_subclasses(owner)):
        home = _home(cls, owner, name)
        if home is not None:
            _place_on(home, name, patch, integration)
    _follow_subclasses(owner, name, patch, integration)


def remove(integration: str) -> None:
    """Undo all patches of an integration, newest first. What was patched over by others stays, and does nothing."""
    functions: dict[int, _Placed] = {}
    for placed in reversed(_placed.pop(integration, {}).values()):
        if isinstance(placed, _Registered):
            placed.handle.remove()
            continue
        owner = placed.owner()
        if owner is None or vars(owner).get(placed.name) is not placed.wrapper:
            continue
        if placed.original is None:
            delattr(owner, placed.name)
        else:
            setattr(owner, placed.name, placed.original)
            if isinstance(owner, types.ModuleType):
                functions[id(placed.wrapper)] = placed
    if functions:
        _put_back(functions)


def applies(patch: AnyPatch) -> bool:
    """Whether the target of a patch exists; its module must be imported."""
    try:
        owner, name = _resolve(patch)
    except (AttributeError, KeyError):
        return False
    return patch.subclasses or hasattr(owner, name)


def _resolve(patch: AnyPatch) -> tuple[Any, str]:
    *path, name = patch.target.partition(":")[2].split(".")
    owner: Any = sys.modules[patch.module]
    for part in path:
        owner = getattr(owner, part)
    return owner, name


def _place_on(owner: Any, name: str, patch: Patch | LightPatch, integration: Integration) -> None:
    original = vars(owner).get(name)
    known = _placed.get(integration.name, {}).get((id(owner), name, id(original)))
    if isinstance(known, _Placed) and known.owner() is owner:
        return
    wrapper = _wrapped(original if original is not None else getattr(owner, name), patch, integration)
    if wrapper is None:
        return
    setattr(owner, name, wrapper)
    _note(owner, name, original, integration)


def _wrapped(original: Any, patch: Patch | LightPatch, integration: Integration) -> Any:
    """The wrapper of a function, method, conditional method or property; None for what is none of these."""

    def wrap(function: Any) -> Any:
        if isinstance(patch, LightPatch):
            return light.wrap(function, patch, integration)
        return hooking.wrap(function, patch, integration)

    if isinstance(original, (classmethod, staticmethod)):
        return type(original)(wrap(original.__func__))
    if isinstance(original, types.FunctionType):
        return wrap(original)
    if isinstance(original, property) and isinstance(original.fget, types.FunctionType):
        if patch.subclasses:  # where a method is meant, a property of that name gives one: to read it is no call
            return None
        return original.getter(wrap(original.fget))
    for name in ("fn", "func"):  # scikit-learn's available_if, statsmodels' cached properties: descriptors around it
        inner = getattr(original, name, None)
        if isinstance(inner, types.FunctionType) and hasattr(type(original), "__get__"):
            wrapper = copy.copy(original)
            setattr(wrapper, name, wrap(inner))
            return wrapper
    return wrap(original) if callable(original) and not isinstance(original, type) else None


def _holders(owner: Any, name: str) -> list[tuple[Any, str]]:
    """`owner`; of a function also the other loaded modules that have it under its name: where it is defined (else it
    would not pickle by reference any more), and where `from ... import` has put it before, in the program's own modules
    also by another name (`from ... import ... as`). Each with the name there.

    A private module in which it is defined keeps it: there the original is found by what was given it before, such as a
    scorer of scikit-learn, which would not pickle any more. The wrapper then says that it is of `owner`, and is found there.
    """
    function = vars(owner).get(name)
    if not isinstance(owner, types.ModuleType) or not isinstance(function, types.FunctionType):
        return [(owner, name)]
    modules = _having.get().get(name)
    if modules is None:
        modules = _modules_having({name})[name]
    home = _private_home(function, owner)
    others = [(one, name) for one in modules if one not in (owner, home) and one.__dict__.get(name) is function]
    aliases = [(one, called) for one, called in _aliases.get().get(id(function), ()) if called != name]
    return [(owner, name), *others, *(pair for pair in aliases if pair[0].__dict__.get(pair[1]) is function)]


def _private_home(function: types.FunctionType, owner: Any) -> types.ModuleType | None:
    """The module that a function of `owner`, a module, is defined in, if that is another one, and private."""
    home = sys.modules.get(function.__module__ or "")
    if home is None or home is owner or not isinstance(owner, types.ModuleType):
        return None
    private = home.__name__.rpartition(".")[2].startswith("_")
    return home if private and home.__dict__.get(function.__qualname__) is function else None


def _put_back(functions: Mapping[int, _Placed]) -> None:
    """Have the originals also where `from ... import` has put wrappers of functions meanwhile; by the identity of these."""
    modules, program = _modules_having({placed.name for placed in functions.values()}), _functions_of_the_program()
    places = [(module, name) for name, having in modules.items() for module in having]
    for module, name in (*places, *(place for wrapper in functions for place in program.get(wrapper, ()))):
        placed = functions.get(id(module.__dict__.get(name)))
        if placed is not None and module.__dict__.get(name) is placed.wrapper:
            setattr(module, name, placed.original)


_having: ContextVar[Mapping[str, list[types.ModuleType]]] = ContextVar(
    "reticent_modules", default=types.MappingProxyType({})
)
_aliases: ContextVar[Mapping[int, list[tuple[types.ModuleType, str]]]] = ContextVar(
    "reticent_aliases", default=types.MappingProxyType({})
)


@contextmanager
def at_once(patches: Iterable[AnyPatch]) -> Iterator[None]:
    """While several patches are placed: the loaded modules, of which there are thousands, are gone through once."""
    names = {patch.target.partition(":")[2] for patch in patches if patch.module in sys.modules}
    new = {name for name in names if "." not in name} - _having.get().keys()
    token = _having.set({**_having.get(), **_modules_having(new)} if new else _having.get())
    aliased = _aliases.set(_aliases.get() or (_functions_of_the_program() if new else {}))
    try:
        yield
    finally:
        _having.reset(token)
        _aliases.reset(aliased)


def _modules_having(names: set[str]) -> dict[str, list[types.ModuleType]]:
    """The loaded modules that have something of these names, by the name."""
    found: dict[str, list[types.ModuleType]] = {name: [] for name in names}
    for module in list(sys.modules.values()):
        # Of another type are modules that load what is asked of them, which this must not do.
        if type(module) is types.ModuleType and not module.__dict__.keys().isdisjoint(names):
            for name in names & module.__dict__.keys():
                found[name].append(module)
    return found


def _functions_of_the_program() -> dict[int, list[tuple[types.ModuleType, str]]]:
    """Where the modules that are not installed have functions, by the identity of these: the values of all modules are
    too many to look at."""
    found: dict[int, list[tuple[types.ModuleType, str]]] = {}
    loaded = dict(sys.modules)
    packages = {path for path in loaded if "." not in path and not _is_installed(loaded[path])}
    inside = tuple(f"{package}." for package in packages - _BUILT_IN)
    for path, module in loaded.items():
        if (path in packages or path.startswith(inside)) and type(module) is types.ModuleType:
            if _is_installed(module):
                continue
            for name, value in list(module.__dict__.items()):
                if type(value) is types.FunctionType:
                    found.setdefault(id(value), []).append((module, name))
    return found


_BUILT_IN = frozenset(sys.builtin_module_names)
_STANDARD = os.path.dirname(os.__file__) + os.sep
"""Where Python's own modules are. The program may lie elsewhere below `sys.prefix`, as /usr/src/app does."""


def _is_installed(module: Any) -> bool:
    try:  # past what a module does when it is asked for something: it may be there to load itself then
        file = object.__getattribute__(module, "__dict__").get("__file__")
    except AttributeError:
        return False
    return isinstance(file, str) and (file.startswith(_STANDARD) or "site-packages" in file or "dist-packages" in file)


def _subclasses(cls: type) -> Iterator[type]:
    seen: set[type] = set()
    waiting: list[type] = list(cls.__subclasses__())
    while waiting:
        one = waiting.pop()
        if one not in seen:
            seen.add(one)
            waiting += one.__subclasses__()
            yield one


def _home(cls: type, base: type, name: str) -> type | None:
    """The class that a subclass of `base` has a method from: itself, or a mixin that is no subclass of `base`. None if
    there is no such method, or if it is from another subclass, which is patched as such."""
    home = next((one for one in cls.__mro__ if name in vars(one)), None)
    return home if home is cls or (home is not None and not issubclass(home, base)) else None


def _follow_subclasses(base: Any, name: str, patch: Patch | LightPatch, integration: Integration) -> None:
    """Patch the subclasses of `base` that are defined from now on."""
    original = vars(base).get("__init_subclass__")

    def init_subclass(cls: Any, /, **kwargs: Any) -> None:
        if original is None:
            super(base, cls).__init_subclass__(**kwargs)
        else:
            original.__func__(cls, **kwargs)
        home = _home(cls, base, name) if integration.name in _placed else None
        if home is not None:
            with swallowed(f"{integration.name} integration"):
                _place_on(home, name, patch, integration)

    setattr(base, "__init_subclass__", classmethod(init_subclass))  # noqa: B010 - mypy holds it to be read-only
    _note(base, "__init_subclass__", original, integration)


def _note(owner: Any, name: str, original: Any, integration: Integration) -> None:
    """That the owner's attribute is a wrapper now."""
    wrapper = vars(owner)[name]
    placed = _placed.setdefault(integration.name, {})
    placed[id(owner), name, id(wrapper)] = _Placed(weakref.ref(owner), name, original, wrapper)
