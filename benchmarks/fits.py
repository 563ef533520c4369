"""What does autologging add to a fit on the training thread, from the second fit on?

Bare and autologged fits of the same data in one process, interleaved; metrics, curves, data set and saved model included.
What is done in the background (pictures, sealing) is waited for between the fits, so that it burdens none of them. One
thread each for BLAS and OpenMP: with more, the times of the bare fits vary by more than what is added.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile

REPEATS = 15

SCRIPT = """
import json, statistics, sys, time, warnings
warnings.simplefilter("ignore")
import numpy
import xgboost
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
import reticent

X, y = load_breast_cancer(return_X_y=True)
data, valid = xgboost.DMatrix(X[:450], y[:450]), xgboost.DMatrix(X[450:], y[450:])
params = {"objective": "binary:logistic", "max_depth": 3, "eval_metric": ["logloss", "auc"], "nthread": 1}

def sklearn():
    LogisticRegression(max_iter=200).fit(X, y)

def xgb():
    xgboost.train(params, data, num_boost_round=30, evals=[(data, "train"), (valid, "valid")], verbose_eval=False)

def seconds(fit):
    start = time.perf_counter()
    fit()
    return time.perf_counter() - start

rows = []
for name, fit in {"LogisticRegression.fit, breast cancer": sklearn, "xgboost.train, 30 rounds": xgb}.items():
    bare, logged = [], []
    for repeat in range(int(sys.argv[1]) + 1):
        bare.append(seconds(fit))
        reticent.autolog()
        logged.append(seconds(fit))
        reticent.autolog(disable=True)
        assert reticent.flush(60)
    first = logged[0] - bare[0]
    added = sorted(after - before for before, after in zip(bare[1:], logged[1:]))
    rows.append({
        "fit": name,
        "bare ms": statistics.median(bare[1:]) * 1e3,
        "autologged ms": statistics.median(logged[1:]) * 1e3,
        "added ms (median)": statistics.median(added) * 1e3,
        "p90 ms": added[int(len(added) * 0.9)] * 1e3,
        "added to the first fit ms": first * 1e3,
    })
print(json.dumps(rows))
"""


def measure() -> list[dict[str, object]]:
    with tempfile.TemporaryDirectory() as root:
        output = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(REPEATS)],
            env={**os.environ, "RETICENT_DIR": root, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    rows: list[dict[str, object]] = json.loads(output)
    return rows
