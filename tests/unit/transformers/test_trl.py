"""Trainers of TRL, which are Transformers' with more arguments and metrics."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import torch
import trl
from datasets import Dataset
from tests.contract import tiny_transformers as tiny
from transformers import GPT2Config, GPT2ForSequenceClassification, GPT2LMHeadModel

import reticent
from reticent.patching import Capture, Options
from reticent.testing import captured, find
from reticent_integrations.transformers import params

TOKEN = "correct-horse" + "-battery"
PAIRS = {
    "prompt": ["the cat", "a dog", "the dog"] * 2,
    "chosen": [" sat on the mat", " ran", " sat"] * 2,
    "rejected": [" ran under a mat", " sat", " ran"] * 2,
}


def config() -> GPT2Config:
    size = {"vocab_size": 19, "n_positions": 32, "n_embd": 16, "n_layer": 1, "n_head": 2}
    quiet = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
    return GPT2Config(**size, **quiet, bos_token_id=2, eos_token_id=3, pad_token_id=0)


def tokenizer() -> Any:
    words = tiny.tokenizer()
    words.eos_token = "[SEP]"
    return words


def told(kind: Any, place: Path, **more: Any) -> Any:
    shared = {"max_steps": 3, "per_device_train_batch_size": 2, "logging_steps": 1, "max_length": 8, "hub_token": TOKEN}
    here = {"use_cpu": True, "bf16": False, "gradient_checkpointing": False, "disable_tqdm": True, "report_to": []}
    return kind(output_dir=str(place), save_strategy="no", **shared, **here, **more)


def sft(place: Path) -> Any:
    rows = Dataset.from_dict({"text": tiny.TEXTS * 2})
    return trl.SFTTrainer(
        GPT2LMHeadModel(config()), told(trl.SFTConfig, place), train_dataset=rows, processing_class=tokenizer()
    )


def dpo(place: Path) -> Any:
    rows = Dataset.from_dict(PAIRS)
    model, reference = GPT2LMHeadModel(config()), GPT2LMHeadModel(config())
    return trl.DPOTrainer(
        model, reference, told(trl.DPOConfig, place, beta=0.3), train_dataset=rows, processing_class=tokenizer()
    )


def reward(place: Path) -> Any:
    rows = Dataset.from_dict({"chosen": PAIRS["chosen"], "rejected": PAIRS["rejected"]})
    one = config()
    one.num_labels = 1
    return trl.RewardTrainer(
        GPT2ForSequenceClassification(one),
        told(trl.RewardConfig, place, center_rewards_coefficient=0.01),
        train_dataset=rows,
        processing_class=tokenizer(),
    )


TRAINERS = {"sft": sft, "dpo": dpo, "reward": reward}
ADDED = {
    "sft": ["mean_token_accuracy", "num_tokens", "entropy"],
    "dpo": ["rewards/chosen", "rewards/margins", "logps/rejected"],
    "reward": ["accuracy", "margin", "mean_reward"],
}
EXPLICIT = {"sft": {"max_length": "8"}, "dpo": {"beta": "0.3"}, "reward": {"center_rewards_coefficient": "0.01"}}
DEFAULT = {"sft": {"packing": "False"}, "dpo": {"label_smoothing": "0.0"}, "reward": {"disable_dropout": "True"}}


def train(kind: str, place: Path) -> list[bytes]:
    torch.manual_seed(0)
    trainer = TRAINERS[kind](place)
    trainer.train()
    return [one.detach().numpy().tobytes() for one in trainer.model.parameters()]


def told_of_params(root: Path) -> dict[str, tuple[str, str]]:
    with sqlite3.connect(root / "reticent.db") as database:
        rows = database.execute("SELECT key, value, origin FROM param").fetchall()
    return {key: (value, origin) for key, value, origin in rows}


@pytest.mark.parametrize("kind", TRAINERS)
def test_a_training_is_one_run_with_what_trl_adds(root: Path, tmp_path: Path, kind: str) -> None:
    plain = train(kind, tmp_path / "plain")
    reticent.autolog()
    assert train(kind, tmp_path / "logged") == plain
    (run,) = captured(root)
    assert (run.status, run.parent_id, run.warnings) == ("FINISHED", None, [])
    for name in ("loss", "grad_norm", "learning_rate", *ADDED[kind]):
        assert [step for step, _ in run.metrics[name]] == [1, 2, 3], name
    assert run.models == ["model"]
    assert run.datasets == [("train", "train")]


@pytest.mark.parametrize("kind", TRAINERS)
def test_params_are_a_diff_and_no_token_is_anywhere(root: Path, tmp_path: Path, kind: str) -> None:
    reticent.autolog()
    trainer = TRAINERS[kind](tmp_path / "out")
    trainer.train()
    assert reticent.flush(60)
    found = told_of_params(root)
    untold = (
        type(trainer.args).__dataclass_fields__["pad_to_multiple_of"].default
    )  # TRL 1.16 has "auto", and makes it None
    assert found["pad_to_multiple_of"] == ("None", "default" if untold is None else "derived")
    assert found["hub_token"] == ("[REDACTED:key-hub-token]", "explicit")
    assert {name: found[name] for name in EXPLICIT[kind]} == {n: (v, "explicit") for n, v in EXPLICIT[kind].items()}
    assert {name: found[name] for name in DEFAULT[kind]} == {n: (v, "default") for n, v in DEFAULT[kind].items()}
    with sqlite3.connect(root / "reticent.db") as database:
        ((schema, profile),) = database.execute("SELECT schema, profile FROM dataset").fetchall()
    assert json.loads(schema)["dataset"]["fingerprint"] == trainer.train_dataset._fingerprint
    assert json.loads(profile)["dataset"]["rows"] == 6
    assert find(TOKEN, root) == []


def test_what_trl_takes_by_itself(root: Path, tmp_path: Path) -> None:
    with reticent.start_run() as run:
        for name, more in {"told": {"bf16": False}, "untold": {}}.items():
            trainer = sft(tmp_path / "out")
            trainer.args = trl.SFTConfig(output_dir=str(tmp_path / name), use_cpu=True, report_to=[], **more)
            capture = Capture(run, f"{name}.", Options(), "transformers")
            params.log(capture, trainer)
    assert reticent.flush(60)
    found = told_of_params(root)
    assert (found["told.bf16"], found["untold.bf16"]) == (("False", "explicit"), ("True", "derived"))


def test_a_second_training_is_a_run_of_its_own(root: Path, tmp_path: Path) -> None:
    reticent.autolog()
    trainer = sft(tmp_path / "out")
    trainer.train()
    trainer.train()
    one, other = captured(root)
    for run in (one, other):
        assert (run.status, run.models, run.datasets, run.warnings) == ("FINISHED", ["model"], [("train", "train")], [])
        assert [step for step, _ in run.metrics["loss"]] == [1, 2, 3]
