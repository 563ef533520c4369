"""A call that an integration's tests make, and the ways in which users pass its arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass
class ExampleCall:
    """A call to make: `arguments` by name, in the order of the signature; `optional` names those that may be None."""

    function: Callable[..., Any]
    arguments: dict[str, Any]
    optional: tuple[str, ...] = ()

    def by_keyword(self) -> Any:
        return self.function(**self.arguments)

    def by_position(self) -> Any:
        """As many arguments by position as the signature allows."""
        parameters = inspect.signature(self.function).parameters
        allowed = [name for name, parameter in parameters.items() if parameter.kind is parameter.POSITIONAL_OR_KEYWORD]
        positions: list[Any] = []
        named = dict(self.arguments)
        for name in allowed:
            if name not in named:
                break
            positions.append(named.pop(name))
        return self.function(*positions, **named)

    def with_nones(self) -> Any:
        return self.function(**{**self.arguments, **dict.fromkeys(self.optional)})


PASSED = {"by keyword": ExampleCall.by_keyword, "by position": ExampleCall.by_position, "None": ExampleCall.with_nones}
