"""Training by many calls of `partial_fit`."""

from __future__ import annotations

import gc
import subprocess
import sys
import textwrap
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sklearn.cluster import MiniBatchKMeans
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

import reticent
from reticent.testing import captured

pytestmark = pytest.mark.usefixtures("autolog")


def batches(data: Any, count: int = 4, size: int = 100) -> Any:
    return [(data[0][i * size : (i + 1) * size].copy(), data[1][i * size : (i + 1) * size]) for i in range(count)]


def train(model: Any, data: Any) -> Any:
    for features, labels in batches(data):
        model.partial_fit(features, labels, classes=[0, 1])
    return model


def test_a_loop_is_one_run_until_its_estimator_is_no_more(cancer, root):
    reticent.autolog(disable=True)
    plain = train(SGDClassifier(random_state=0), cancer)
    reticent.autolog()
    model = train(SGDClassifier(random_state=0), cancer)
    assert model.coef_.tobytes() == plain.coef_.tobytes()
    assert reticent.active_run() is None
    assert [run.status for run in captured(root)] == ["RUNNING"]
    gone = weakref.ref(model)
    del model
    assert gone() is None
    (run,) = captured(root)
    assert run.status == "FINISHED"
    assert run.models == ["model"]
    assert run.params["random_state"] == "0"
    assert run.metrics["samples_seen"] == [(0, 100.0), (1, 200.0), (2, 300.0), (3, 400.0)]
    assert [step for step, _ in run.metrics["partial_fit_seconds"]] == [0, 1, 2, 3]
    assert run.datasets == [("dataset", "train")]
    assert run.warnings == []
    kept = reticent.load_model(f"runs:/{run.run_id}/model")
    assert kept.coef_.tobytes() == plain.coef_.tobytes()


def test_batches_are_not_kept(cancer, root):
    model = SGDClassifier()
    references = []
    for features, labels in batches(cancer):
        model.partial_fit(features, labels, classes=[0, 1])
        references.append(weakref.ref(features))
    del features, labels
    reticent.flush(60)
    gc.collect()
    assert [reference() for reference in references] == [None] * 4


def test_scores_meanwhile_are_points_of_one_metric(cancer, root):
    model = SGDClassifier()
    scores = []
    for features, labels in batches(cancer):
        model.partial_fit(features, labels, classes=[0, 1])
        scores.append(model.score(cancer[0][400:], cancer[1][400:]))
    del model
    (run,) = captured(root)
    assert run.metrics["SGDClassifier_score_eval"] == list(enumerate(scores))


def test_losses_of_a_network(cancer, root):
    model = MLPClassifier((4,), random_state=0)
    losses = []
    for features, labels in batches(cancer):
        model.partial_fit(features, labels, classes=[0, 1])
        losses.append(model.loss_)
    del model
    (run,) = captured(root)
    assert run.metrics["loss"] == list(enumerate(losses))


def test_in_the_users_run(cancer, root):
    with reticent.start_run("all"):
        first, second = SGDClassifier(), SGDClassifier(alpha=0.5)
        for features, labels in batches(cancer):
            first.partial_fit(features, labels, classes=[0, 1])
            second.partial_fit(features, labels, classes=[0, 1])
        del first, second
    (run,) = captured(root)
    assert (run.status, run.warnings) == ("FINISHED", [])
    assert len(run.metrics["samples_seen"]) == len(run.metrics["fit_2.samples_seen"]) == 4
    assert run.params["fit_2.alpha"] == "0.5"
    assert sorted(run.models) == ["fit_2.model", "model"]


def test_eight_estimators_in_four_threads(cancer, root):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: bool(train(SGDClassifier(max_iter=number), cancer)), range(1, 9)))
    runs = captured(root)
    assert sorted(run.params["max_iter"] for run in runs) == [str(number) for number in range(1, 9)]
    assert all(len(run.metrics["samples_seen"]) == 4 and run.status == "FINISHED" for run in runs)


def test_every_nth_call_and_the_last_one(cancer, root):
    reticent.autolog(every_n_steps=2)
    with reticent.start_run():
        train(SGDClassifier(), cancer)
        assert captured(root)[0].metrics["samples_seen"] == [(0, 100.0), (2, 300.0)]
    assert captured(root)[0].metrics["samples_seen"] == [(0, 100.0), (2, 300.0), (3, 400.0)]


def test_a_call_that_fails_fails_the_run(cancer, root):
    model = train(SGDClassifier(), cancer)
    with pytest.raises(ValueError, match="inconsistent numbers"):
        model.partial_fit(cancer[0], cancer[1][:3])
    train(model, cancer)
    del model
    failed, again = captured(root)
    assert (failed.status, again.status) == ("FAILED", "FINISHED")
    assert [len(run.metrics["samples_seen"]) for run in (failed, again)] == [4, 4]


def test_a_fit_is_another_training(cancer, root):
    model = train(SGDClassifier(), cancer).fit(*cancer)
    train(model, cancer)
    del model
    runs = captured(root)
    assert ["training_score" in run.metrics for run in runs] == [False, True, False]
    assert [run.models for run in runs] == [["model"]] * 3


def test_what_only_transforms_opens_no_run(cancer, root):
    StandardScaler().partial_fit(cancer[0])
    assert captured(root) == []
    MiniBatchKMeans(2).partial_fit(cancer[0])
    gc.collect()
    (run,) = captured(root)
    assert len(run.metrics["samples_seen"]) == 1


def test_a_metric_of_the_users_and_another_fit_meanwhile(cancer, root):
    model = SGDClassifier()
    for number, (features, labels) in enumerate(batches(cancer)):
        model.partial_fit(features, labels, classes=[0, 1])
        reticent.log_metric("mine", number)
    LogisticRegression().fit(*cancer)
    del model
    partial, fit = captured(root)
    assert len(partial.metrics["mine"]) == 4
    assert fit.tags["estimator_name"] == "LogisticRegression"
    assert fit.parent_id is None


@pytest.mark.parametrize("fails", [False, True])
def test_the_process_ends_the_run(fails, root, tmp_path):
    code = f"""
    import numpy as np, reticent
    reticent.autolog()
    from sklearn.linear_model import SGDClassifier
    model = SGDClassifier()
    for _ in range(3):
        model.partial_fit(np.eye(4), [0, 1, 0, 1], classes=[0, 1])
    if {fails}:
        raise RuntimeError("of the user's")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], cwd=tmp_path, capture_output=True, timeout=60)
    assert (done.returncode != 0) is fails, done.stderr.decode()
    (run,) = captured(root)
    assert run.status == ("FAILED" if fails else "FINISHED")
    assert run.models == ["model"]
    assert len(run.metrics["samples_seen"]) == 3
