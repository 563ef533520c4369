"""The integration of Transformers keeps what integrations promise."""

from __future__ import annotations

import copy
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.contract import tiny_trainers
from transformers import PrinterCallback

from reticent.testing import Canary, ExampleCall, IntegrationContract
from reticent_integrations.transformers import integration


class TestTransformers(IntegrationContract):
    integration = integration
    code = """
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments
config = BertConfig(vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
rows = [{"input_ids": [1, 2, 3], "labels": 1}] * 4
told = TrainingArguments("out", use_cpu=True, max_steps=1, save_strategy="no", report_to=[], disable_tqdm=True)
Trainer(BertForSequenceClassification(config), told, train_dataset=rows).train()
"""

    @pytest.fixture(autouse=True)
    def directory(self, tmp_path: Path) -> None:
        self.place = tmp_path / "out"
        self.here = threading.local()
        # Made once: to make it is to reset what Accelerate knows, for all threads.
        self.told = tiny_trainers.arguments(self.place, **tiny_trainers.SAME_ORDER)

    def call(self) -> ExampleCall:
        return self._training(tiny_trainers.trainer(self.place, parts={"args": copy.copy(self.told)}))

    def call_with_secrets(self, canary: Canary) -> ExampleCall:
        told = {"hub_token": canary.keyed, "run_name": canary.shaped, "hub_model_id": f"api_key={canary.keyed}"}
        trainer = tiny_trainers.trainer(
            self.place, **told, parts={"eval_dataset": {canary.known: tiny_trainers.Texts()}}
        )
        trainer.remove_callback(PrinterCallback)  # which prints what data sets are called
        trainer.model.config.api_key = canary.keyed
        trainer.model.config.id2label = {0: canary.shaped, 1: canary.known}
        return self._training(trainer)

    def failing_call(self, error: BaseException) -> ExampleCall:
        class Failing(tiny_trainers.Texts):
            def __getitem__(self, row: int) -> Any:
                raise error

        return self._training(tiny_trainers.trainer(self.place, parts={"train_dataset": Failing()}))

    def _training(self, trainer: Any) -> ExampleCall:
        self.here.trainer = trainer
        arguments = {"resume_from_checkpoint": None, "trial": None, "ignore_keys_for_eval": ["hidden_states"]}
        return ExampleCall(
            trainer.train, arguments, optional=("resume_from_checkpoint", "trial", "ignore_keys_for_eval")
        )

    def outcome(self, returned: Any) -> object:
        trainer = self.here.trainer
        timed = ("_runtime", "_per_second")
        weights = [(name, part.numpy().tobytes()) for name, part in trainer.model.state_dict().items()]
        history = [
            {name: value for name, value in logs.items() if not name.endswith(timed)}
            for logs in trainer.state.log_history
        ]
        callbacks = [type(callback) for callback in trainer.callback_handler.callbacks]
        return returned.global_step, returned.training_loss, weights, history, callbacks
