"""Data of any kind reaches a model as tensors it can take, and what it gives is arrays."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import torch
from tests.contract.torch_models import Net
from torch import nn

from reticent_integrations.torch.inference import predict, to_onnx

ROWS = np.random.default_rng(0).normal(size=(3, 4))


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(5, 4)

    def forward(self, rows: torch.Tensor, ids: torch.Tensor, times: float = 1.0) -> dict[str, Any]:
        return {"sum": (rows + self.embedding(ids)) * times, "parts": (rows, ids), "name": "two"}


FORMS = {
    "float64": ROWS,
    "float32": ROWS.astype(np.float32),
    "frame": pd.DataFrame(ROWS),
    "list": ROWS.tolist(),
    "tensor": torch.from_numpy(ROWS).float(),
    "tuple": (ROWS,),
    "dict": {"x": ROWS},
    "in another order": np.asfortranarray(ROWS),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_rows(form: str) -> None:
    model = Net()
    expected = model(torch.from_numpy(ROWS).float()).detach().numpy()
    given = predict(model, FORMS[form], {})
    assert isinstance(given, pd.DataFrame if form == "frame" else np.ndarray)
    assert np.allclose(np.asarray(given), expected, atol=1e-6)


def test_a_frame_of_integers_and_its_index() -> None:
    frame = pd.DataFrame([[1, 2, 3, 4], [5, 6, 7, 8]], index=["x", "y"])
    assert list(predict(Net(), frame, {}).index) == ["x", "y"]


def test_several_inputs_and_outputs_and_params() -> None:
    ids = np.array([1, 2, 3])
    model = Two()
    given = predict(model, {"ids": ids, "rows": ROWS}, {"times": 2.0})
    assert given["parts"][1].tolist() == [1, 2, 3]
    assert given["name"] == "two"
    assert np.allclose(given["sum"], 2 * predict(model, (ROWS, ids), {})["sum"])


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_floats_are_converted_to_the_parameters_dtype(dtype: torch.dtype) -> None:
    given = predict(nn.Linear(4, 2).to(dtype), ROWS, {})
    assert given.dtype == (np.float32 if dtype == torch.bfloat16 else str(dtype).partition(".")[2])


def test_the_data_is_not_written_to_and_nothing_is_warned_of() -> None:
    class InPlace(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mul_(2)

    rows = ROWS.astype(np.float32)
    rows.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        given = predict(InPlace(), rows, {})
    assert np.array_equal(given, rows * 2)
    assert np.array_equal(rows, ROWS.astype(np.float32))


def test_a_model_that_is_in_training_is_so_again() -> None:
    model = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(4).eval(), nn.Linear(4, 2))
    random = torch.get_rng_state()
    one, two = (predict(model, ROWS, {}) for _ in range(2))
    assert np.array_equal(one, two)
    assert [part.training for part in model.modules()] == [True, True, False, True]
    assert torch.equal(torch.get_rng_state(), random)
    with pytest.raises(RuntimeError):
        predict(model, ROWS[:, :2], {})
    assert model.training


@pytest.mark.parametrize("kind", ["module", "program"])
def test_onnx_gives_the_same_for_any_number_of_rows(kind: str) -> None:
    model: Any = Net().eval()
    rows = torch.from_numpy(ROWS).float()
    expected = predict(model, ROWS, {})
    if kind == "program":
        model = torch.export.export(model, (rows,), dynamic_shapes=({0: torch.export.Dim.AUTO},))
    session = onnxruntime.InferenceSession(to_onnx(model, ROWS[:2] if kind == "module" else None))
    [name] = [given.name for given in session.get_inputs()]
    assert np.allclose(session.run(None, {name: ROWS.astype(np.float32)})[0], expected, atol=1e-5)


def test_onnx_of_several_inputs_by_name() -> None:
    class Sum(nn.Module):
        def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            return a + b

    session = onnxruntime.InferenceSession(to_onnx(Sum(), {"a": ROWS[:2], "b": ROWS[:2]}))
    rows = ROWS.astype(np.float32)
    assert np.allclose(session.run(None, {"a": rows, "b": rows})[0], rows * 2)
