"""What stands for a class, a module or a constant in a pickle by its name: a call that looks it up, or an annotation.

With dill imported, whatever pickles in Python writes such calls: joblib, for one.
"""

from __future__ import annotations

import builtins
import re
import sys
import types
import typing
from typing import Any

from reticent_redact import plausible

_TYPES = {
    *(name for place in (builtins, types) for name, value in vars(place).items() if isinstance(value, type)),
    *("AttrGetterType", "ItemGetterType", "PartialType", "SuperType"),
}
_ANNOTATIONS = _TYPES.union(typing.__all__, ["None", ""])
_BETWEEN = re.compile(r"[][|,. ]+")
_CONSTANT = re.compile(r"Ellipsis|NotImplemented|range\(-?\d{1,9}, -?\d{1,9}(?:, -?\d{1,9})?\)")


def is_look_up(function: str, arguments: Any) -> bool:
    """Whether a call looks up what exists by this name here: any other text may be a secret."""
    if type(arguments) is not tuple or len(arguments) != 1 or type(arguments[0]) is not str:
        return False
    (name,) = arguments
    if function in ("dill._dill _load_type", "cloudpickle.cloudpickle _builtin_type"):
        return name in _TYPES
    if function == "dill._dill _eval_repr":
        return _CONSTANT.fullmatch(name) is not None
    return function in ("dill._dill _import_module", "cloudpickle.cloudpickle subimport") and name in sys.modules


def is_type(annotation: str) -> bool:
    """Whether an annotation is one of a type, as it is written: `dict[str, float] | None`."""
    return plausible.is_code(annotation) or _ANNOTATIONS.issuperset(_BETWEEN.split(annotation))
