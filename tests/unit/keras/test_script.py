"""Models made of classes of a script, which no other process can import."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import mlflow.tensorflow
import numpy as np
import pytest

import reticent
from reticent.backends.sqlite.stored import StoredRun
from reticent.errors import ReticentError

X = np.arange(12, dtype="float32").reshape(4, 3)

SCRIPT = """
import json, sys, threading, time
import keras, numpy, reticent
reticent.autolog()

LOCK = threading.Lock()
FACTOR = 2.0

class Scale(keras.layers.Layer):
    def call(self, rows):
        {call}

def sharp(rows):
    return rows * FACTOR

def own_loss(true, predicted):
    return keras.ops.mean((true - predicted) ** 2)

class Net(keras.Model):
    def __init__(self, **config):
        super().__init__(**config)
        self.inner, self.scale = keras.layers.Dense(2, activation=sharp), Scale()

    def call(self, rows):
        return self.scale(self.inner(rows))

X = numpy.arange(12, dtype="float32").reshape(4, 3)

def local():
    class Local(keras.layers.Dense):
        pass
    return Local(2)

nets = [Net(), keras.Sequential([keras.Input((3,)), local(), Scale()])]
predictions = []
for net in nets:
    net.compile("sgd", own_loss)
    net.fit(X, X[:, :2], verbose=0)
    predictions.append(net.predict(X, verbose=0).tolist())
until = time.monotonic() + 60
while not all(run.tried_models() for run in reticent.search_runs()) and time.monotonic() < until:
    time.sleep(0.1)
loaded = reticent.load_model(f"runs:/{{reticent.search_runs()[-1].run_id}}/model", trust=True)
assert type(loaded) is Net, type(loaded)
json.dump(predictions, sys.stdout)
"""


def _trained(root: Path, tmp_path: Path, call: str) -> tuple[list[StoredRun], Any]:
    """The runs of the script, and what its models predict."""
    script = tmp_path / "train.py"
    script.write_text(SCRIPT.format(call=call))
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        timeout=250,
        env={**os.environ, "RETICENT_DIR": str(root)},
    )
    assert done.returncode == 0, done.stderr
    return list(reversed(reticent.search_runs())), json.loads(done.stdout)


def test_a_model_of_classes_of_a_script_loads_anywhere(root: Path, tmp_path: Path) -> None:
    runs, predictions = _trained(root, tmp_path, "return rows * FACTOR")
    assert [run.health.state for run in runs] == ["ok", "ok"]
    for run, expected in zip(runs, predictions, strict=True):
        assert [one.outcome for one in run.tried_models()] == ["loaded"]
        with pytest.raises(ReticentError, match=r"import \?\.\w+, .*trust=True"):
            reticent.load_model(f"runs:/{run.run_id}/model")
        loaded = reticent.load_model(f"runs:/{run.run_id}/model", trust=True)
        assert loaded.compiled
        assert np.allclose(loaded.predict(X, verbose=0), expected)
        of_mlflow = mlflow.tensorflow.load_model(str(root / "runs" / run.run_id / "artifacts" / "model"))
        assert np.allclose(of_mlflow.predict(X, verbose=0), expected)


def test_of_a_class_that_cannot_be_pickled_it_is_told_that_it_has_to_be_imported(root: Path, tmp_path: Path) -> None:
    """The script itself has it, another process has not. That is no trouble of the run's."""
    runs, _ = _trained(root, tmp_path, "LOCK.locked(); return rows * FACTOR")
    for run in runs:
        (tried,) = run.tried_models()
        assert (tried.outcome, run.health.state) == ("undefined", "ok")
        with pytest.raises(ReticentError, match="which the model is made of, is not found there; import what defines"):
            reticent.load_model(f"runs:/{run.run_id}/model", trust=True)
        assert tried.detail.partition(",")[0] in {"Net", "Scale", "sharp", "Local"}


def test_a_secret_that_a_class_of_the_script_holds_is_not_published(tmp_path: Path) -> None:
    token = "ghp_" + "a8Kx3Lq9Zt5Wm2Rv7Bn4Yc6Hd1Jf0Gs8Pe3U"
    script = f"""
import keras, numpy, reticent
reticent.autolog()
TOKEN = "{token[:10]}" + "{token[10:]}"

class Own(keras.layers.Layer):
    def call(self, rows):
        return rows * len(TOKEN)

net = keras.Sequential([keras.Input((3,)), Own(), keras.layers.Dense(1)])
net.compile("sgd", "mse")
net.fit(numpy.ones((4, 3)), numpy.ones(4), verbose=0)
assert reticent.flush(60)
"""
    (tmp_path / "train.py").write_text(script)
    root = tmp_path / "root"
    environment = {**os.environ, "RETICENT_DIR": str(root)}
    subprocess.run(
        [sys.executable, "train.py"], cwd=tmp_path, env=environment, check=True, timeout=300, capture_output=True
    )
    holding = [path for path in root.rglob("*") if path.is_file() and token.encode() in path.read_bytes()]
    assert [path.name for path in holding] == ["custom_objects.cloudpickle"], "it was stored at all"
    assert all("quarantine" in path.parts for path in holding)
