"""Transformers Trainer.train"""

from __future__ import annotations

from collections.abc import Callable

MLFLOW = "mlflow.transformers"
SIZES = {
    "6 steps": {"steps": 6, "layers": 2, "width": 32},
    "30 steps, 3 MB": {"steps": 30, "layers": 4, "width": 128},
}

reported_to: list[str] = []


def mlflow_switched(on: bool) -> None:
    """MLflow is logged to by a callback of Transformers' own, which is asked for."""
    reported_to[:] = ["mlflow"] if on else []


def prepare(steps: int, layers: int, width: int) -> Callable[[], object]:
    import torch
    from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments, logging

    logging.set_verbosity_error()
    config = BertConfig(
        vocab_size=100,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=2 * width,
    )
    data = [
        {"input_ids": torch.randint(0, 100, (16,)), "attention_mask": torch.ones(16, dtype=torch.long), "labels": n % 2}
        for n in range(48)
    ]

    def fit() -> object:
        arguments = TrainingArguments(
            "trained", max_steps=steps, logging_steps=1, report_to=list(reported_to), disable_tqdm=True, use_cpu=True
        )
        return Trainer(BertForSequenceClassification(config), arguments, train_dataset=data).train()

    return fit
