"""The flavour of Transformers keeps the contract, for models alone, with their tokenizer, and in pipelines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import pytest
import torch
import transformers
from tests.contract import tiny_transformers as tiny
from tests.contract.flavors import FlavorMatrix

from reticent.testing import ModelCase
from reticent_integrations.transformers.flavor import flavor

TASKS = (
    "text-classification",
    "token-classification",
    "fill-mask",
    "text-generation",
    "feature-extraction",
    "image-classification",
)


class TestTransformersFlavor(FlavorMatrix):
    flavor = flavor
    module = "transformers"
    kinds = ("model", "model with tokenizer", "all labels", *TASKS)

    def case(self, kind: str) -> ModelCase:
        if kind == "model":
            return ModelCase(tiny.bert("model"), {"input_ids": tiny.IDS})
        if kind == "model with tokenizer":
            parts = {"model": tiny.bert("text-classification"), "tokenizer": tiny.tokenizer()}
            return ModelCase(parts, tiny.TEXTS)
        if kind == "all labels":
            return ModelCase(tiny.pipeline("text-classification", top_k=None), tiny.TEXTS)
        return ModelCase(tiny.pipeline(kind), tiny.images() if kind.startswith("image") else tiny.texts(kind))

    def plant(self, model: Any, secret: str) -> bool:
        _model_of(model).config.note = secret
        return True

    def change(self, model: Any) -> bool:
        with torch.no_grad():
            for weights in _model_of(model).parameters():
                weights.copy_(torch.randn_like(weights))
        return True

    def mlflow_saves(self, model: Any, kind: str, path: str) -> None:
        task = {"task": "text-classification"} if kind == "model with tokenizer" else {}
        requirements = ["transformers"]
        mlflow.transformers.save_model(model, path, pip_requirements=requirements, **task)

    def test_mlflow_loads_it_as_a_function(self, kind: str, place: Path) -> None:
        if kind != "model":
            super().test_mlflow_loads_it_as_a_function(kind, place)

    def test_mlflow_loads_it_as_what_it_is(self, kind: str, place: Path) -> None:
        if kind != "model":
            if kind != "all labels":  # MLflow gives such options to its function only
                super().test_mlflow_loads_it_as_what_it_is(kind, place)
            return
        case = self.case(kind)
        published = self.publish(place, case.model)
        loaded = mlflow.transformers.load_model(str(published.directory), return_type="components")
        assert self.same(self.mlflow_predicts(loaded["model"], kind, case.example), self.outputs(case))

    def test_what_mlflow_saved_is_loaded(self, kind: str, tmp_path: Path) -> None:
        if kind not in ("model", "all labels"):  # MLflow saves none without a tokenizer, and no options of a pipeline
            super().test_what_mlflow_saved_is_loaded(kind, tmp_path)


def _model_of(model: Any) -> Any:
    if isinstance(model, transformers.Pipeline):
        return model.model
    return model["model"] if isinstance(model, dict) else model


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow asks the hub for cards and licenses; here it need not wait for an answer."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
