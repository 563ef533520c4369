"""Whose the run of a plain loop is, beside trainings of other frameworks, and which model its optimizer has."""

from __future__ import annotations

import types
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import reticent
from reticent.patching import Call, Integration, Options, Patch, placing
from reticent.patching.hooking import enabled
from reticent.testing.captured import captured
from reticent.testing.isolation import isolated

from .plain_loops import X, make, one, steps


@pytest.fixture(autouse=True)
def root(tmp_path: Path) -> Iterator[Path]:
    with isolated(tmp_path / "root", backends="") as root:
        reticent.autolog(sklearn=False)
        yield root


class Estimator:
    """Of another framework."""

    def fit(self) -> None: ...


@pytest.fixture
def other_framework() -> Iterator[None]:
    def hook(call: Call) -> Generator[None, Any, None]:
        call.name = "other"
        call.capture.log_metric("score", 1.0)
        yield

    integration = Integration(
        "other", module=__name__, requires="", patches=(Patch(f"{__name__}:Estimator.fit", hook),)
    )
    enabled["other"] = Options
    placing.place(integration.patches[0], integration)
    yield
    placing.remove("other")
    del enabled["other"]


@pytest.mark.usefixtures("other_framework")
def test_a_training_of_another_framework_ends_the_run_of_a_loop(root: Path) -> None:
    kept = make()
    steps(*kept, 3)
    reticent.log_metric("mine", 1.0)
    Estimator().fit()
    loop, other = sorted(captured(root), key=lambda run: "score" in run.metrics)
    assert (loop.status, other.status) == ("FINISHED", "FINISHED")
    assert loop.models == ["model"]
    assert "mine" in loop.metrics
    assert set(other.metrics) == {"score"}


@pytest.mark.usefixtures("other_framework")
def test_a_loop_goes_on_with_its_run_after_a_training_of_another_framework(root: Path) -> None:
    def loop() -> None:
        model, optimizer = make()
        for _ in range(3):
            steps(model, optimizer, 2)
            Estimator().fit()

    loop()
    loop_run, other = sorted(captured(root), key=lambda run: set(run.metrics) == {"score"})
    assert [step for step, _ in loop_run.metrics["loss"]] == [1, 2, 3, 4, 5, 6]
    assert {"fit_2.score", "fit_3.score"} < set(loop_run.metrics)
    assert loop_run.params["steps"] == "6"
    assert loop_run.status == "FINISHED"
    assert loop_run.warnings == []
    assert set(other.metrics) == {"score"}


@pytest.mark.usefixtures("other_framework")
def test_a_run_of_the_user_s_takes_in_both(root: Path) -> None:
    with reticent.start_run():
        steps(*make(), 2)
        Estimator().fit()
    assert {"loss", "fit_2.score"} <= set(one(root).metrics)


class Detector(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone, self.head = torch.nn.Linear(3, 8), torch.nn.Linear(8, 2)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.head(self.backbone(rows))


def in_groups(model: Any) -> torch.optim.Optimizer:
    groups = [{"params": model.backbone.parameters(), "lr": 0.01}, {"params": model.head.parameters()}]
    return torch.optim.SGD(groups, lr=0.1)


def test_groups_of_the_parts_of_a_model_train_the_whole_of_it(root: Path) -> None:
    model = Detector()
    around = torch.nn.Sequential(model, torch.nn.Linear(2, 2))
    (lambda: steps(model, in_groups(model), 2))()
    run = one(root)
    assert len(around) == 2
    assert run.params["model_class"] == "Detector"
    assert "model_parts" not in run.params


def test_parts_that_are_in_no_module_together_are_told(root: Path) -> None:
    def loop() -> None:
        parts = Detector()
        kept = types.SimpleNamespace(backbone=parts.backbone, head=torch.nn.Sequential(parts.head))
        del parts
        optimizer = in_groups(kept)
        kept.head(kept.backbone(X)).mean().backward()
        optimizer.step()

    loop()
    run = one(root)
    assert run.params["model_class"] == "Sequential"
    assert run.params["model_parts"] == "Linear, Sequential"
