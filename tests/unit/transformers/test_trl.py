"""Trainers of TRL, which are Transformers' with more arguments and metrics."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.contract import tiny_transformers as tiny
from transformers import GPT2Config, GPT2LMHeadModel

import reticent
from reticent.testing import captured

trl = pytest.importorskip("trl", reason="TRL is not installed")
datasets = pytest.importorskip("datasets", reason="Datasets, which TRL trains with, is not installed")


def train(place: Path) -> list[bytes]:
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=19, n_positions=32, n_embd=16, n_layer=1, n_head=2, bos_token_id=2, eos_token_id=3)
    config.resid_pdrop = config.embd_pdrop = config.attn_pdrop = 0.0
    told = trl.SFTConfig(
        output_dir=str(place),
        use_cpu=True,
        bf16=False,
        max_steps=3,
        per_device_train_batch_size=2,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        max_length=8,
        gradient_checkpointing=False,
    )
    rows = datasets.Dataset.from_dict({"text": tiny.TEXTS * 2})
    words = tiny.tokenizer()
    words.eos_token = "[SEP]"
    trainer = trl.SFTTrainer(GPT2LMHeadModel(config), told, train_dataset=rows, processing_class=words)
    trainer.train()
    return [one.detach().numpy().tobytes() for one in trainer.model.parameters()]


def test_sft_is_one_run_with_what_trl_adds(root: Path, tmp_path: Path) -> None:
    plain = train(tmp_path / "plain")
    reticent.autolog()
    assert train(tmp_path / "logged") == plain
    (run,) = captured(root)
    assert (run.status, run.parent_id, run.warnings) == ("FINISHED", None, [])
    assert [step for step, _ in run.metrics["loss"]] == [1, 2, 3]
    for added in ("mean_token_accuracy", "num_tokens", "entropy"):
        assert [step for step, _ in run.metrics[added]] == [1, 2, 3]
    assert (run.params["max_length"], run.params["packing"], run.params["max_steps"]) == ("8", "False", "3")
    assert run.models == ["model"]
    assert [context for _, context in run.datasets] == ["train"]
