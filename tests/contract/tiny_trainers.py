"""Trainers of Transformers for models that train in a moment, with nothing random in them, and no hub."""

from __future__ import annotations

import copy
import functools
import inspect
from pathlib import Path
from typing import Any

import torch
from tests.contract import tiny_transformers as tiny
from transformers import BertForSequenceClassification, Trainer, TrainingArguments

ROWS = 12

SAME_ORDER: dict[str, Any] = {"data_seed": 0}
"""Arguments of a training that takes its data in the same order each time, whatever another thread draws."""
if "train_sampling_strategy" in inspect.signature(TrainingArguments).parameters:
    SAME_ORDER = {"train_sampling_strategy": "sequential"}


class Texts(torch.utils.data.Dataset[Any]):
    """Token ids and a label for each."""

    def __init__(self, rows: int = ROWS, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.ids = torch.randint(5, 19, (rows, 6), generator=generator)
        self.labels = self.ids.sum(1) % 2

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, row: int) -> dict[str, Any]:
        return {"input_ids": self.ids[row], "labels": self.labels[row]}


@functools.cache
def _weights() -> Any:
    config = tiny.bert_config(num_labels=2, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return BertForSequenceClassification(config)


def model() -> Any:
    """The same weights each time, whatever another thread draws."""
    return copy.deepcopy(_weights())


def arguments(directory: Path, **changed: Any) -> TrainingArguments:
    told: dict[str, Any] = {
        "output_dir": str(directory),
        "use_cpu": True,
        "max_steps": 6,
        "per_device_train_batch_size": 2,
        "per_device_eval_batch_size": 4,
        "logging_steps": 1,
        "eval_strategy": "steps",
        "eval_steps": 3,
        "save_strategy": "no",
        "disable_tqdm": True,
        "report_to": [],
        "learning_rate": 0.01,
    }
    return TrainingArguments(**told | changed)


def trainer(directory: Path, kind: type[Trainer] = Trainer, parts: dict[str, Any] | None = None, **changed: Any) -> Any:
    parts = parts or {}
    told: dict[str, Any] = {
        "model": model(),
        "args": parts.get("args") or arguments(directory, **changed),
        "train_dataset": Texts(),
        "eval_dataset": Texts(8, seed=1),
        "processing_class": tiny.tokenizer(),
    }
    return kind(**told | parts)
