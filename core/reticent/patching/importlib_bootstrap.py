"""The functions that stand in place of the originals.

The name of this file is not free to choose: where a framework warns of what its caller does (`stacklevel=2`), Python passes
over frames of files that have "importlib" and "_bootstrap" in their names (`is_internal_frame` in CPython's _warnings.c), as
it does over those of its own imports. So the warning names the user's line, and the user's filters apply, as without us.

Nothing here may need anything of ours by its name: a class of `__main__` pickles by value, with these around its methods.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import types
from collections.abc import Callable
from typing import Any


def around(original: Callable[..., Any], hooks: Any) -> Callable[..., Any]:
    """`original` with what `hooks.begin` returns before and after it."""

    @functools.wraps(original)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        hooked = hooks and hooks.begin(args, kwargs)
        if not hooked:
            return original(*args, **kwargs)
        try:  # here, so that the traceback of a user's error has this one frame of ours
            result = original(*hooked.args, **hooked.kwargs)
        except BaseException as error:
            hooked.failed(error)
            raise
        hooked.after(result)
        return result

    _say_arguments(wrapper, original)
    return wrapper


def beside(original: Callable[..., Any], before: Any, done: Any, failed: Any) -> Callable[..., Any]:
    """`original` with a plain hook before it, after it, and where it fails; each of them may be None, and the one before it
    not wanted just now."""

    @functools.wraps(original)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if before and getattr(before.hook, "wanted", True):
            before(args, kwargs, None)
        try:
            result = original(*args, **kwargs)
        except BaseException as error:
            if failed:
                failed(args, kwargs, error)
            raise
        if done:
            done(args, kwargs, result)
        return result

    _say_arguments(wrapper, original)
    return wrapper


def _say_arguments(wrapper: Any, original: Callable[..., Any]) -> None:
    """`inspect.getfullargspec` does not follow `__wrapped__`: a Keras model that finds no `self` there cannot be made."""
    with contextlib.suppress(Exception):  # of what has no signature
        if isinstance(inspect.unwrap(original), types.FunctionType):
            wrapper.__signature__ = Signature(original)
        else:
            wrapper.__signature__ = inspect.signature(original)


class Signature(inspect.Signature):
    """Of a function, found out when it is asked for: few are, of the hundreds of wrappers that are placed at a start."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __getattr__(self, name: str) -> Any:
        """Only called for what is not there: the slots of a signature are empty until then."""
        if name not in inspect.Signature.__slots__:
            raise AttributeError(name)
        found = inspect.signature(self._function)
        super().__init__(tuple(found.parameters.values()), return_annotation=found.return_annotation)
        return getattr(self, name)

    def replace(self, **parts: Any) -> inspect.Signature:  # type: ignore[override]
        return self._plain().replace(**parts)

    __replace__ = replace  # type: ignore[assignment]

    def __reduce__(self) -> str | tuple[Any, ...]:
        return self._plain().__reduce__()

    def _plain(self) -> inspect.Signature:
        return inspect.Signature(tuple(self.parameters.values()), return_annotation=self.return_annotation)
