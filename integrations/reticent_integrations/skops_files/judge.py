"""What a skops file would have called or imported, judged node by node.

A node says what skops does on its behalf (its loader), and with what (a module and a name in it). The names alone say
nothing: a loader may call what stands behind them, bind it, or follow an attribute of it. Known to be harmless are data,
scikit-learn's classes that are filled with data and not called, its losses, and functions that only compute.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Set
from types import FunctionType
from typing import Any

from reticent_integrations.skops_files.archive import nodes_of

_Name = tuple[str, str]

_PROTOCOLS = (1, 2)  # 0 reads the names of functions from elsewhere

_SGD_LOSSES = (
    "EpsilonInsensitive",
    "Hinge",
    "Huber",
    "Log",
    "ModifiedHuber",
    "SquaredEpsilonInsensitive",
    "SquaredHinge",
    "SquaredLoss",
)
_LOSSES = (
    "AbsoluteError",
    "ExponentialLoss",
    "HalfBinomialLoss",
    "HalfGammaLoss",
    "HalfMultinomialLoss",
    "HalfPoissonLoss",
    "HalfSquaredError",
    "HalfTweedieLoss",
    "HalfTweedieLossIdentity",
    "HuberLoss",
    "PinballLoss",
)

_DICT = ("builtins", "dict")
_FIXED: dict[str, set[_Name]] = {
    "ListNode": {("builtins", "list")},
    "TupleNode": {("builtins", "tuple")},
    "SetNode": {("builtins", "set")},
    "DictNode": {_DICT, ("collections", "OrderedDict"), ("sklearn.utils._bunch", "Bunch")},
    "DefaultDictNode": {("collections", "defaultdict")},
    "BytesNode": {("builtins", "bytes")},
    "BytearrayNode": {("builtins", "bytearray")},
    "SliceNode": {("builtins", "slice")},
    "DTypeNode": {("numpy", "dtype")},
    "MaskedArrayNode": {("numpy.ma", "MaskedArray"), ("numpy.ma.core", "MaskedArray")},
    "RandomStateNode": {("numpy.random.mtrand", "RandomState")},
    "TreeNode": {("sklearn.tree._tree", "Tree")},  # its content is looked at when it is loaded
    "LossNode": {
        *(("sklearn.linear_model._sgd_fast", name) for name in _SGD_LOSSES),
        *(("sklearn._loss._loss", f"Cy{name}") for name in _LOSSES),
    },
    "RandomGeneratorNode": {("numpy.random._generator", "Generator")},
}
_TYPES = {("builtins", kind.__name__) for kind in (bool, bytes, complex, dict, float, int, list, set, str, tuple)}
_TYPES |= {("builtins", "frozenset"), ("collections", "OrderedDict")}
_GENERATORS = {"MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"}
_NOT_OF_MODELS = ("externals", "datasets", "callback", "tests", "conftest")
"""Parts of scikit-learn whose classes stand for files, connections and processes, or are not its own."""


def imports(schema: dict[str, Any], objects: Set[str]) -> list[str]:
    """What is not known to be harmless. `objects` are the names of further classes that are filled and not called."""
    found = set()
    if schema.get("protocol") not in _PROTOCOLS or isinstance(schema["protocol"], bool):
        found.add(f"skops.io (protocol {schema.get('protocol')!r})")
    kinds: dict[Any, Any] = {}
    for node in nodes_of(schema):
        name, loader = (node.get("__module__"), node.get("__class__")), node["__loader__"]
        told = ".".join(map(str, name))
        if not (isinstance(loader, str) and isinstance(name[0], str) and isinstance(name[1], str)):
            found.add(f"{told} (a node of no kind)")
            continue
        # skops makes one object of all that have the same id, of whichever it comes to first.
        kind = (loader, *name)
        if node.get("__id__") and kinds.setdefault(node["__id__"], kind) != kind:
            found.add(f"{told} (an object of two kinds)")
        found.update(_faults(node, loader, (name[0], name[1]), objects))
    return sorted(found)


def _faults(node: dict[str, Any], loader: str, name: _Name, objects: Set[str]) -> Iterator[str]:
    told = ".".join(name)
    if loader in _FIXED:
        known = name in _FIXED[loader]
    elif loader in _NAMED:
        known = _NAMED[loader](name) or (loader == "ObjectNode" and told in objects)
    else:
        known = loader == "JsonNode"  # its names say nothing
        told = told if known else f"{told} ({loader})"
    if not known:
        yield told
    elif loader in _FILLED and not _FILLED[loader](node):
        yield f"{told} (with what it never holds)"


def _is_plain(node: dict[str, Any]) -> bool:
    return not isinstance(json.loads(node["content"]), dict | list)


def _has_plain_keys(node: dict[str, Any]) -> bool:
    """An attribute with such a name may tell NumPy where in memory an array lies."""
    return not any(key.strip().startswith("__") for key in node["content"])


def _has_known_bits(node: dict[str, Any]) -> bool:
    return json.loads(node["content"]["bit_generator"]["content"]["bit_generator"]["content"]) in _GENERATORS


def _has_attributes(node: dict[str, Any]) -> bool:
    content = node.get("content")
    if content is None:
        return True
    if content.get("__loader__") == "JsonNode":
        return bool(content["content"] == "null")
    return (content.get("__loader__"), content.get("__module__"), content.get("__class__")) == ("DictNode", *_DICT)


def _is_array(name: _Name) -> bool:
    return name == ("numpy", "ndarray") or _is_number_type(name)


def _is_sparse(name: _Name) -> bool:
    return name[0].startswith("scipy.sparse.")  # which kind it is, its content says


def _is_type(name: _Name) -> bool:
    return name in _TYPES or _is_number_type(name)


def _is_number_type(name: _Name) -> bool:
    import numpy as np

    kinds = (np.number, np.bool_, np.str_, np.bytes_, np.datetime64)  # a timedelta is a number
    return name[0] == "numpy" and any(
        issubclass(kind, kinds) and kind.__name__ == name[1] for kind in np.sctypeDict.values()
    )


def _is_function(name: _Name) -> bool:
    import numpy as np
    import scipy.special
    import sklearn.metrics

    module, attribute = name
    found = vars(sys.modules.get(module, object)).get(attribute)
    if isinstance(found, np.ufunc) and module.partition(".")[0] in ("numpy", "scipy"):
        return found in (getattr(np, attribute, None), getattr(scipy.special, attribute, None))
    public = module.startswith("sklearn.metrics.") and attribute in sklearn.metrics.__all__
    return public and isinstance(found, FunctionType) and found.__module__ == module


def _is_object(name: _Name) -> bool:
    """Whether it is one of a class that scikit-learn defines in Python. Compiled classes believe what they are filled
    with."""
    module, attribute = name
    parts = module.split(".")
    if parts[0] != "sklearn" or any(part in _NOT_OF_MODELS for part in parts):
        return False
    found = vars(sys.modules.get(module, object)).get(attribute)
    if not isinstance(found, type) or (found.__module__, found.__qualname__) != name:
        return False
    return all(base in (object, dict) or _is_python(base) for base in found.__mro__)


def _is_python(kind: type) -> bool:
    if kind.__module__ in ("abc", "typing"):
        return True
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    return kind.__module__.startswith("sklearn.") and str(file).endswith(".py")


_NAMED: dict[str, Callable[[_Name], bool]] = {
    "NdArrayNode": _is_array,
    "SparseMatrixNode": _is_sparse,
    "TypeNode": _is_type,
    "FunctionNode": _is_function,
    "ObjectNode": _is_object,
}
_FILLED: dict[str, Callable[[dict[str, Any]], bool]] = {
    "JsonNode": _is_plain,
    "DictNode": _has_plain_keys,
    "RandomGeneratorNode": _has_known_bits,
    "ObjectNode": _has_attributes,
}
