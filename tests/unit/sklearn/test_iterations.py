"""Losses and scores of each iteration, and early stopping."""

from __future__ import annotations

import pytest
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from reticent.testing import captured

pytestmark = [
    pytest.mark.usefixtures("autolog"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]


def values(run, name):
    return [value for _, value in run.metrics[name]]


def stopping(run):
    metrics = {
        name: run.metrics[name][0][1] for name in ("best_step", "stopped_step", "best_score") if name in run.metrics
    }
    tags = {name.removeprefix("early_stopping_"): tag for name, tag in run.tags.items() if "early_stopping_" in name}
    return metrics, tags


def test_boosted_histograms(cancer, root):
    options = {"early_stopping": True, "n_iter_no_change": 3, "random_state": 0, "max_leaf_nodes": 4}
    model = HistGradientBoostingClassifier(max_iter=200, **options).fit(*cancer)
    HistGradientBoostingClassifier(max_iter=4, **options).fit(*cancer)
    HistGradientBoostingClassifier(max_iter=4, max_leaf_nodes=4).fit(*cancer)
    stopped, whole, plain = captured(root)
    assert values(stopped, "validation_score") == model.validation_score_.tolist()
    assert values(stopped, "train_score") == model.train_score_.tolist()
    best = max(model.validation_score_)
    assert stopping(stopped) == (
        {
            "best_step": model.validation_score_.tolist().index(best),
            "stopped_step": model.n_iter_,
            "best_score": best,
        },
        {"monitor": "validation_score", "reason": "no improvement", "patience": "3"},
    )
    assert stopping(whole)[1]["reason"] == "all steps trained"
    assert whole.metrics["stopped_step"] == [(4, 4.0)]
    assert stopping(plain) == ({}, {})


def test_a_network(cancer, root):
    scored = MLPClassifier((4,), early_stopping=True, max_iter=300, n_iter_no_change=3, random_state=0).fit(*cancer)
    lost = MLPClassifier((4,), max_iter=5, random_state=0).fit(*cancer)
    first, second = captured(root)
    assert values(first, "loss") == lost_values(scored)
    assert values(first, "validation_score") == scored.validation_scores_
    metrics, tags = stopping(first)
    assert metrics["best_score"] == scored.best_validation_score_
    assert metrics["stopped_step"] == scored.n_iter_ - 1
    assert tags == {"monitor": "validation_score", "reason": "no improvement", "patience": "3"}
    assert stopping(second) == (
        {"best_step": 4, "stopped_step": 4, "best_score": lost.best_loss_},
        {"monitor": "loss", "reason": "all steps trained", "patience": "10"},
    )


def lost_values(model):
    return [float(loss) for loss in model.loss_curve_]


def test_gradient_boosting(cancer, root):
    model = GradientBoostingClassifier(n_estimators=300, n_iter_no_change=2, max_depth=1, subsample=0.5, random_state=0)
    model.fit(*cancer)
    (run,) = captured(root)
    assert values(run, "train_score") == model.train_score_.tolist()
    assert values(run, "oob_improvement") == model.oob_improvement_.tolist()
    assert model.n_estimators_ < 300
    assert stopping(run) == (
        {"stopped_step": model.n_estimators_ - 1},
        {"monitor": "validation_loss", "reason": "no improvement", "patience": "2"},
    )


def test_gradient_descent(cancer, root):
    model = SGDClassifier(early_stopping=True, n_iter_no_change=4, random_state=0).fit(*cancer)
    SGDClassifier(max_iter=2, random_state=0).fit(*cancer)
    SGDClassifier(max_iter=2, tol=None, random_state=0).fit(*cancer)
    stopped, whole, endless = captured(root)
    assert stopping(stopped) == (
        {"best_step": model.n_iter_ - 5, "stopped_step": model.n_iter_ - 1},
        {"monitor": "validation_score", "reason": "no improvement", "patience": "4"},
    )
    assert stopping(whole) == (
        {"stopped_step": 1},
        {"monitor": "loss", "reason": "all steps trained", "patience": "5"},
    )
    assert stopping(endless) == ({}, {})


def test_of_the_last_step_and_of_the_best_estimator(cancer, root):
    network = MLPClassifier((3,), max_iter=4, random_state=0)
    make_pipeline(StandardScaler(), network).fit(*cancer)
    GridSearchCV(make_pipeline(StandardScaler(), network), {"mlpclassifier__alpha": [0.1]}, cv=2).fit(*cancer)
    for run in captured(root):
        if run.parent_id is None:
            assert len(run.metrics["loss"]) == 4


def test_how_many_iterations_it_took(cancer, root):
    model = LogisticRegression().fit(*cancer)
    (run,) = captured(root)
    assert run.metrics["n_iter"] == [(0, float(model.n_iter_[0]))]
    assert stopping(run) == ({}, {})
