"""The options that all integrations share do what they say, and a dry run stores nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import reticent
from reticent.surroundings import is_surrounding
from reticent.testing.captured import captured
from reticent.testing.integration_example import IntegrationExample

NOTHING: dict[str, dict[str, Any]] = {
    "exclude": {"exclude": ["*"]},
    "include": {"include": ["nothing is so named"]},
}
OURS = {"autologging", "source"}
"""Tags of the run itself, which no name of a framework's keeps from it."""


class OptionsContract(IntegrationExample):
    @pytest.mark.parametrize("option", NOTHING)
    def test_names_that_are_not_wanted_are_not_logged(self, option: str, root: Path) -> None:
        plain = self.train()
        self.enable(**NOTHING[option])
        assert self.train() == plain
        found = captured(root)
        assert len(found) == self.runs
        for run in found:
            assert run.status == "FINISHED"
            assert run.warnings == []
            left = (run.params, dict(run.metrics), run.artifacts, run.models, run.datasets)
            assert left == ({}, {}, [], [], [])
            assert [name for name in run.tags if name not in OURS and not is_surrounding(name)] == []

    def test_one_name_that_is_not_wanted_is_all_that_is_missing(self, root: Path) -> None:
        self.enable()
        self.train()
        with_it = captured(root)[: self.runs]
        name = next(iter(with_it[0].params))
        self.enable(exclude=[name])
        self.train()
        without = captured(root)[self.runs :]
        assert [run.params.keys() - {name} for run in with_it] == [run.params.keys() for run in without]
        assert [run.metrics.keys() for run in with_it] == [run.metrics.keys() for run in without]

    def test_models_and_datasets_are_left_out_if_not_wanted(self, root: Path) -> None:
        self.enable()
        self.train()
        usual = captured(root)[: self.runs]
        self.enable(log_models=False, log_datasets=False)
        self.train()
        found = captured(root)[self.runs :]
        assert [run.models for run in found] == [[]] * self.runs
        assert [run.datasets for run in found] == [[]] * self.runs
        assert [run.params for run in found] == [run.params for run in usual]
        assert [run.metrics.keys() for run in found] == [run.metrics.keys() for run in usual]

    def test_a_dry_run_tells_and_stores_nothing(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        plain = self.train()
        self.enable(dry_run=True)
        assert self.train() == plain
        reticent.autolog(disable=True)
        told = capsys.readouterr().err
        assert f"a dry run, {self.runs} run{'s' * (self.runs > 1)}, nothing of it stored" in told
        assert told.count("  finished") == self.runs
        assert not root.exists()
