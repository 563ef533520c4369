"""Tests to inherit: what every integration and every backend promises, for ours and for those of others. Needs pytest.

class TestCoolframe(reticent.testing.IntegrationContract):
    integration = coolframe_reticent.integration
    ...

class TestCoolstore(reticent.testing.BackendContract):
    backend = CoolBackend
    ...
"""

from reticent.testing.backend_contract import BackendContract
from reticent.testing.canary import CANARY, Canary, find
from reticent.testing.captured import Captured, captured
from reticent.testing.example import ExampleCall
from reticent.testing.integration_contract import IntegrationContract
from reticent.testing.isolation import isolated

__all__ = [
    "CANARY",
    "BackendContract",
    "Canary",
    "Captured",
    "ExampleCall",
    "IntegrationContract",
    "captured",
    "find",
    "isolated",
]
