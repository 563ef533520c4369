"""Studies of Optuna, whose trials run in threads that know nothing of the run around the study."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import optuna
import pytest
from sklearn.linear_model import LogisticRegression, SGDClassifier

import reticent
from reticent.testing import captured

optuna.logging.set_verbosity(optuna.logging.ERROR)

pytestmark = pytest.mark.usefixtures("autolog")


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("own", ["no run", "a run", "a run for each trial"])
def test_each_trial_is_a_run(jobs: int, own: str, cancer: Any, root: Path) -> None:
    def objective(trial: Any) -> float:
        around = reticent.start_run(nested=True) if own == "a run for each trial" else nullcontext()
        with around:
            c = trial.suggest_float("C", 0.01, 10, log=True)
            return float(LogisticRegression(C=c).fit(*cancer).score(*cancer))

    study = optuna.create_study(direction="maximize")
    around = nullcontext() if own == "no run" else reticent.start_run("study")
    with around as outer:
        study.optimize(objective, n_trials=6, n_jobs=jobs)
    chosen = sorted(str(trial.params["C"]) for trial in study.trials)
    runs = captured(root)
    assert [run.warnings for run in runs] == [[]] * len(runs)
    if own == "a run" and jobs == 1:  # fits in a run, one after the other, are told apart by their names
        (run,) = runs
        assert sorted(value for name, value in run.params.items() if name.endswith("C")) == chosen
        return
    trials = [run for run in runs if outer is None or run.run_id != outer.run_id]
    assert sorted(run.params["C"] for run in trials) == chosen
    assert {run.parent_id for run in trials} == {None if outer is None else outer.run_id}
    assert {run.status for run in runs} == {"FINISHED"}


@pytest.mark.parametrize("around", [True, False])
def test_a_pruned_trial_is_no_failure(around: bool, cancer: Any, root: Path) -> None:
    class Pruning(SGDClassifier):  # type: ignore[misc] # scikit-learn's classes are not typed
        def fit(self, X: Any, y: Any) -> Any:
            super().fit(X, y)
            raise optuna.TrialPruned

    def objective(_: Any) -> float:
        with reticent.start_run() if around else nullcontext():
            return float(Pruning().fit(*cancer).score(*cancer))

    study = optuna.create_study()
    study.optimize(objective, n_trials=2)
    assert {trial.state.name for trial in study.trials} == {"PRUNED"}
    runs = captured(root)
    assert [(run.status, run.error, run.tags["pruned"]) for run in runs] == [("KILLED", None, "True")] * 2
