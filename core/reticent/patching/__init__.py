"""The runtime of integrations: what to patch is data, what happens around a call is a generator with one `yield`.

    def train(call):
        call.append("callbacks", Callback(call.capture))     # before: may look at the call and stage edits of it
        booster = yield                                      # the runtime makes the original call, outside every guard
        call.capture.log_metric("best", booster.best_score)  # after: sees the result, cannot change it

    integration = Integration("xgboost", module="xgboost", requires=">=2.0", patches=(Patch("xgboost:train", train),))

Register it under the entry-point group `reticent.integrations`, named after the module whose import it waits for.
"""

from reticent.patching.call import Call
from reticent.patching.capture import Capture
from reticent.patching.context import carried, carry, quiet
from reticent.patching.early_stopping import EarlyStopping
from reticent.patching.integration import Hook, Integration, LightPatch, Patch, RegisteredHook
from reticent.patching.options import Options
from reticent.patching.phases import Phase

__all__ = [
    "Call",
    "Capture",
    "EarlyStopping",
    "Hook",
    "Integration",
    "LightPatch",
    "Options",
    "Patch",
    "Phase",
    "RegisteredHook",
    "carried",
    "carry",
    "quiet",
]
