"""Params of a Trainer: a diff against what the libraries would have taken by themselves."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from peft import LoraConfig, get_peft_model
from tests.contract import tiny_trainers
from tests.contract import tiny_transformers as tiny
from transformers import CLIPConfig, CLIPModel, GenerationConfig, ProcessorMixin

import reticent
from reticent.patching import Capture, Options
from reticent_integrations.transformers import params, tokenizers

from .conftest import MakeTrainer


def logged(root: Path, trainer: Any) -> dict[str, tuple[str, str]]:
    with reticent.start_run() as run:
        params.log(Capture(run, "", Options(), "transformers"), trainer)
    assert reticent.flush(60)
    with sqlite3.connect(root / "reticent.db") as database:
        rows = database.execute("SELECT key, value, origin FROM param").fetchall()
    return {key: (value, origin) for key, value, origin in rows}


def test_training_arguments(root: Path, make_trainer: MakeTrainer) -> None:
    told = {"load_best_model_at_end": True, "save_strategy": "steps", "save_steps": 3, "warmup_steps": 2}
    found = logged(root, make_trainer(**told, hub_token="correct-horse", lr_scheduler_type="cosine"))
    assert found["warmup_steps"] == ("2", "explicit")
    assert found["lr_scheduler_type"] == ("cosine", "explicit")
    assert found["adam_beta1"] == ("0.9", "default")
    assert found["metric_for_best_model"] == ("loss", "derived")
    assert found["greater_is_better"] == ("False", "derived")
    assert found["hub_token"] == ("[REDACTED:key-hub-token]", "explicit")
    assert found["accelerator_config"][1] == "derived"


def test_a_token_that_was_not_given_is_none(root: Path, make_trainer: MakeTrainer) -> None:
    assert logged(root, make_trainer())["hub_token"] == ("None", "default")


def test_what_generates_differently(root: Path, make_trainer: MakeTrainer) -> None:
    model = tiny.gpt2()
    model.generation_config = GenerationConfig.from_model_config(model.config)
    model.generation_config.update(temperature=0.5, do_sample=True)
    found = logged(root, make_trainer(parts={"model": model}))
    generation = {name: value for name, value in found.items() if name.startswith("generation.")}
    assert generation == {"generation.temperature": ("0.5", "explicit"), "generation.do_sample": ("True", "explicit")}


def test_a_model_of_several_parts(root: Path, make_trainer: MakeTrainer) -> None:
    small = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    vision = {**small, "image_size": 8, "patch_size": 4}
    model = CLIPModel(CLIPConfig(text_config={**small, "vocab_size": 20}, vision_config=vision, projection_dim=8))
    found = logged(root, make_trainer(parts={"model": model, "processing_class": None}))
    assert found["text_config.hidden_size"] == ("8", "explicit")
    assert found["vision_config.patch_size"] == ("4", "explicit")
    assert found["vision_config.num_channels"] == ("3", "default")


def test_adapters_by_name(root: Path, make_trainer: MakeTrainer) -> None:
    model = get_peft_model(tiny_trainers.model(), LoraConfig(task_type="SEQ_CLS", r=2, target_modules=["query"]))
    model.add_adapter("second", LoraConfig(task_type="SEQ_CLS", r=3, target_modules=["key"]))
    found = logged(root, make_trainer(parts={"model": model}))
    assert (found["peft.default.r"], found["peft.second.r"]) == (("2", "explicit"), ("3", "explicit"))
    assert found["hidden_size"] == ("16", "explicit")
    assert found["num_trainable_parameters"] < found["num_parameters"]


def test_tokenizers_are_told_apart(root: Path) -> None:
    one, same, more = tiny.tokenizer(), tiny.tokenizer(), tiny.tokenizer()
    more.add_tokens(["elephant"])
    one("the cat", padding="max_length", max_length=9, truncation=True)  # how it was called last is no part of it
    assert tokenizers.digest(one) == tokenizers.digest(same) != tokenizers.digest(more)
    before = tokenizers.digest(same)
    same.add_tokens(["elephant"])
    assert tokenizers.digest(same) != before


def test_the_tokenizer_of_a_processor(root: Path) -> None:
    class Processor(ProcessorMixin):  # type: ignore[misc] # Transformers' classes are not typed
        def __init__(self, tokenizer: Any) -> None:
            self.tokenizer = tokenizer

    told = tokenizers.describe(Processor(tiny.tokenizer()))
    assert told["processor_class"] == "Processor"
    assert told["tokenizer_vocab_size"] == 19


@pytest.mark.parametrize("nothing", [None, object()])
def test_no_tokenizer(nothing: object) -> None:
    assert "tokenizer_digest" not in tokenizers.describe(nothing)
