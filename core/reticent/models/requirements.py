"""What has to be installed to load a model: the distributions behind the modules it is made of, at their exact versions.

A distribution is looked up by its likely names, which takes a millisecond, once. The full map from modules to
distributions reads every installed package (0.4 s), so it is left to publishing, and only for modules not found before.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterable
from importlib import metadata
from typing import Any

from reticent.models.flavor import roots
from reticent.models.signature import is_a

_DATA = ("numpy", "pandas", "scipy")
"""What data comes in: pinned if imported, as their versions matter to a model that was trained on them."""

_NAMES = {
    "sklearn": ("scikit-learn",),
    "xgboost": ("xgboost", "xgboost-cpu"),
    "tensorflow": ("tensorflow", "tensorflow-cpu"),
}


def modules(model: Any, *further: str) -> list[str]:
    """The top-level modules that a model needs: those of its classes and of its parts' classes, and those for data."""
    found = dict.fromkeys(roots(type(model)))
    if is_a(model, "sklearn.base", "BaseEstimator"):
        for part in model.get_params().values():  # the steps of a pipeline, the estimator inside a search
            found.update(dict.fromkeys(roots(type(part))))
    found.update(dict.fromkeys(further))
    found.update(dict.fromkeys(name for name in _DATA if name in sys.modules))
    return sorted(name for name in found if name not in sys.stdlib_module_names and name != "__main__")


def pinned(names: Iterable[str]) -> tuple[list[str], dict[str, str]]:
    """Requirements for modules, and the installed modules, with versions, whose distribution has yet to be found."""
    requirements, left = [], {}
    for name in names:
        requirement = _likely(name)
        if requirement is not None:
            requirements.append(requirement)
        elif _installed(name):
            left[name] = str(getattr(sys.modules.get(name), "__version__", ""))
    return requirements, left


def resolved(left: dict[str, str]) -> list[str]:
    """Requirements for the modules that `pinned` left; may run where they are not installed."""
    if not left:
        return []
    owners = _owners()
    requirements = []
    for name, version in left.items():
        distribution = next(iter(owners.get(name, ())), name)
        version = version or (metadata.version(distribution) if name in owners else "")
        requirements.append(f"{distribution}=={version}" if version else distribution)
    return requirements


@functools.cache
def _likely(module: str) -> str | None:
    for name in _NAMES.get(module, (module,)):
        try:
            return f"{name}=={metadata.version(name)}"
        except metadata.PackageNotFoundError:
            continue
    return None


@functools.cache
def _owners() -> dict[str, list[str]]:
    return {name: list(owners) for name, owners in metadata.packages_distributions().items()}


def _installed(module: str) -> bool:
    """Whether a module was installed rather than written by the user."""
    file = getattr(sys.modules.get(module), "__file__", None) or ""
    return "site-packages" in file or "dist-packages" in file
