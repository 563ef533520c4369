"""Keep secrets out of what is written: keyed values, free text and files go in and come out without their secrets.

Names are loaded on first use: whoever only states a policy need not wait for the rules.
"""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take it for true
if TYPE_CHECKING:
    from typing import Any

    from reticent_redact.files import SealedFile as SealedFile
    from reticent_redact.files import Withheld as Withheld
    from reticent_redact.found import UNSCANNED as UNSCANNED
    from reticent_redact.imports import pickle_imports as pickle_imports
    from reticent_redact.logs import install_logging_filter as install_logging_filter
    from reticent_redact.patterns import PatternError as PatternError
    from reticent_redact.patterns import UserRule as UserRule
    from reticent_redact.policy import Action as Action
    from reticent_redact.policy import Match as Match
    from reticent_redact.policy import Policy as Policy
    from reticent_redact.redactor import LEFT_OUT as LEFT_OUT
    from reticent_redact.redactor import Redactor as Redactor
    from reticent_redact.redactor import SealedText as SealedText
    from reticent_redact.report import Hidden as Hidden
    from reticent_redact.report import Report as Report

_HOME = {
    "reticent_redact.files": "SealedFile Withheld",
    "reticent_redact.found": "UNSCANNED",
    "reticent_redact.imports": "pickle_imports",
    "reticent_redact.logs": "install_logging_filter",
    "reticent_redact.patterns": "PatternError UserRule",
    "reticent_redact.policy": "Action Match Policy",
    "reticent_redact.redactor": "LEFT_OUT Redactor SealedText",
    "reticent_redact.report": "Hidden Report",
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names.split()}
__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'reticent_redact' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = value  # the next use finds it without this function
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
