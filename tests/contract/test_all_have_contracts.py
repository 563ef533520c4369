"""Every integration and every backend that we register keeps its contract, also one that is added tomorrow."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from pathlib import Path

import pytest

from reticent.testing import BackendContract, FlavorContract, IntegrationContract

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HERE = Path(__file__).parent
PROJECT = tomllib.loads((HERE.parents[1] / "pyproject.toml").read_text("utf-8"))["project"]
POINTS = [
    (group, value)
    for group in ("reticent.integrations", "reticent.flavors", "reticent.backends")
    for value in PROJECT["entry-points"][group].values()
]


@pytest.mark.parametrize(("group", "value"), POINTS)
def test_what_is_registered_has_a_contract_test(group: str, value: str) -> None:
    module, _, name = value.partition(":")
    registered = getattr(import_module(module), name)
    contract, attribute = {
        "reticent.integrations": (IntegrationContract, "integration"),
        "reticent.flavors": (FlavorContract, "flavor"),
        "reticent.backends": (BackendContract, "backend"),
    }[group]
    tested = []
    for path in [*HERE.glob("test_*_contract.py"), *HERE.glob("test_*_flavor.py")]:
        found = vars(import_module(f"tests.contract.{path.stem}")).values()
        classes = [one for one in found if isinstance(one, type) and issubclass(one, contract) and one is not contract]
        tested += [getattr(one, attribute) for one in classes if one.__name__.startswith("Test")]
    # What needs a server or a tracker's SDK cannot be imported everywhere: there the text tells.
    elsewhere = [path.read_text("utf-8") for path in HERE.parent.glob("[!c]*/test_*_contract.py")]
    told = re.compile(rf"class Test\w+\({contract.__name__}\):\n    {attribute} = {name}\n")
    assert registered in tested or any(map(told.search, elsewhere)), (
        f"{value} has no class in a test_*_contract.py under tests/ that inherits {contract.__name__}"
    )
