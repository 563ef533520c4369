"""Transformers Trainer.train, 6 steps"""

from __future__ import annotations

from collections.abc import Callable

MLFLOW = "mlflow.transformers"

reported_to: list[str] = []


def mlflow_switched(on: bool) -> None:
    """MLflow is logged to by a callback of Transformers' own, which is asked for."""
    reported_to[:] = ["mlflow"] if on else []


def prepare() -> Callable[[], object]:
    import torch
    from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments, logging

    logging.set_verbosity_error()
    config = BertConfig(
        vocab_size=100, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
    )
    data = [
        {"input_ids": torch.randint(0, 100, (16,)), "attention_mask": torch.ones(16, dtype=torch.long), "labels": n % 2}
        for n in range(48)
    ]

    def fit() -> object:
        arguments = TrainingArguments(
            "trained", max_steps=6, logging_steps=1, report_to=list(reported_to), disable_tqdm=True, use_cpu=True
        )
        return Trainer(BertForSequenceClassification(config), arguments, train_dataset=data).train()

    return fit
