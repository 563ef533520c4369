"""The values of training metrics and curves are scikit-learn's."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn import metrics as reference
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer
from sklearn.semi_supervised import LabelPropagation, LabelSpreading, SelfTrainingClassifier
from sklearn.svm import SVC

from reticent_integrations.sklearn.curves import _curves
from reticent_integrations.sklearn.metrics import coded, evaluate
from reticent_integrations.sklearn.predictions import predict


@pytest.fixture(params=[2, 3, 7], ids=lambda count: f"{count} classes")
def labelled(request):
    count = request.param
    return make_classification(
        400, 10, n_informative=6, n_classes=count, n_clusters_per_class=1, flip_y=0.3, random_state=count
    )


def weights(rows):
    return np.random.default_rng(0).uniform(0.1, 3.0, rows)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("as_text", [False, True])
def test_of_a_classifier(labelled, weighted, as_text):
    features, labels = labelled
    labels = np.array([f"class {label}" for label in labels]) if as_text else labels
    weight = weights(len(labels)) if weighted else None
    model = LogisticRegression().fit(features, labels, sample_weight=weight)
    found = evaluate(model, features, labels, weight, 1.0)
    predicted, probabilities = model.predict(features), model.predict_proba(features)
    averaged = {"average": "weighted", "sample_weight": weight}
    expected = {
        "precision_score": reference.precision_score(labels, predicted, **averaged),
        "recall_score": reference.recall_score(labels, predicted, **averaged),
        "f1_score": reference.f1_score(labels, predicted, **averaged),
        "accuracy_score": reference.accuracy_score(labels, predicted, sample_weight=weight),
        "log_loss": reference.log_loss(labels, probabilities, sample_weight=weight),
        "score": model.score(features, labels, sample_weight=weight),
    }
    if len(model.classes_) == 2:
        expected["roc_auc"] = reference.roc_auc_score(labels, probabilities[:, 1], sample_weight=weight)
    elif not weighted:
        expected["roc_auc"] = reference.roc_auc_score(labels, probabilities, average="weighted", multi_class="ovo")
    assert found.metrics == pytest.approx(expected, rel=1e-12)
    assert set(found.missing) == ({"roc_auc"} if "roc_auc" not in expected else set())


def test_of_a_classifier_without_probabilities(labelled):
    features, labels = labelled
    model = SVC().fit(features, labels)
    found = evaluate(model, features, labels, None, 1.0)
    if len(model.classes_) == 2:
        assert found.metrics["roc_auc"] == pytest.approx(
            reference.roc_auc_score(labels, model.decision_function(features))
        )
    assert "log_loss" in found.missing


def test_of_a_class_that_is_never_predicted():
    features, labels = np.zeros((10, 1)), np.array([0] * 8 + [1, 2])
    model = LogisticRegression().fit(features, labels)
    found = evaluate(model, features, labels, None, 1.0)
    predicted = model.predict(features)
    for name in ("precision_score", "recall_score", "f1_score"):
        expected = getattr(reference, name)(labels, predicted, average="weighted", zero_division=0)
        assert found.metrics[name] == pytest.approx(expected)


@pytest.mark.parametrize("kind", [RandomForestClassifier, BaggingClassifier])
def test_labels_from_probabilities_are_those_of_predict(kind, labelled):
    features, labels = labelled
    model = kind(n_estimators=4, random_state=0).fit(features, labels)
    made = predict(model, True, features, labels, None, 1.0)
    assert (made.labels == model.predict(features)).all()


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_of_a_regressor(outputs, weighted):
    features, values = make_regression(300, 5, n_targets=outputs, noise=20, random_state=0)
    weight = weights(len(values)) if weighted else None
    model = LinearRegression().fit(features, values, sample_weight=weight)
    found = evaluate(model, features, values, weight, 1.0)
    predicted = model.predict(features)
    expected = {
        name: getattr(reference, name)(values, predicted, sample_weight=weight)
        for name in ("mean_squared_error", "mean_absolute_error", "root_mean_squared_error", "r2_score")
    }
    expected["score"] = model.score(features, values, sample_weight=weight)
    assert found.metrics == pytest.approx(expected, rel=1e-12)


def test_of_a_constant_target():
    features, values = np.arange(10.0).reshape(-1, 1), np.full(10, 3.0)
    found = evaluate(LinearRegression().fit(features, values), features, values, None, 1.0)
    assert found.metrics["r2_score"] == 1.0


def test_nothing_warns(labelled):
    features, labels = labelled
    model = LogisticRegression().fit(features, labels)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        evaluate(model, features[:1], labels[:1], None, 1.0)


def test_curves_are_scikit_learns(labelled):
    features, labels = labelled
    model = LogisticRegression().fit(features, labels)
    made = predict(model, True, features, labels, None, 1.0)
    classes, truth, _ = coded(made)
    curves = list(_curves(made, classes, truth))
    assert [one["roc"]["label"] for one in curves] == (["1"] if len(classes) == 2 else [str(one) for one in classes])
    for one in curves:
        number = classes.tolist().index(int(one["roc"]["label"]))
        positive, scores = labels == number, made.scores[:, number]
        false, true, _ = reference.roc_curve(positive, scores)
        assert one["roc"]["auc"] == pytest.approx(reference.auc(false, true))
        ours = np.interp(false, one["roc"]["false_positive_rate"], one["roc"]["true_positive_rate"])
        # Where the curve goes straight up, any height on that line is on it.
        steep = np.isin(false, false[np.flatnonzero(np.diff(false) == 0)])
        assert ours[~steep] == pytest.approx(true[~steep], abs=1e-5)
        assert one["pr"]["average_precision"] == pytest.approx(reference.average_precision_score(positive, scores))
        for points in (one["roc"], one["pr"]):
            assert {len(column) for column in points.values() if isinstance(column, list)} <= {len(points["threshold"])}


def test_curves_of_much_data_are_thinned():
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(20_000, 2)), rng.integers(0, 2, 20_000)
    made = predict(LogisticRegression().fit(features, labels), True, features, labels, None, 60.0)
    (curve,) = _curves(made, *coded(made)[:2])
    assert 900 <= len(curve["roc"]["threshold"]) <= 1001
    assert curve["roc"]["true_positive_rate"][-1] == curve["roc"]["false_positive_rate"][-1] == 1.0


@pytest.mark.parametrize("form", [np.asarray, csr_matrix, pd.DataFrame, np.ndarray.tolist])
@pytest.mark.parametrize("kind", ["self-training", "in a pipeline", "label propagation", "label spreading"])
def test_rows_without_a_label_are_not_a_class(kind, form):
    kinds = {
        "self-training": SelfTrainingClassifier(LogisticRegression()),
        "in a pipeline": make_pipeline(Normalizer(), SelfTrainingClassifier(LogisticRegression())),
        "label propagation": LabelPropagation("knn", n_neighbors=9),
        "label spreading": LabelSpreading("knn", n_neighbors=9),
    }
    model = kinds[kind]
    features, labels = make_classification(300, 6, flip_y=0.2, random_state=1)
    features = form(features)
    given = np.where(np.random.default_rng(0).random(300) < 0.6, -1, labels)
    model.fit(features, given)
    told = given != -1
    predicted, scores = model.predict(features)[told], model.predict_proba(features)[told]
    found = evaluate(model, features, given, None, 1.0)
    expected = {
        "accuracy_score": reference.accuracy_score(labels[told], predicted),
        "score": reference.accuracy_score(labels[told], predicted),
        "f1_score": reference.f1_score(labels[told], predicted, average="weighted"),
        "precision_score": reference.precision_score(labels[told], predicted, average="weighted"),
        "recall_score": reference.recall_score(labels[told], predicted, average="weighted"),
        "log_loss": reference.log_loss(labels[told], scores),
        "roc_auc": reference.roc_auc_score(labels[told], scores[:, 1]),
    }
    assert found.metrics == pytest.approx(expected)
    assert (found.rows, found.of_rows) == (told.sum(), 300)
    classes, truth, _ = coded(found.predictions)
    assert classes.tolist() == [0, 1]
    assert len(list(_curves(found.predictions, classes, truth))) == 1
