"""A module without its tensors as plain data: what pickle would keep of it, with nothing in it that could run.

A module is rebuilt as pickle does it: an object of its class that was not initialised, given its state. Classes come
from `torch.nn`, or have to be trusted. What has hooks, or holds anything but plain values, is not described.
"""

from __future__ import annotations

import math
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from reticent_integrations.torch.reading import dtype_named
from reticent_integrations.torch.tensors import TensorWriter, UnstorableError

Described = dict[str, Any]

_FREE = ("torch.nn.modules.", "torch.ao.nn.")
"""Whose classes run nothing but their own code when they are given a state."""

_DICTS = ("lightning.fabric.utilities.data.AttributeDict", "lightning_fabric.utilities.data.AttributeDict")
"""Lightning's hyperparameters."""

_FUNCTIONS = (
    *("celu", "elu", "gelu", "glu", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "logsigmoid", "log_softmax"),
    *("mish", "relu", "relu6", "selu", "sigmoid", "silu", "softmax", "softplus", "softsign", "tanh", "tanhshrink"),
    *("binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "huber_loss", "kl_div", "l1_loss"),
    *("mse_loss", "nll_loss", "smooth_l1_loss"),
)
"""Functions of torch.nn.functional, and of torch, that modules keep in an attribute: activations and losses."""


class UndescribableError(Exception):
    """A module holds what is not plain data; says where."""


def describe(model: Any, tensors: TensorWriter) -> Described:
    """A module as JSON; its tensors are added to be written. UndescribableError if only pickle can hold it."""
    try:
        return _Describer(tensors).module(model, "")
    except UnstorableError as error:
        raise UndescribableError(str(error)) from None
    except RecursionError:
        raise UndescribableError("a list that contains itself, or what is nested too deeply") from None


def build(described: Described, tensors: dict[str, Any]) -> Any:
    """The module again. ValueError or ImportError if a class of it is missing here."""
    import torch

    model = _Builder(tensors).value(described)
    if not isinstance(model, torch.nn.Module):
        raise ValueError("the description is not one of a module")
    return model


def classes(described: Any) -> Iterator[str]:
    """The classes of a description that are not torch's own."""
    if isinstance(described, dict):
        name = described.get("class")
        if isinstance(name, str) and not name.startswith(_FREE):
            yield name
        described = list(described.values())
    if isinstance(described, list):
        for value in described:
            yield from classes(value)


@dataclass(slots=True)
class _Describer:
    tensors: TensorWriter
    modules: dict[int, str] = field(default_factory=dict)
    kept: list[Any] = field(default_factory=list)
    defaults: dict[str, Any] = field(default_factory=lambda: _defaults())

    def module(self, module: Any, path: str) -> Described:
        """{"module": {"class", "path", "state"}}, or {"same": path} of one that was met before."""
        if id(module) in self.modules:
            return {"same": self.modules[id(module)]}
        self.modules[id(module)] = path
        kind: Any = type(module)
        name = f"{kind.__module__}.{kind.__qualname__}"
        if not _importable(kind):
            raise UndescribableError(f"{path or 'the model'} is of a class that cannot be imported: {name}")
        if kind.__reduce_ex__ is not object.__reduce_ex__ or kind.__reduce__ is not object.__reduce__:
            raise UndescribableError(f"{path or 'the model'} is of a class that is pickled in its own way: {name}")
        state = module.__getstate__()
        if not isinstance(state, dict):
            raise UndescribableError(f"{path or 'the model'} has a state of its own kind")
        self.kept.append(state)
        described = {}
        for key, value in state.items():
            default = self.defaults.get(key, ...)
            if type(value) is type(default) and value == default:
                continue  # no hooks, mostly
            if key in ("_parameters", "_buffers", "_modules"):
                described[key] = {name: self.value(part, _joined(path, name)) for name, part in value.items()}
            else:
                described[key] = self.value(value, _joined(path, key))
        return {"module": {"class": name, "path": path, "state": described}}

    def value(self, value: Any, path: str) -> Any:
        kind = type(value)
        if value is None or kind in (bool, int, str) or (kind is float and math.isfinite(value)):
            return value
        if kind is list:
            return [self.value(item, path) for item in value]
        if kind in (tuple, set, frozenset):
            return {kind.__name__: [self.value(item, path) for item in value]}
        if kind in (dict, OrderedDict):
            pairs = [[self.value(key, path), self.value(item, f"{path}.{key}")] for key, item in value.items()]
            return {kind.__name__: pairs}
        return self._of_torch(value, path)

    def _of_torch(self, value: Any, path: str) -> Any:
        import torch

        kind = type(value)
        if isinstance(value, torch.nn.Module):
            return self.module(value, path)
        if isinstance(value, torch.Tensor):
            return {"tensor": self.tensors.add(value, path)}
        if kind is float:
            return {"float": repr(value)}
        if kind is complex:
            return {"complex": [repr(value.real), repr(value.imag)]}
        if kind is torch.Size:
            return {"Size": list(value)}
        if kind is torch.dtype:
            return {"dtype": str(value).partition(".")[2]}
        if kind is torch.device:
            return {"device": str(value)}
        name = f"{kind.__module__}.{kind.__qualname__}"
        if name in _DICTS:
            return {"class": name, "items": self.value(dict(value), path)}
        for function in _FUNCTIONS:
            if value is getattr(torch.nn.functional, function):
                return {"functional": function}
            if value is getattr(torch, function, None):
                return {"function": function}
        raise UndescribableError(f"{path} is a {kind.__qualname__}")


@dataclass(slots=True)
class _Builder:
    tensors: dict[str, Any]
    modules: dict[str, Any] = field(default_factory=dict)

    def value(self, described: Any) -> Any:
        if isinstance(described, list):
            return [self.value(item) for item in described]
        if not isinstance(described, dict):
            return described
        if "class" in described:
            kind = _named(described["class"])
            if described["class"] not in _DICTS:
                raise ValueError(f"{described['class']} is no class of values that is known")
            return kind(self.value(described["items"]))
        if len(described) != 1:
            raise ValueError(f"a value with the keys {sorted(described)} cannot be understood")
        [(kind, content)] = described.items()
        if kind == "module":
            return self._module(content)
        if kind == "same":
            return self.modules[content]
        if kind == "tensor":
            return self.tensors[content]
        if kind not in _VALUES:
            raise ValueError(f"a value of the kind {kind!r} is not known")
        return _VALUES[kind](self.value(content))

    def _module(self, described: Described) -> Any:
        import torch

        kind = _named(described["class"])
        if not (isinstance(kind, type) and issubclass(kind, torch.nn.Module)):
            raise ValueError(f"{described['class']} is no class of modules")
        module: Any = object.__new__(kind)
        torch.nn.Module.__init__(module)
        self.modules[described["path"]] = module
        state = {}
        for key, value in described["state"].items():
            if key in ("_parameters", "_buffers", "_modules"):
                state[key] = type(vars(module)[key])((name, self.value(part)) for name, part in value.items())
            else:
                state[key] = self.value(value)
        module.__setstate__(state)
        return module


def _function(name: str) -> Any:
    import torch

    return getattr(torch, _known_function(name))


def _functional(name: str) -> Any:
    import torch

    return getattr(torch.nn.functional, _known_function(name))


def _known_function(name: str) -> str:
    if name not in _FUNCTIONS:
        raise ValueError(f"{name!r} is no function that modules of torch keep")
    return name


def _size(extents: list[int]) -> Any:
    import torch

    return torch.Size(extents)


def _device(name: str) -> Any:
    import torch

    return torch.device(name)


_VALUES: dict[str, Callable[[Any], Any]] = {
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "dict": dict,
    "OrderedDict": OrderedDict,
    "float": float,
    "complex": lambda parts: complex(*map(float, parts)),
    "Size": _size,
    "dtype": dtype_named,
    "device": _device,
    "function": _function,
    "functional": _functional,
}


def _named(name: str) -> Any:
    """The class with a name. ImportError or ValueError, which name it, if it is not there."""
    module, _, qualified = name.rpartition(".")
    while module not in sys.modules:
        try:
            import_module(module)
        except ModuleNotFoundError as error:
            if error.name != module or "." not in module:
                raise
            module, _, outer = module.rpartition(".")  # a class in a class
            qualified = f"{outer}.{qualified}"
    found: Any = sys.modules[module]
    for part in qualified.split("."):
        found = getattr(found, part, None)
        if found is None:
            raise ValueError(f"the module {module} has no class {qualified} here, which the model is made of")
    if f"{getattr(found, '__module__', '')}.{getattr(found, '__qualname__', '')}" != name:
        # A module's name leads to all that it has imported itself.
        raise ValueError(f"{name} is not the name of a class, but a way to something else")
    return found


def _importable(kind: type) -> bool:
    found: Any = sys.modules.get(kind.__module__) if kind.__module__ != "__main__" else None
    for part in kind.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is kind


def _defaults() -> dict[str, Any]:
    import torch

    return dict(vars(torch.nn.Module()))


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
