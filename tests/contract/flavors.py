"""What our own flavours keep beyond their contract: the real MLflow loads what we write, and we what it writes."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import mlflow

from reticent.models import load_pyfunc
from reticent.testing import FlavorContract


class FlavorMatrix(FlavorContract):
    """The contract, and MLflow's own loaders."""

    unknown_to_mlflow: tuple[str, ...] = ()
    """Kinds that MLflow has no loader for."""

    def mlflow_predicts(self, model: Any, kind: str, example: Any) -> Any:
        """What a model gives that `mlflow.<flavor>.load_model` has loaded."""
        assert self.flavor.predict is not None
        return self.flavor.predict(model, example, {})

    def mlflow_saves(self, model: Any, kind: str, path: str) -> None:
        self._mlflow().save_model(model, path, pip_requirements=[self.module])  # it would look for them for seconds

    def _mlflow(self) -> Any:
        return import_module(f"mlflow.{self.flavor.name}")

    def test_mlflow_loads_it_as_a_function(self, kind: str, place: Path) -> None:
        if kind in self.unknown_to_mlflow:
            return
        case = self.case(kind)
        outputs = self.outputs(case)
        published = self.publish(place, case.model, input_example=case.example, signature_outputs=outputs)
        loaded = mlflow.pyfunc.load_model(str(published.directory))
        assert self.same(loaded.predict(case.example), outputs)

    def test_mlflow_loads_it_as_what_it_is(self, kind: str, place: Path) -> None:
        if kind in self.unknown_to_mlflow:
            return
        case = self.case(kind)
        outputs = self.outputs(case)
        published = self.publish(place, case.model)
        loaded = self._mlflow().load_model(str(published.directory))
        assert self.same(self.mlflow_predicts(loaded, kind, case.example), outputs)

    def test_what_mlflow_saved_is_loaded(self, kind: str, tmp_path: Path) -> None:
        if kind in self.unknown_to_mlflow:
            return
        case = self.case(kind)
        outputs = self.outputs(case)
        self.mlflow_saves(case.model, kind, str(tmp_path / "of_mlflow"))
        loaded = load_pyfunc(tmp_path / "of_mlflow", trust=True)
        assert self.same(loaded.predict(case.example), outputs)
