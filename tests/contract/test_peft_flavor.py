"""Models that PEFT adapts keep the contract: the adapter apart, and its base model with it as nobody else has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import pytest
import torch
import transformers
from peft import LoraConfig, PeftModel, PromptTuningConfig, TaskType, get_peft_model
from tests.contract import tiny_transformers as tiny
from tests.contract.flavors import FlavorMatrix

from reticent.testing import ModelCase
from reticent_integrations.transformers.flavor import flavor


class TestPeftFlavor(FlavorMatrix):
    flavor = flavor
    module = "peft"
    kinds = ("lora", "prompt tuning", "two adapters", "added adapter", "lora in a pipeline", "lora of gpt2")

    def case(self, kind: str) -> ModelCase:
        torch.manual_seed(1)
        if kind == "lora of gpt2":
            model = get_peft_model(tiny.gpt2(), _lora(TaskType.CAUSAL_LM, ["c_attn"]))
            parts = {"model": _moved(model), "tokenizer": tiny.tokenizer()}
            return ModelCase(parts, tiny.TEXTS)
        base = tiny.bert("text-classification")
        if kind == "added adapter":
            base.add_adapter(_lora(None, ["query", "value"]), "own")
            return ModelCase(_moved(base), {"input_ids": tiny.IDS})
        if kind == "prompt tuning":
            config: Any = PromptTuningConfig(task_type=TaskType.SEQ_CLS, num_virtual_tokens=2)
        else:
            config = _lora(TaskType.SEQ_CLS if kind != "lora" else None, ["query", "value"])
        model = _moved(get_peft_model(base, config))
        if kind == "two adapters":
            model.add_adapter("second", _lora(TaskType.SEQ_CLS, ["query"]))
            model.set_adapter("second")
            _moved(model)
        if kind == "lora in a pipeline":
            made = transformers.pipeline("text-classification", model=model, tokenizer=tiny.tokenizer(), device=-1)
            return ModelCase(made, tiny.TEXTS)
        return ModelCase(model, {"input_ids": tiny.IDS})

    def plant(self, model: Any, secret: str) -> bool:
        made = _model_of(model)
        (made.get_base_model() if isinstance(made, PeftModel) else made).config.note = secret
        return True

    def change(self, model: Any) -> bool:
        _moved(_model_of(model))
        return True

    def mlflow_saves(self, model: Any, kind: str, path: str) -> None:
        task = {"task": "text-generation"} if isinstance(model, dict) else {}
        mlflow.transformers.save_model(model, path, pip_requirements=["transformers"], **task)

    def test_mlflow_loads_it_as_a_function(self, kind: str, place: Path) -> None:
        if "pipeline" in kind or "gpt2" in kind:
            super().test_mlflow_loads_it_as_a_function(kind, place)

    def test_mlflow_loads_it_as_what_it_is(self, kind: str, place: Path) -> None:
        if "pipeline" in kind or "gpt2" in kind:
            super().test_mlflow_loads_it_as_what_it_is(kind, place)
            return
        case = self.case(kind)
        published = self.publish(place, case.model)
        loaded = mlflow.transformers.load_model(str(published.directory), return_type="components")
        assert self.same(self.mlflow_predicts(loaded["model"], kind, case.example), self.outputs(case))

    def test_what_mlflow_saved_is_loaded(self, kind: str, tmp_path: Path) -> None:
        if "pipeline" in kind or "gpt2" in kind:
            super().test_what_mlflow_saved_is_loaded(kind, tmp_path)


def _lora(task: Any, modules: list[str]) -> LoraConfig:
    return LoraConfig(r=2, target_modules=modules, task_type=task)


def _moved(model: Any) -> Any:
    """With other weights where it is trained: those of a new adapter change nothing."""
    with torch.no_grad():
        for weights in model.parameters():
            if weights.requires_grad:
                weights.add_(torch.randn_like(weights))
    return model


def _model_of(model: Any) -> Any:
    if isinstance(model, transformers.Pipeline):
        return model.model
    return model["model"] if isinstance(model, dict) else model


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow asks the hub for cards and licenses; here it need not wait for an answer."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
