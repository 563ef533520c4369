"""What an integration is made of.

A package of one may have a file `captures.json` beside its `__init__.py`, of what its tests have seen captured: `reticent
doctor --captures` shows it, whoever the package is from. `reticent.captures` has its form.

Plain classes: to make four of `dataclass`, `NamedTuple` or msgspec takes one to five of the ms that `autolog()` may take.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from reticent.patching.call import Call
    from reticent.patching.options import Options

Hook: TypeAlias = "Callable[[Call], Generator[None, Any, None]]"
"""Runs around a call: once up to its `yield` before, once from there with the result. It never sees the user's errors:
when the call raises, the generator is closed, and a run that the hook opened ends as FAILED."""

F = TypeVar("F", bound=Callable[..., Any])


def function_of(hook: F | str) -> F:
    """The function of a hook, imported if it is not yet. ImportError or AttributeError if there is none of this name."""
    if not isinstance(hook, str):
        return hook
    function: F = _imported(hook)
    return function


def _imported(target: str) -> Any:
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)


class _Target:
    def __init__(self, target: str, subclasses: bool, optional: bool) -> None:
        self.target = target
        self.subclasses = subclasses
        """Also every subclass that defines the method itself, those that are defined later included."""
        self.optional = optional
        """Whether a version without the target is nothing to tell the user: it came with a later one."""

    @property
    def module(self) -> str:
        return self.target.partition(":")[0]


class Patch(_Target):
    """Where a hook goes: `target` is "package.module:function" or "package.module:Class.method"."""

    def __init__(
        self,
        target: str,
        hook: Hook | str,
        subclasses: bool = False,
        nested: bool = False,
        transparent: bool = False,
        optional: bool = False,
    ) -> None:
        super().__init__(target, subclasses, optional)
        self.hook = hook
        """By its name, in the form of a function's target, it is imported with its first call: a start is quick that
        imports no more of an integration than its table of patches."""
        self.nested = nested
        """Also calls from inside another hooked call of the same integration."""
        self.transparent = transparent
        """For a hook that only carries the context to threads: it runs inside quiet calls too, and does not count as a
        hooked call around what its call calls."""


class Before(Protocol):
    """A hook before a call. It is called only while it is `wanted`: to find that out costs less than to call it."""

    wanted: bool

    def __call__(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], nothing: None, /) -> None: ...


class LightPatch(_Target):
    """For functions that a training calls in every step: a plain function that is called after each call outside of other
    hooked calls, at a tenth of the cost of a `Patch`. It edits nothing, and opens no run that ends with the call."""

    def __init__(
        self,
        target: str,
        hook: Callable[[tuple[Any, ...], Mapping[str, Any], Any], None] | str | None,
        failed: Callable[[tuple[Any, ...], Mapping[str, Any], BaseException], None] | str | None = None,
        before: Before | str | None = None,
        outer: bool = False,
        subclasses: bool = False,
        optional: bool = False,
    ) -> None:
        super().__init__(target, subclasses, optional)
        self.hook = hook
        """Called with the arguments, by position and by name, and the result. None where only failures count."""
        self.failed = failed
        """Called with the arguments and the user's error, which goes on its way then."""
        self.before = before
        """Called before the call, inside of other hooked calls too: to take the time."""
        self.outer = outer
        """Whether it counts as a hooked call around what its call calls."""


class RegisteredHook(_Target):
    """For a registry of hooks that a framework has, which it gives three things: `target` is the function that takes one,
    and returns a handle with `remove()`."""

    def __init__(
        self,
        target: str,
        hook: Callable[[Any, Any, Any], None] | str,
        everywhere: bool = False,
        subclasses: bool = False,
        optional: bool = False,
    ) -> None:
        super().__init__(target, subclasses, optional)
        self.hook = hook
        self.everywhere = everywhere
        """Inside of other hooked calls too."""


AnyPatch: TypeAlias = Patch | LightPatch | RegisteredHook


def hooks_of(patch: AnyPatch) -> list[Any]:
    """All of a patch's hooks: functions, and names of functions."""
    found = [patch.hook, patch.failed, patch.before] if isinstance(patch, LightPatch) else [patch.hook]
    return [hook for hook in found if hook is not None]


class Integration:
    def __init__(
        self,
        name: str,
        module: str,
        requires: str,
        patches: tuple[AnyPatch, ...],
        options: type[Options] | str = "reticent.patching.options:Options",
        demo: str = "",
    ) -> None:
        self.name = name
        self.module = module
        """The module whose `__version__` has to satisfy `requires` (as in packaging: ">=1.4,<2")."""
        self.requires = requires
        self.patches = patches
        self.options = options
        """By its name it is imported with the first hooked call, or to check what the user chose."""
        self.demo = demo
        """A module with a function `train`, a small training that says in one line what came of it, for `reticent demo`."""


def options_of(integration: Integration) -> type[Options]:
    """What a user may choose of an integration. ImportError or AttributeError if there is nothing of this name."""
    if not isinstance(integration.options, str):
        return integration.options
    options: type[Options] = _imported(integration.options)
    return options
