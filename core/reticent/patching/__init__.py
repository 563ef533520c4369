"""The runtime of integrations: what to patch is data, what happens around a call is a generator with one `yield`.

    def train(call):                                         # in package/training.py
        call.append("callbacks", Callback(call.capture))     # before: may look at the call and stage edits of it
        booster = yield                                      # the runtime makes the original call, outside every guard
        call.capture.log_metric("best", booster.best_score)  # after: sees the result, cannot change it

    patches = (Patch("xgboost:train", "package.training:train"),)     # in package/__init__.py
    integration = Integration("xgboost", module="xgboost", requires=">=2.0", patches=patches)

Register it under the entry-point group `reticent.integrations`, named after the module whose import it waits for. The
names here are loaded on first use, like those of `reticent`: a table of patches needs few of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reticent.patching.call import Call as Call
    from reticent.patching.capture import Capture as Capture
    from reticent.patching.context import carried as carried
    from reticent.patching.context import carry as carry
    from reticent.patching.context import quiet as quiet
    from reticent.patching.early_stopping import EarlyStopping as EarlyStopping
    from reticent.patching.integration import Hook as Hook
    from reticent.patching.integration import Integration as Integration
    from reticent.patching.integration import LightPatch as LightPatch
    from reticent.patching.integration import Patch as Patch
    from reticent.patching.integration import RegisteredHook as RegisteredHook
    from reticent.patching.options import Options as Options
    from reticent.patching.phases import Phase as Phase

_HOME = {
    "call": "Call",
    "capture": "Capture",
    "context": "carried carry quiet",
    "early_stopping": "EarlyStopping",
    "integration": "Hook Integration LightPatch Patch RegisteredHook",
    "options": "Options",
    "phases": "Phase",
}
_MODULE_OF = {name: f"reticent.patching.{module}" for module, names in _HOME.items() for name in names.split()}
__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'reticent.patching' has no attribute {name!r}")
    value = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = value  # the next use finds it without this function
    return value
