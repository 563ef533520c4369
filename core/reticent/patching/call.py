"""One hooked call: its arguments however they were passed, edits of them, and the run that it is captured in."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from reticent import holding
from reticent.patching.capture import Capture
from reticent.patching.context import fit, inside

if TYPE_CHECKING:
    from reticent.patching.integration import Integration
    from reticent.patching.options import Options
    from reticent.run import Run


class Call:
    """What a hook sees. `args` and `kwargs` are the user's own objects: look, and change nothing in them."""

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        integration: Integration,
        options: Options,
    ) -> None:
        """Raises TypeError if the arguments do not fit the function, as the call itself then will."""
        self.function = function
        self.args = args
        self.kwargs = kwargs
        self.integration = integration
        self.options: Any = options
        self.inner = bool(inside.get())
        """Whether another hooked call is under way around this one."""
        self.quiet = False
        """Set by a hook to keep the hooks of everything that the call calls from running."""
        self.name: str | None = None
        """Set by a hook before it asks for `run`: how a run that is opened for this call is called."""
        self.nested = integration.name in inside.get()
        """Whether another hooked call of the same integration is under way around this one."""
        self.child = False
        """Set by a hook to have a run opened for this call in an open one, too, as its child."""
        self.joined = False
        """Whether `run` was open before this call; then the call does not end it."""
        self._ends_fit = True
        self._signature, self._given = _bind(function, args, kwargs)
        self._edits: dict[str, Any] = {}
        self._run: Run | None = None
        self._resumed: str | None = None
        self._number = 1

    @property
    def instance(self) -> Any:
        """`self` of a method; the first argument otherwise."""
        return self.args[0] if self.args else None

    @property
    def run(self) -> Run:
        """The run of this context, or one opened for this call, which ends with it; a child in a worker process."""
        if self._run is None:
            current = None if self.child else holding.run_to_join()
            self.joined = current is not None
            self._run = current or holding.run_of_fit(self.name, self._resumed, self.child)
            run_id, number = fit.get()
            if self.inner and not self.child:
                self._number = number if run_id == self._run.run_id else 1
            else:
                self._number = self._run.count_fit()
                fit.set((self._run.run_id, self._number))
        return self._run

    def resume_from(self, place: str | os.PathLike[str]) -> None:
        """Go on with the run of the training that wrote to this place (see `Capture.resumable_from`), if it is known and
        no other run is open here."""
        from reticent import resume, sessions

        self._resumed = resume.run_at(sessions.current(), place)

    @property
    def opened(self) -> bool:
        return self._run is not None

    @property
    def prefix(self) -> str:
        """What keeps the names of a second fit in the same run apart: "" for the first, then "fit_2.", "fit_3."..."""
        _ = self.run
        return "" if self._number == 1 else f"fit_{self._number}."

    @cached_property
    def capture(self) -> Capture:
        """What to log to: `run`, with the names of this fit, and as the options say."""
        run, prefix = self.run, self.prefix
        if not self.inner or self.child:
            run.set_tag("autologging", self.integration.name)
            if prefix:  # which fit the names with this prefix are of
                run.set_tag(prefix.rstrip("."), self.name or self.function.__qualname__)
        return Capture(run, prefix, self.options, self.integration.name)

    def first_of(self, holder: object) -> None:
        """Have a run that was opened for this call outlast it: several together are one fit, which is `holder`'s."""
        run, self._ends_fit = self.run, False
        if not self.joined:
            holding.hand_over(run, holder)

    def next_of(self, holder: object, capture: Capture) -> None:
        """Log to what the first of these calls has logged to."""
        self._run, self.joined = capture.run, not capture.run.holding.has(holder)
        self.__dict__["capture"], self._ends_fit = capture, False
        if not self.joined:
            capture.run.make_active()

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a parameter, however it was passed; else its default in the function, else `default`."""
        if name in self._edits:
            return self._edits[name]
        if name in self._given:
            return self._given[name]
        extra = self._extra()
        if name in extra:
            return extra[name]
        parameter = self._signature.parameters.get(name)
        if parameter is None or parameter.default is inspect.Parameter.empty:
            return default
        return parameter.default

    def explicit(self, name: str) -> bool:
        """Whether the user gave this parameter."""
        return name in self._given or name in self._extra()

    def defaults(self) -> dict[str, Any]:
        """The parameters that the user did not give, with the values that the function gives them."""
        return {
            name: parameter.default
            for name, parameter in self._signature.parameters.items()
            if parameter.default is not inspect.Parameter.empty and not self.explicit(name)
        }

    def given(self) -> dict[str, Any]:
        """What the user gave, by name; `self` and what is in `*args` left out."""
        named = {
            name: value
            for name, value in self._given.items()
            if self._signature.parameters[name].kind
            not in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
            and name != "self"
        }
        return {**named, **self._extra()}

    def set(self, name: str, value: Any) -> None:
        """Have the original called with this value; applied only if the part before `yield` finishes."""
        self._edits[name] = value

    def append(self, name: str, item: Any) -> None:
        """Have the original called with a copy of a list argument (or None) that has `item` at its end."""
        value = self.get(name)
        self._edits[name] = [*([] if value is None else value), item]

    def edited(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments with the edits in place, passed the way the user passed them."""
        args, kwargs = list(self.args), dict(self.kwargs)
        positions = [
            name
            for name, parameter in self._signature.parameters.items()
            if parameter.kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        ]
        for name, value in self._edits.items():
            position = positions.index(name) if name in positions else len(args)
            if position < len(args):
                args[position] = value
            else:
                kwargs[name] = value
        return tuple(args), kwargs

    def finish(self, error: BaseException | None = None) -> None:
        """Log the last steps of the fit, and end the run if it was opened for this call."""
        if self._ends_fit and "capture" in self.__dict__:
            with self.capture.guard("last steps"):
                self.capture.log_left_out()
        if self._run is None or self.joined:
            return
        if self._run.holding.by == "loop" and error is None:
            self._run.make_inactive()
        else:
            from reticent.outcome import status_of

            self._run.end(status_of(error), error)

    def _extra(self) -> Mapping[str, Any]:
        """What was given for the function's `**kwargs`."""
        for name, parameter in self._signature.parameters.items():
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                extra: Mapping[str, Any] = self._given.get(name, {})
                return extra
        return {}


def _bind(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[inspect.Signature, dict[str, Any]]:
    """The function's signature, and the arguments that were given by the names in it."""
    signature = _signature(function)
    try:
        return signature, signature.bind_partial(*args, **kwargs).arguments
    except TypeError:
        lenient = _lenient_signature(function)
        if lenient is None:
            raise
        return lenient, lenient.bind_partial(*args, **kwargs).arguments


@lru_cache(maxsize=4096)
def _signature(function: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(function)


@lru_cache(maxsize=256)
def _lenient_signature(function: Callable[..., Any]) -> inspect.Signature | None:
    """The signature of a function whose decorator takes keyword-only parameters by position too, as xgboost and
    scikit-learn do while they deprecate that; None if nothing says that it does."""
    kinds = [parameter.kind for parameter in inspect.signature(function, follow_wrapped=False).parameters.values()]
    parameters = list(_signature(function).parameters.values())
    if inspect.Parameter.VAR_POSITIONAL not in kinds or inspect.Parameter.VAR_POSITIONAL in (
        p.kind for p in parameters
    ):
        return None
    keyword_only, either = inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Signature([p.replace(kind=either) if p.kind is keyword_only else p for p in parameters])
