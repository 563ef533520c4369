"""The other backends of Keras, each in a process of its own, as a process has one; and from one to the other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reticent.models import load_pyfunc

MAKE = """
import resource, sys
from pathlib import Path
import keras, mlflow
import numpy as np
from reticent.models import load_pyfunc
from reticent.testing import FlavorContract
from reticent_integrations.keras.flavor import _finish, _save

def peak():
    "The most memory that was in use since the last time, in bytes."
    peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM:")) << 10
    open("/proc/self/clear_refs", "w").write("5")
    return peak

place = Path(sys.argv[1])
rows = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
hidden = [keras.layers.Dense(3, activation="relu"), keras.layers.BatchNormalization()]
model = keras.Sequential([keras.Input((4,)), *hidden, keras.layers.Dense(1)])
model.compile("adam", "mse")
model.fit(rows, rows[:, :1], verbose=0)
outputs = model.predict(rows, verbose=0)
published = FlavorContract().publish(place, model, input_example=rows, signature_outputs=outputs)
assert np.allclose(load_pyfunc(published.directory).predict(rows), outputs)
assert np.allclose(mlflow.pyfunc.load_model(str(published.directory)).predict(rows), outputs)
np.savez(place / "made.npz", rows=rows, outputs=outputs)

if keras.config.backend() == "torch":
    import onnxruntime
    from reticent_integrations.keras.flavor import flavor
    session = onnxruntime.InferenceSession(flavor.to_onnx(model, rows[:2]))
    assert np.allclose(session.run(None, {session.get_inputs()[0].name: rows})[0], outputs, atol=1e-6)

large = keras.Sequential([keras.Input((1000,)), *[keras.layers.Dense(1000) for _ in range(60)]])
size = large.count_params() * 4
before, _ = peak(), (place / "saved").mkdir()
flavors = _save(large, place / "saved")
saved, _ = peak(), (place / "finished").mkdir()
_finish(place / "saved", place / "finished", flavors)
finished = peak()
assert (place / "finished" / "data" / "model.keras").stat().st_size > size
assert max(saved, finished) - before < size / 4, (before, saved, finished, size)
"""

ASK = """
import sys
from reticent.models import load_model
load_model(sys.argv[1])
import keras
print(keras.config.backend())
"""


def _run(code: str, *arguments: str, **environment: str) -> str:
    env = {**{name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}, **environment}
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, env=env)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module", params=["torch", "jax"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    place = tmp_path_factory.mktemp(request.param) / "runs" / "one"
    place.mkdir(parents=True)
    _run(MAKE, str(place), KERAS_BACKEND=request.param)
    return request.param, place


def test_models_of_a_backend_are_loaded_by_another(made: tuple[str, Path]) -> None:
    _, place = made
    told: Any = np.load(place / "made.npz")
    loaded = load_pyfunc(place / "artifacts" / "model")
    assert np.allclose(loaded.predict(told["rows"]), told["outputs"], atol=1e-5)


@pytest.mark.parametrize("made", ["jax"], indirect=True)
def test_the_backend_is_that_of_the_model_if_none_was_chosen(made: tuple[str, Path]) -> None:
    backend, place = made
    assert _run(ASK, str(place / "artifacts" / "model")).split()[-1] == backend


def test_the_backend_is_among_the_requirements(made: tuple[str, Path]) -> None:
    backend, place = made
    required = (place / "artifacts" / "model" / "requirements.txt").read_text().splitlines()
    assert {backend, "keras"} <= {line.partition("==")[0] for line in required}
