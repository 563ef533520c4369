"""What has to be installed to load a model: the distributions behind the modules it is made of, at their exact versions.

While training waits, only the modules and their own versions are noted. Which distributions they come from is found when
the model is published, as reading the installed packages takes up to half a second.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterable, Mapping
from importlib import metadata
from typing import Any

from reticent.models.flavor import roots
from reticent.models.signature.tensors import is_a

_DATA = ("numpy", "pandas", "scipy")
"""What data comes in: pinned if imported, as their versions matter to a model that was trained on them."""

_BESIDE = {"onnx": "onnxruntime"}
"""What runs the models of a module that only describes them."""

_LIKELY = {
    "sklearn": ("scikit-learn",),
    "xgboost": ("xgboost", "xgboost-cpu"),
    "tensorflow": ("tensorflow", "tensorflow-cpu"),
}


def modules(model: Any) -> dict[str, str]:
    """The installed top-level modules that a model needs, with their versions ("" for one that has none).

    They are those of its classes and of its parts' classes, and those imported for data.
    """
    found = dict.fromkeys(roots(type(model)))
    for part in _parts(model):
        found.update(dict.fromkeys(roots(type(part))))
    if "keras" in found:  # its classes do not always come from the backend that they need
        found[sys.modules["keras"].backend.backend()] = None
    found.update(dict.fromkeys(name for name in _DATA if name in sys.modules))
    versions = {name: str(getattr(sys.modules[name], "__version__", "")) for name in sorted(found) if _installed(name)}
    return {**versions, **{beside: "" for name, beside in _BESIDE.items() if name in versions}}


def modules_of(imports: Iterable[str]) -> dict[str, str]:
    """The installed top-level modules behind names that a pickle imports."""
    found = {name.partition(".")[0] for name in imports} - sys.stdlib_module_names
    return {name: "" for name in sorted(found) if _version(_distribution(name)) is not None}


def _parts(model: Any) -> list[Any]:
    if is_a(model, "sklearn.base", "BaseEstimator"):
        return list(model.get_params().values())  # the steps of a pipeline, the estimator inside a search
    if is_a(model, "transformers.pipelines.base", "Pipeline"):
        return [model.model, *_parts(model.model)]
    if is_a(model, "transformers.modeling_utils", "PreTrainedModel"):
        return list(getattr(model, "peft_config", {}).values())  # adapters, which are PEFT's
    if isinstance(model, Mapping):
        values = list(model.values())
        return values + [part for value in values if not isinstance(value, Mapping) for part in _parts(value)]
    return []


def requirements(modules: Mapping[str, str]) -> list[str]:
    """Requirements for modules of these versions, which need not be installed here."""
    pinned = set()
    for module, version in modules.items():
        distribution = _distribution(module)
        installed = _version(distribution)
        # What was trained with counts, not what this process has; the two may spell a version in different ways.
        if installed is not None and (not version or _same(version, installed)):
            version = installed
        pinned.add(f"{distribution}=={version}" if version else distribution)
    return sorted(pinned)


@functools.cache
def _distribution(module: str) -> str:
    likely = _LIKELY.get(module, (module,))
    return next((name for name in likely if _version(name) is not None), None) or _owners().get(module, likely[0])


@functools.cache
def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


@functools.cache
def _owners() -> dict[str, str]:
    return {module: owners[0] for module, owners in metadata.packages_distributions().items()}


def _same(one: str, other: str) -> bool:
    from packaging.version import InvalidVersion, Version

    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return one == other


def _installed(module: str) -> bool:
    """Whether a module was installed, rather than part of Python or written by the user."""
    file = getattr(sys.modules.get(module), "__file__", None) or ""
    return "site-packages" in file or "dist-packages" in file
