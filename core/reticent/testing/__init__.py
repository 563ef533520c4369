"""Tests to inherit: what every integration, flavour and backend promises, for ours and for those of others. Needs pytest.

class TestCoolframe(reticent.testing.IntegrationContract):
    integration = coolframe_reticent.integration
    ...

class TestCoolmodels(reticent.testing.FlavorContract):
    flavor = coolframe_reticent.flavor
    ...

class TestCoolstore(reticent.testing.BackendContract):
    backend = CoolBackend
    ...
"""

from reticent.testing.backend_contract import BackendContract
from reticent.testing.canary import CANARY, Canary, find
from reticent.testing.captured import Captured, captured
from reticent.testing.example import ExampleCall
from reticent.testing.flavor_contract import FlavorContract, ModelCase
from reticent.testing.integration_contract import IntegrationContract
from reticent.testing.isolation import isolated
from reticent.testing.memory import memory_store

__all__ = [
    "CANARY",
    "BackendContract",
    "Canary",
    "Captured",
    "ExampleCall",
    "FlavorContract",
    "IntegrationContract",
    "ModelCase",
    "captured",
    "find",
    "isolated",
    "memory_store",
]
