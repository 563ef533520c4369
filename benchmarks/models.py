"""How long does training wait for `log_model`, and how much memory does it take? Beside MLflow.

Each model is logged once without counting, then several times, in a process of its own; what is done in the background is
waited for in between. Memory is the peak of the process over what it had before, in the first call that is counted.
MLflow logs to SQLite and a directory.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile

REPEATS = 7

SCRIPT = """
import json, os, statistics, sys, threading, time, warnings
warnings.simplefilter("ignore")
tracker, kind, repeats = sys.argv[1], sys.argv[2], int(sys.argv[3])
import numpy, psutil
X = numpy.random.default_rng(0).normal(size=(2000, 20))
y = (X[:, 0] + X[:, 1] > 0).astype(int)
if kind == "forest":
    from sklearn.ensemble import RandomForestClassifier
    model = RandomForestClassifier(100, random_state=0).fit(X, y)
elif kind == "xgboost":
    import xgboost
    model = xgboost.train({"max_depth": 6, "nthread": 1}, xgboost.DMatrix(X, y), 30)
else:
    import torch
    model = torch.nn.Sequential(*(torch.nn.Linear(1024, 1024) for _ in range(24)))

if tracker == "reticent":
    import reticent
    run = reticent.start_run()
    def log(number):
        run.log_model(model, f"model{number}")
    def wait():
        assert reticent.flush(300)
else:
    import logging
    import mlflow
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    mlflow.set_tracking_uri("sqlite:///mlflow.db")
    mlflow.start_run()
    save = {"forest": "sklearn", "xgboost": "xgboost", "torch": "pytorch"}[kind]
    options = {"serialization_format": "pickle"} if kind == "torch" else {}
    log_model = getattr(__import__(f"mlflow.{save}"), save).log_model
    def log(number):
        log_model(model, name=f"model{number}", **options)
    def wait():
        pass

times = []
me, done, peak = psutil.Process(), threading.Event(), 0
def watch():
    global peak
    while not done.wait(0.001):
        peak = max(peak, me.memory_info().rss)
for number in range(repeats + 1):
    if number == 1:
        before = me.memory_info().rss
        watcher = threading.Thread(target=watch)
        watcher.start()
    start = time.perf_counter()
    log(number)
    times.append(time.perf_counter() - start)
    wait()
    if number == 1:
        done.set()
        watcher.join()
times = sorted(times[1:])
print(json.dumps({"ms": statistics.median(times) * 1e3, "p90": times[int(len(times) * 0.9)] * 1e3,
                  "memory": max(0, peak - before) / 1e6}))
os._exit(0)
"""

MODELS = {
    "scikit-learn forest, 100 trees": "forest",
    "XGBoost, 30 rounds": "xgboost",
    "PyTorch, 100 MB": "torch",
}


def measure() -> list[dict[str, object]]:
    rows = []
    for name, kind in MODELS.items():
        ours, theirs = _log("reticent", kind, REPEATS), _log("mlflow", kind, 3)
        rows.append(
            {
                "model": name,
                "log_model ms": ours["ms"],
                "p90 ms": ours["p90"],
                "memory MB": ours["memory"],
                "MLflow ms": theirs["ms"],
                "MLflow memory MB": theirs["memory"],
                "ratio": theirs["ms"] / ours["ms"],
            }
        )
    return rows


def _log(tracker: str, kind: str, repeats: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as place:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, tracker, kind, str(repeats)],
            cwd=place,
            env={**os.environ, "RETICENT_DIR": os.path.join(place, "root"), "RETICENT_CAPTURE": '{"git": false}'},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return dict(json.loads(done.stdout.splitlines()[-1]))
