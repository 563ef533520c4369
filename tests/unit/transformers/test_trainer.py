"""What is captured of a Trainer's trainings, and that they are left as they would be."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.contract import tiny_trainers
from tests.contract import tiny_transformers as tiny
from transformers import EarlyStoppingCallback, Trainer, TrainerCallback, TrainingArguments

import reticent
from reticent.models import load_model
from reticent.testing import captured, find
from reticent_integrations.transformers.observer import observer_class

from .conftest import MakeTrainer


class Raising(TrainerCallback):  # type: ignore[misc] # Transformers' classes are not typed
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def on_step_end(self, *_: Any, **__: Any) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "status"), [(ValueError("of the user's"), "FAILED"), (KeyboardInterrupt(), "KILLED")]
)
def test_failed_training_is_no_finished_run(
    error: BaseException, status: str, root: Path, make_trainer: MakeTrainer
) -> None:
    trainer = make_trainer(parts={"callbacks": [Raising(error)]})
    callbacks = trainer.callback_handler.callbacks
    before = list(callbacks)
    with pytest.raises(type(error)) as raised:
        trainer.train()
    assert raised.value is error
    assert trainer.callback_handler.callbacks is callbacks
    assert callbacks == before
    (run,) = captured(root)
    assert run.status == status
    assert run.params["max_steps"] == "6"
    assert run.models == []
    assert not trainer.model._forward_hooks


def test_params_are_there_when_the_training_fails_before_it_begins(root: Path, make_trainer: MakeTrainer) -> None:
    with pytest.raises(ValueError, match="No valid checkpoint"):
        make_trainer().train(resume_from_checkpoint=True)
    (run,) = captured(root)
    assert run.status == "FAILED"
    assert run.params["learning_rate"] == "0.01"
    assert "optimizer_name" not in run.params


def test_files_of_the_training_are_as_they_would_be(tmp_path: Path, make_trainer: MakeTrainer) -> None:
    written = []
    for name in ("with", "without"):
        os.chdir(tmp_path)
        make_trainer(output_dir=name, save_strategy="steps", save_steps=6).train()
        reticent.autolog(disable=True)
        files = {str(path.relative_to(name)): path for path in Path(name).rglob("*") if path.is_file()}
        state = json.loads(files["checkpoint-6/trainer_state.json"].read_text())
        state["log_history"] = [sorted(logs) for logs in state["log_history"]]
        weights = files["checkpoint-6/model.safetensors"].read_bytes()
        written.append((sorted(files), weights, json.dumps(state).replace(f"{name}/", "")))
    assert written[0] == written[1]


def test_numbers_are_logged_and_nothing_else(
    root: Path, make_trainer: MakeTrainer, capfd: pytest.CaptureFixture[str]
) -> None:
    class Noting(Trainer):  # type: ignore[misc] # Transformers' classes are not typed
        def log(self, logs: dict[str, Any], *args: Any) -> None:
            extra = {"note": "text", "rewards/mean": torch.tensor(0.5), "nothing": None}
            super().log({**logs, **extra}, *args)

    make_trainer(kind=Noting, parts={"callbacks": None}).train()
    (run,) = captured(root)
    assert run.metrics["rewards/mean"] == [
        (1, 0.5),
        (2, 0.5),
        (3, 0.5),
        (3, 0.5),
        *[(step, 0.5) for step in (4, 5, 6, 6, 6)],
    ]
    assert not {"note", "nothing"} & set(run.metrics)
    assert run.warnings == []
    assert "dropped" not in capfd.readouterr().err


def test_every_other_step_if_that_is_wished(root: Path, make_trainer: MakeTrainer) -> None:
    reticent.autolog(transformers={"every_n_steps": 2})
    make_trainer().train()
    (run,) = captured(root)
    assert [step for step, _ in run.metrics["loss"]] == [2, 4, 6]
    assert [step for step, _ in run.metrics["eval_loss"]] == [3, 6]


@dataclasses.dataclass
class TextConfig(TrainingArguments):  # type: ignore[misc] # Transformers' classes are not typed
    """As TRL derives its configs."""

    max_length: int = 64
    packing: bool = False
    loss_type: str = "nll"


class TextTrainer(Trainer):  # type: ignore[misc] # Transformers' classes are not typed
    """As TRL's trainers, with what some add: a `train` of its own, metrics of its own in `log`."""

    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)
        self._lengths: list[int] = []

    def train(self, *args: Any, **kwargs: Any) -> Any:
        self.before = "something"
        return super().train(*args, **kwargs)

    def compute_loss(self, model: Any, inputs: Any, **options: Any) -> Any:
        self._lengths.append(inputs["input_ids"].shape[1])
        return super().compute_loss(model, inputs, **options)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        super().log({**logs, "mean_length": sum(self._lengths) / len(self._lengths)}, start_time)


