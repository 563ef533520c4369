"""Hugging Face Transformers: `Trainer.train`, `evaluate`, `predict` and `hyperparameter_search`, TRL's trainers included.

Captures TrainingArguments and the configs of model, generation and PEFT as a diff against the library's defaults, the
Trainer's logs by global step, its data sets, checkpoints, early stopping and the model with its tokenizer. A training
that is resumed from a checkpoint goes on in the run that wrote it. What the Trainer itself reports to stays as it is.
"""

from __future__ import annotations

from reticent.patching import Integration, Patch

integration = Integration(
    "transformers",
    module="transformers",
    requires=">=4.57",
    patches=(
        Patch("transformers.trainer:Trainer.train", f"{__name__}.training:train", subclasses=True, nested=True),
        Patch("transformers.trainer:Trainer.hyperparameter_search", f"{__name__}.training:search", subclasses=True),
        Patch("transformers.trainer:Trainer.evaluate", f"{__name__}.evaluations:evaluate", subclasses=True),
        Patch("transformers.trainer:Trainer.predict", f"{__name__}.evaluations:predict", subclasses=True),
    ),
    demo="reticent_integrations.transformers.demo",
)
