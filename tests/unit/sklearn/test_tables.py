"""Curves and matrices that the user computes after the fit, by functions of `sklearn.metrics` or by its displays."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn import metrics
from sklearn.linear_model import LogisticRegression

import reticent
from reticent.testing import captured

pytestmark = pytest.mark.usefixtures("autolog")


@pytest.fixture
def model(cancer):
    return LogisticRegression(C=1e-3).fit(cancer[0][:300], cancer[1][:300])


@pytest.fixture
def test(cancer):
    return cancer[0][300:].copy(), cancer[1][300:]


def late(root):
    """What the one run has of the data `eval`: numbers, and files by their names, JSON as what it says."""
    (run,) = captured(root)
    place = root / "runs" / run.run_id / "artifacts"
    files = {path.name: path for path in place.iterdir() if "_eval." in path.name}
    pictures = {name for name, path in files.items() if path.read_bytes().startswith(b"\x89PNG")}
    tables = {name: json.loads(path.read_text()) for name, path in files.items() if name.endswith(".json")}
    assert run.warnings == []
    return {key: points[0][1] for key, points in run.metrics.items() if key.endswith("_eval")}, tables, pictures


def test_curves_have_their_points_pictures_and_areas(model, test, root):
    scores = model.predict_proba(test[0])[:, 1]
    fall_out, recall, at = metrics.roc_curve(test[1], scores)
    area = metrics.auc(fall_out, recall)
    precision, found, thresholds = metrics.precision_recall_curve(test[1], scores, pos_label=1)
    other = metrics.auc(found, precision)
    missed = metrics.det_curve(test[1], scores)[1]
    average = metrics.average_precision_score(test[1], scores)
    numbers, tables, pictures = late(root)
    assert numbers == {"auc_eval": area, "auc-2_eval": other, "average_precision_score_eval": average}
    assert pictures == {"roc_curve_eval.png", "precision_recall_curve_eval.png"}
    (roc,), (pr,) = (tables[f"{name}_eval.json"]["curves"] for name in ("roc_curve", "precision_recall_curve"))
    assert roc["false_positive_rate"] == pytest.approx(fall_out, rel=1e-5)
    assert roc["true_positive_rate"] == pytest.approx(recall, rel=1e-5)
    assert (roc["label"], roc["threshold"][0]) == ("1", "inf")
    assert roc["threshold"][1:] == pytest.approx(at[1:], rel=1e-5)
    assert roc["auc"] == pytest.approx(area)
    assert pr["precision"] == pytest.approx(precision[-2::-1], rel=1e-5)
    assert pr["recall"] == pytest.approx(found[-2::-1], rel=1e-5)
    assert pr["threshold"] == pytest.approx(thresholds[::-1], rel=1e-5)
    assert pr["average_precision"] == pytest.approx(average)
    assert pr["share_of_positives"] == pytest.approx(test[1].mean())
    assert tables["det_curve_eval.json"]["curves"][0]["false_negative_rate"] == pytest.approx(missed, rel=1e-5)


def test_matrices(model, test, root):
    predicted = model.predict(test[0])
    matrix = metrics.confusion_matrix(test[1], predicted)
    several = metrics.multilabel_confusion_matrix(test[1], predicted, labels=[1, 0])
    _, tables, pictures = late(root)
    expected = {"confusion_matrix_eval.json": matrix, "multilabel_confusion_matrix_eval.json": several}
    assert tables == {name: table.tolist() for name, table in expected.items()}
    assert pictures == {"confusion_matrix_eval.png"}


def test_displays_show_what_their_functions_give(model, test, root):
    display = metrics.RocCurveDisplay.from_estimator(model, *test)
    metrics.PrecisionRecallDisplay.from_predictions(test[1], model.decision_function(test[0]))
    metrics.DetCurveDisplay.from_estimator(model, *test)
    metrics.ConfusionMatrixDisplay.from_estimator(model, *test)
    numbers, tables, pictures = late(root)
    curves = {"roc_curve_eval", "precision_recall_curve_eval", "confusion_matrix_eval"}
    assert numbers["auc_eval"] == display.roc_auc
    assert tables.keys() == {f"{name}.json" for name in (*curves, "det_curve_eval")}
    assert pictures == {f"{name}.png" for name in curves}


def test_a_curve_of_many_points_is_bounded_and_keeps_its_ends(root):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30_000, 1)), rng.integers(0, 2, 30_000)
    reticent.autolog(log_datasets=False)
    model = LogisticRegression().fit(X[:100], y[:100])
    metrics.roc_curve(y, model.decision_function(X), drop_intermediate=False)
    metrics.precision_recall_curve(y, model.decision_function(X))
    _, tables, _ = late(root)
    for name in ("roc_curve", "precision_recall_curve"):
        (curve,) = tables[f"{name}_eval.json"]["curves"]
        lengths = {len(points) for points in curve.values() if isinstance(points, list)}
        assert lengths == {1000}
    assert [tables["roc_curve_eval.json"]["curves"][0]["true_positive_rate"][at] for at in (0, -1)] == [0, 1]


def test_what_has_no_curve_is_left_out(model, test, root):
    with pytest.warns(metrics.UndefinedMetricWarning if hasattr(metrics, "UndefinedMetricWarning") else UserWarning):
        metrics.roc_curve(np.ones(len(test[1])), model.decision_function(test[0]))
    metrics.auc(np.array([0.0, 1.0]), np.array([0.0, 1.0]))
    assert late(root) == ({}, {}, set())
