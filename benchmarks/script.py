"""What does autologging add to a whole script of eight trainings, from its start to its end?

Bare and autologged processes, interleaved. In the times are the imports, the pictures and the deliveries that the end
waits for; in the processor's time all threads and child processes.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from functools import partial

from benchmarks import processor
from benchmarks.environments import environment
from benchmarks.turns import Row, in_turns, ratio, rounds, spread

TRAININGS = """
import warnings
warnings.simplefilter("ignore")
import xgboost
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

cancer, digits, diabetes = (load(return_X_y=True) for load in (load_breast_cancer, load_digits, load_diabetes))
for C in (0.1, 1.0, 10.0):
    make_pipeline(StandardScaler(), LogisticRegression(C=C)).fit(*cancer)
RandomForestClassifier(200, n_jobs=2).fit(*digits)
GradientBoostingRegressor().fit(*diabetes)
GridSearchCV(SVC(), {"C": [0.1, 1.0, 10.0], "gamma": [0.001, 0.01]}, cv=3).fit(*digits)
GridSearchCV(Ridge(), {"alpha": [0.1, 1.0, 10.0]}, cv=5).fit(*diabetes)
xgboost.XGBClassifier(n_estimators=100, n_jobs=2).fit(*digits)
"""


def measure() -> list[Row]:
    names = {"bare": TRAININGS, "autologged": f"import reticent\nreticent.autolog()\n{TRAININGS}"}
    took = in_turns({name: partial(_run, code) for name, code in names.items()}, rounds(2))
    bare = took["bare"]
    return [
        {
            "script": name,
            "wall s": spread(wall for wall, _ in runs),
            "processor s": spread(busy for _, busy in runs),
            "wall, times bare": ratio([wall for wall, _ in runs], [wall for wall, _ in bare]),
            "processor, times bare": ratio([busy for _, busy in runs], [busy for _, busy in bare]),
        }
        for name, runs in took.items()
    ]


def _run(code: str) -> tuple[float, float]:
    before, start = processor.of_ended(), time.perf_counter()
    with tempfile.TemporaryDirectory() as place:
        # BLAS and OpenMP have one thread each; where the script wants workers, it says how many.
        own = environment({"RETICENT_DIR": f"{place}/root"})
        subprocess.run([sys.executable, "-c", code], env=own, cwd=place, check=True)
        return time.perf_counter() - start, processor.of_ended() - before
