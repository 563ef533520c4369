"""A script that trains with a Trainer leaves what MLflow captures, and what it misses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import transformers
from tests.e2e.capturing import Stored, check_captures, check_floor, script

DATA = """
import json
import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    BertConfig, BertForSequenceClassification, EarlyStoppingCallback, PreTrainedTokenizerFast, Trainer, TrainingArguments
)

words = ["[PAD]", "[UNK]", "bad", "dull", "good", "great", "movie", "plot", "the", "was"]
vocabulary = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
vocabulary.pre_tokenizer = pre_tokenizers.Whitespace()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=vocabulary, pad_token="[PAD]", unk_token="[UNK]")

texts = [f"the {noun} was {word}" for noun in ("movie", "plot") for word in ("bad", "good", "dull", "great")] * 3
rows = [{**tokenizer(text), "labels": int(text.endswith(("good", "great")))} for text in texts]
for row in rows:
    row.pop("token_type_ids", None)

torch.manual_seed(0)
config = BertConfig(
    vocab_size=len(words), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16,
    max_position_embeddings=16,
)
model = BertForSequenceClassification(config)
"""

TRAIN = """
def accuracy(predicted):
    return {"accuracy": float((predicted.predictions.argmax(-1) == predicted.label_ids).mean())}

told = TrainingArguments(
    "out", use_cpu=True, num_train_epochs=2, per_device_train_batch_size=8, learning_rate=0.01, logging_steps=1,
    eval_strategy="epoch", save_strategy="epoch", report_to=[], hub_token="hf_" + "a1B2" * 9,
)
trainer = Trainer(
    model, told, train_dataset=rows, eval_dataset=rows[:8], processing_class=tokenizer, compute_metrics=accuracy,
)
output = trainer.train()
trainer.predict(rows[8:16])
json.dump([trainer.state.log_history, output.metrics], open("told.json", "w"))
"""

ADAPTED = """
from peft import LoraConfig, get_peft_model
adapted = get_peft_model(model, LoraConfig(task_type="SEQ_CLS", r=4, target_modules=["query", "value"]))
told = TrainingArguments(
    "out", use_cpu=True, max_steps=40, per_device_train_batch_size=8, learning_rate=1e-9, logging_steps=2,
    eval_strategy="steps", eval_steps=2, save_strategy="steps", save_steps=2, save_total_limit=2,
    load_best_model_at_end=True, metric_for_best_model="eval_one_loss", greater_is_better=True, report_to=[],
    run_name="adapted",
)
trainer = Trainer(
    adapted, told, train_dataset=rows, eval_dataset={"one": rows[:8], "two": rows[8:16]}, processing_class=tokenizer,
    callbacks=[EarlyStoppingCallback(early_stopping_patience=3)],
)
trainer.train()
json.dump([trainer.state.log_history, trainer.state.best_metric], open("told.json", "w"))
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Stored, Path]:
    directory = tmp_path_factory.mktemp("train")
    (run,) = script(DATA + TRAIN, directory)
    return run, directory


@pytest.fixture(scope="module")
def adapted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Stored, Path]:
    directory = tmp_path_factory.mktemp("adapted")
    (run,) = script(DATA + ADAPTED, directory)
    return run, directory


def test_all_that_mlflow_captures(trained: tuple[Stored, Path]) -> None:
    run, directory = trained
    check_floor(run, "transformers_trainer")
    assert run.status == "FINISHED"
    assert run.warnings == []
    history, metrics = json.loads((directory / "told.json").read_text())
    for name in ("loss", "grad_norm", "learning_rate", "epoch", "eval_loss", "eval_accuracy"):
        said = [(logs["step"], logs[name]) for logs in history if name in logs]
        assert run.metrics[name] == said, name
    assert run.metrics["train_loss"] == [(6, metrics["train_loss"])]


def test_params_are_a_diff_against_the_defaults(trained: tuple[Stored, Path]) -> None:
    run, _ = trained
    assert run.params["learning_rate"] == ("0.01", "explicit")
    assert run.params["hidden_size"] == ("16", "explicit")
    assert run.params["eval_strategy"] == ("epoch", "explicit")
    assert run.params["weight_decay"] == ("0.0", "default")
    assert run.params["hidden_act"] == ("gelu", "default")
    assert run.params["report_to"] == ("[]", "default")
    assert run.params["model_type"] == ("bert", "derived")
    assert run.params["hub_token"][0].startswith("[REDACTED")
    assert {run.params[name][1] for name in ("num_parameters", "tokenizer_digest")} == {"derived"}


def test_datasets_model_and_checkpoints(trained: tuple[Stored, Path]) -> None:
    run, directory = trained
    assert set(run.datasets) == {("train", "train"), ("eval", "eval")}, "predicted was what it was evaluated by"
    assert run.models == ["model"]
    assert {"model/model/model.safetensors", "model/components/tokenizer/tokenizer.json"} <= set(run.artifacts)
    assert "model/input_example.json" in run.artifacts
    assert run.tags["checkpoint_last"] == "checkpoints/step_6/checkpoint-6"
    assert "checkpoints/step_6/checkpoint-6/trainer_state.json" in run.artifacts
    (state,) = (directory / "out" / "checkpoint-6").glob("trainer_state.json")
    assert set(json.loads(state.read_text())["stateful_callbacks"]) == {"TrainerControl"}


def test_what_comes_after_the_training(trained: tuple[Stored, Path]) -> None:
    run, _ = trained
    ((step, _),) = run.metrics["test_loss"]
    assert step == 6
    assert {"fit_seconds", "fit_samples_per_second", "predict_seconds", "peak_memory_mb"} <= set(run.metrics)


def test_adapters_and_early_stopping(adapted: tuple[Stored, Path]) -> None:
    run, directory = adapted
    assert run.name == "adapted"
    history, best = json.loads((directory / "told.json").read_text())
    points = [(logs["step"], logs["eval_one_loss"]) for logs in history if "eval_one_loss" in logs]
    assert run.metrics["eval_one_loss"] == points
    stopped = history[-1]["step"]
    best_step = next(step for step, value in points if value == best)
    assert stopped == best_step + 2 * 3 < 40
    assert run.metrics["best_step"] == [(stopped, best_step)]
    assert run.metrics["stopped_step"] == [(stopped, stopped)]
    assert run.metrics["best_score"] == [(stopped, best)]
    assert run.tags["early_stopping_monitor"] == "eval_one_loss"
    assert run.tags["early_stopping_reason"] == "no improvement"
    assert run.params["early_stopping_patience"] == ("3", "explicit")
    assert run.params["peft.r"] == ("4", "explicit")
    assert run.params["peft.lora_dropout"] == ("0.0", "default")
    assert int(run.params["num_trainable_parameters"][0]) < int(run.params["num_parameters"][0]) / 2
    assert {name for name, _ in run.datasets} == {"train", "eval_one", "eval_two"}
    assert run.tags["checkpoint_best"] == f"checkpoints/step_{best_step}/checkpoint-{best_step}"
    assert any(path.startswith("model/peft/") for path in run.artifacts)


def test_the_table_says_the_same(trained: tuple[Stored, Path], adapted: tuple[Stored, Path]) -> None:
    seen = {"Trainer.train": trained[0], "with PEFT and early stopping": adapted[0]}
    check_captures("transformers", transformers.__version__, seen)