def test_trainers_derived_as_in_trl(root: Path, tmp_path: Path, autolog: None) -> None:
    config = TextConfig(
        str(tmp_path / "out"),
        use_cpu=True,
        max_steps=2,
        logging_steps=1,
        save_strategy="no",
        packing=True,
        report_to=[],
        disable_tqdm=True,
    )
    trainer = TextTrainer(model=tiny_trainers.model(), args=config, train_dataset=tiny_trainers.Texts())
    trainer.train()
    (run,) = captured(root)
    assert run.status == "FINISHED"
    assert (run.params["packing"], run.params["max_length"], run.params["loss_type"]) == ("True", "64", "nll")
    assert [step for step, _ in run.metrics["mean_length"]] == [1, 2, 2]
    assert [step for step, _ in run.metrics["loss"]] == [1, 2]
    assert run.models == ["model"]


def test_a_training_within_a_training_is_its_child(root: Path, make_trainer: MakeTrainer) -> None:
    class Distilling(TrainerCallback):  # type: ignore[misc] # Transformers' classes are not typed
        def on_train_begin(self, *_: Any, **__: Any) -> None:
            make_trainer(max_steps=2).train()

    make_trainer(parts={"callbacks": [Distilling()]}).train()
    outer, inner = captured(root)
    assert inner.parent_id == outer.run_id
    assert (len(outer.metrics["loss"]), len(inner.metrics["loss"])) == (6, 2)
    assert [run.status for run in (outer, inner)] == ["FINISHED", "FINISHED"]
    assert reticent.active_run() is None


