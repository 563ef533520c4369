"""What the tests of an integration are told of it: a training that they may repeat, and what comes of it."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, ClassVar

import pytest

import reticent
from reticent.patching import Integration
from reticent.testing.canary import Canary
from reticent.testing.example import ExampleCall
from reticent.testing.isolation import isolated


class IntegrationExample:
    integration: ClassVar[Integration]
    code: ClassVar[str]
    """Statements that train once, run after `import <module>`, for tests in processes of their own."""
    runs = 1
    """How many runs the example makes."""

    def call(self) -> ExampleCall:
        """A small training, the same each time: new arguments, fixed seeds. The function is to be looked up here."""
        raise NotImplementedError

    def failing_call(self, error: BaseException) -> ExampleCall:
        """A training in which the user's own code (a callback, a metric, data) raises `error`."""
        raise NotImplementedError

    def call_with_secrets(self, canary: Canary) -> ExampleCall:  # noqa: ARG002 - for those who plant them
        """The training of `call` with secrets in what users name and choose: params, names of columns and of data."""
        return self.call()

    def outcome(self, returned: Any) -> object:
        """What must be the same with autologging as without, to the last bit: something with `==`."""
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def root(self, tmp_path: Path) -> Iterator[Path]:
        import_module(self.integration.module)
        with isolated(tmp_path / "root", backends="") as root:
            yield root

    def enable(self, dry_run: bool = False, **options: Any) -> None:
        """Switch this integration on, with these options of its own, and no other."""
        names = {point.load().name for point in metadata.entry_points(group="reticent.integrations")}
        assert self.integration.name in names, "register it under the entry-point group reticent.integrations"
        own: dict[str, Any] = {self.integration.name: options}
        reticent.autolog(dry_run=dry_run, **{**dict.fromkeys(names, False), **own})

    def train(self) -> object:
        return self.outcome(self.call().by_keyword())
