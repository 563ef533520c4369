"""Models in MLmodel form, which MLflow loads too.

    staging  on the training thread: a snapshot of the model in the run's staging, and what will be said of it
    filing   what happens then, in the background:
    finish   by another process: formats that are safe to open, of what was saved in a hurry
    publish  in the background or in a later process: MLmodel and environment files around it, all of it sealed
    trial    by another process: whether what was published loads, and predicts the same
    load     what was published, if each file still has the checksum that it was published with
    pyfunc   the same as a function, for data that suits the signature

What a framework's models need is a `Flavor`, which comes with its integration.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from reticent.models.flavor import Flavor as Flavor
    from reticent.models.flavor import find as find
    from reticent.models.flavor import register as register
    from reticent.models.load import load_model as load_model
    from reticent.models.pyfunc import PyFunc as PyFunc
    from reticent.models.pyfunc import load_pyfunc as load_pyfunc
    from reticent.models.staging import stage as stage

_HOME = {
    "Flavor": "flavor",
    "PyFunc": "pyfunc",
    "find": "flavor",
    "load_model": "load",
    "load_pyfunc": "pyfunc",
    "register": "flavor",
    "stage": "staging",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    """Each name from its module on first use: what reads run logs needs hardly any of them."""
    if name not in _HOME:
        raise AttributeError(f"module 'reticent.models' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"reticent.models.{_HOME[name]}"), name)