def test_trials_of_a_search_are_its_children(
    root: Path, make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import trainer as module
    from transformers.trainer_utils import BestRun

    class Backend:
        """Of the libraries that a search can be done by none need be installed."""

        def ensure_available(self) -> None:
            pass

        def default_hp_space(self, trial: Any) -> Any:
            return trial

        def run(self, trainer: Any, n_trials: int, direction: str) -> BestRun:
            trainer.hp_search_backend = None
            for number in range(n_trials):
                trainer.args.learning_rate = 0.1 ** (number + 1)
                trainer.train(trial={"learning_rate": trainer.args.learning_rate})
            return BestRun("1", 0.25, {"learning_rate": 0.01})

    # Else Transformers knows no kind of trial.
    monkeypatch.setattr("transformers.integrations.integration_utils.is_wandb_available", lambda: True)
    monkeypatch.setitem(module.ALL_HYPERPARAMETER_SEARCH_BACKENDS, module.HPSearchBackend.OPTUNA, Backend)
    trainer = make_trainer(parts={"model": None, "model_init": tiny_trainers.model})
    trainer.hyperparameter_search(n_trials=2, backend="optuna", direction="minimize")
    search, *trials = captured(root)
    assert [trial.parent_id for trial in trials] == [search.run_id] * 2
    assert [trial.params["learning_rate"] for trial in trials] == ["0.1", "0.010000000000000002"]
    assert search.params["best_learning_rate"] == "0.01"
    assert search.metrics["best_objective"] == [(0, 0.25)]
    assert search.params["n_trials"] == "2"


def test_early_stopping_that_is_not_needed(root: Path, make_trainer: MakeTrainer) -> None:
    told = {"load_best_model_at_end": True, "save_strategy": "steps", "save_steps": 3}
    trainer = make_trainer(parts={"callbacks": [EarlyStoppingCallback(5)]}, **told)
    trainer.train()
    (run,) = captured(root)
    assert run.tags["early_stopping_reason"] == "all steps trained"
    assert run.metrics["stopped_step"] == [(6, 6)]
    assert run.metrics["best_score"] == [(6, trainer.state.best_metric)]
    assert run.metrics["best_step"] == [(6, trainer.state.best_global_step)]


def test_the_model_is_loaded_as_it_was_trained(root: Path, make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(eval_strategy="no")
    trainer.train()
    assert trainer.model.training
    (run,) = captured(root)
    model = load_model(f"runs:/{run.run_id}/model")
    for one, other in zip(model["model"].parameters(), trainer.model.parameters(), strict=True):
        assert torch.equal(one, other)
    mlmodel = (root / "runs" / run.run_id / "artifacts/model/MLmodel").read_text()
    assert '"name": "label"' in mlmodel
    example = json.loads((root / "runs" / run.run_id / "artifacts/model/input_example.json").read_text())
    assert len(example) == 2  # the rows of a batch
    assert set(" ".join(example).split()) <= set(tiny.WORDS)


def test_a_secret_that_a_tokenizer_takes_for_a_token_is_in_no_checkpoint(root: Path, make_trainer: MakeTrainer) -> None:
    tokenizer = tiny.tokenizer(auth_token="by-chance-a-word-7")
    make_trainer(parts={"processing_class": tokenizer}, save_strategy="steps", save_steps=3).train()
    (run,) = captured(root)
    assert "by-chance" not in run.params["tokenizer_special_tokens"]
    assert "[UNK]" in run.params["tokenizer_special_tokens"]
    assert any("tokenizer.json" in path for path in run.artifacts)
    assert find("by-chance-a-word-7", root) == []


def test_a_model_alone_has_tensors_of_any_length(root: Path, make_trainer: MakeTrainer) -> None:
    make_trainer(parts={"processing_class": None}).train()
    (run,) = captured(root)
    mlmodel = (root / "runs" / run.run_id / "artifacts/model/MLmodel").read_text()
    assert '"name": "input_ids"' in mlmodel
    assert '"shape": [-1, -1]' in mlmodel
    assert '"shape": [-1, 2]' in mlmodel
    assert "labels" not in mlmodel
    assert "tokenizer_digest" not in run.params


class Linear(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(4, 2)

    def forward(self, features: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        logits = self.layer(features)
        return {"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}


def test_a_module_of_the_users_own(root: Path, make_trainer: MakeTrainer) -> None:
    generator = torch.Generator().manual_seed(0)
    rows = [{"features": torch.randn(4, generator=generator), "labels": row % 2} for row in range(8)]
    parts = {"model": Linear(), "train_dataset": rows, "eval_dataset": rows, "processing_class": None}
    make_trainer(parts=parts).train()
    (run,) = captured(root)
    assert run.status == "FINISHED"
    assert run.warnings == []
    assert run.models == ["model"]
    assert run.params["num_parameters"] == "10"
    assert len(run.metrics["loss"]) == 6


def test_reports_to_others_stay_as_they_are(
    root: Path, tmp_path: Path, make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri(f"file://{tmp_path}/mlruns")
    trainer = make_trainer(report_to=["mlflow"])
    trainer.train()
    assert trainer.args.report_to == ["mlflow"]
    (theirs,) = mlflow.search_runs(output_format="list")
    (ours,) = captured(root)
    assert ours.metrics["train_loss"][0][1] == theirs.data.metrics["train_loss"]
    assert set(theirs.data.params) <= set(ours.params)
    assert set(theirs.data.metrics) <= set(ours.metrics)


def test_a_copy_of_the_callback_does_nothing_and_needs_no_reticent(root: Path) -> None:
    with reticent.start_run() as run:
        observer = observer_class()(run, None)
    copied = pickle.dumps(observer)
    assert b"reticent" not in copied
    assert type(pickle.loads(copied)) is TrainerCallback
