"""Metrics that the user computes after the fit."""

from __future__ import annotations

import gc
import importlib
import json
import pickle
import sys
import types
import weakref

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics
from sklearn.cluster import AgglomerativeClustering, KMeans
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.metrics import accuracy_score as accuracy
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import reticent
from reticent.testing import captured

pytestmark = pytest.mark.usefixtures("autolog")


def split(data):
    features, labels = data
    return (features[:400], labels[:400]), (features[400:], labels[400:])


OF_THE_FIT = {"fit_seconds", "fit_samples_per_second", "peak_memory_mb", "n_iter"}


def late(run):
    asked = (key for key in run.metrics if not key.startswith("training_") and key not in OF_THE_FIT)
    return {key: value for key in asked for ((_, value),) in [run.metrics[key]]}


def test_metrics_are_logged_to_the_run_of_the_estimator(cancer, root):
    train, test = split(cancer)
    model, other = LogisticRegression().fit(*train), LogisticRegression(C=1e-4).fit(*train)
    expected = {
        "accuracy_score_eval": accuracy_score(test[1], model.predict(test[0])),
        "roc_auc_score_eval": roc_auc_score(test[1], model.predict_proba(test[0])[:, 1]),
        "f1_score_eval": metrics.f1_score(y_pred=model.predict(test[0]), y_true=test[1]),
        "accuracy_score_training": accuracy_score(train[1], model.predict(train[0])),
        "accuracy_score-2_eval": accuracy_score(test[1], model.predict(test[0])),
        "LogisticRegression_score_eval": model.score(*test),
        "log_loss_eval": metrics.log_loss(test[1], model.predict_proba(test[0])),
    }
    accuracy_score(test[1], other.predict(test[0]))
    first, second = captured(root)
    assert late(first) == pytest.approx(expected)
    assert set(late(second)) == {"accuracy_score_eval"}
    assert first.datasets == [("dataset", "train"), ("eval", "eval")]
    info = json.loads((root / "runs" / first.run_id / "artifacts/metric_info.json").read_text())
    assert info["accuracy_score_eval"] == {"call": "accuracy_score", "data": "eval"}


def test_data_made_for_one_prediction_is_known_by_its_labels(cancer, root):
    train, test = split(cancer)
    scaler = StandardScaler().fit(train[0])
    model = LogisticRegression().fit(scaler.transform(train[0]), train[1])
    accuracy_score(test[1], model.predict(scaler.transform(test[0])))
    metrics.f1_score(test[1], model.predict(scaler.transform(test[0])))
    model.score(scaler.transform(train[0]), train[1])
    more = test[0][:50], test[1][:50]
    accuracy_score(more[1], model.predict(more[0]))
    (run,) = captured(root)
    assert set(late(run)) == {
        "accuracy_score_eval",
        "f1_score_eval",
        "LogisticRegression_score_training",
        "accuracy_score_eval_2",
    }


def test_of_searches_pipelines_and_regressors(cancer, diabetes, root):
    search = GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=2).fit(*cancer)
    pipeline = make_pipeline(StandardScaler(), Ridge()).fit(*diabetes)
    search.score(*cancer)
    accuracy_score(cancer[1], search.best_estimator_.predict(cancer[0]))
    metrics.mean_absolute_error(diabetes[1], pipeline.predict(diabetes[0]))
    found, regression = [run for run in captured(root) if run.parent_id is None]
    assert {"GridSearchCV_score_training", "accuracy_score_training"} < set(late(found))
    assert set(late(regression)) == {"mean_absolute_error_training"}


def test_functions_that_give_several_numbers_or_a_table(cancer, root):
    train, test = split(cancer)
    predicted = LogisticRegression(C=1e-3).fit(*train).predict(test[0])
    numbers = metrics.precision_recall_fscore_support(test[1], predicted, average="macro")
    ratios = metrics.class_likelihood_ratios(test[1], predicted)
    report = metrics.classification_report(test[1], predicted)
    matrix = metrics.confusion_matrix(test[1], predicted)
    metrics.precision_recall_fscore_support(test[1], predicted)
    (run,) = captured(root)
    name = "precision_recall_fscore_support"
    expected = {
        f"{name}_{part}_eval": value for part, value in zip(("precision", "recall", "fscore"), numbers, strict=False)
    }
    expected |= {
        f"class_likelihood_ratios_{part}_eval": ratio
        for part, ratio in zip(("positive", "negative"), ratios, strict=True)
    }
    assert late(run) == pytest.approx(expected, nan_ok=True)
    artifacts = root / "runs" / run.run_id / "artifacts"
    assert (artifacts / "classification_report_eval.txt").read_text() == report
    assert json.loads((artifacts / "confusion_matrix_eval.json").read_text()) == matrix.tolist()


def test_what_is_no_prediction_or_no_number_is_not_logged(cancer, root):
    model = LogisticRegression().fit(*cancer)
    predicted = model.predict(cancer[0])
    metrics.confusion_matrix(cancer[1], predicted)
    metrics.f1_score(cancer[1], predicted, average=None)
    accuracy_score(cancer[1], np.ones(len(cancer[1])))
    (run,) = captured(root)
    assert late(run) == {}


@pytest.mark.parametrize("of", ["fit_predict", "labels_"])
@pytest.mark.parametrize("kind", [KMeans(3, n_init=1), AgglomerativeClustering(3)], ids=lambda one: type(one).__name__)
def test_labels_that_a_fit_finds_are_predictions(of, kind, cancer, root):
    features, targets = cancer
    labels = kind.fit_predict(features) if of == "fit_predict" else kind.fit(features).labels_
    silhouette = metrics.silhouette_score(features, labels)
    rand = metrics.adjusted_rand_score(targets, labels)
    (run,) = captured(root)
    assert run.metrics["silhouette_score_training"] == [(0, silhouette)]
    assert run.metrics["adjusted_rand_score_training"] == [(0, rand)]
    assert run.warnings == []


def test_metrics_that_were_imported_before(root, cancer):
    """`accuracy_score` of this module is another name for the patched function."""
    assert accuracy_score is metrics.accuracy_score
    assert hasattr(accuracy_score, "__wrapped__")
    assert pickle.loads(pickle.dumps(accuracy_score)) is accuracy_score
    assert accuracy is accuracy_score


def test_other_names_are_the_originals_again():
    reticent.autolog(disable=True)
    assert accuracy is accuracy_score
    assert accuracy.__module__ == "sklearn.metrics._classification"


def test_a_program_that_lies_in_the_directory_of_python(tmp_path, monkeypatch):
    """As /usr/src/app does in an image where /usr has the Python, or /app where that is an environment too."""
    reticent.autolog(disable=True)
    (tmp_path / "program_there.py").write_text("from sklearn.metrics import mean_squared_error as mse\n")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    program = importlib.import_module("program_there")
    original = program.mse
    reticent.autolog()
    assert program.mse is metrics.mean_squared_error is not original
    reticent.autolog(disable=True)
    assert program.mse is metrics.mean_squared_error is original


def test_what_was_imported_meanwhile_is_the_original_afterwards(monkeypatch):
    """Else what a module makes of it then would not pickle."""
    module = types.ModuleType("meanwhile")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec("from sklearn.metrics import f1_score, recall_score as recall", vars(module))
    assert (module.f1_score, module.recall) == (metrics.f1_score, metrics.recall_score)
    reticent.autolog(disable=True)
    assert (module.f1_score, module.recall) == (metrics.f1_score, metrics.recall_score)
    assert module.recall.__module__ == "sklearn.metrics._classification"
    assert pickle.loads(pickle.dumps(metrics.make_scorer(module.recall)))._score_func is metrics.recall_score


def test_what_was_given_a_metric_before_still_pickles(cancer):
    """scikit-learn's own scorers were made of the functions as it was imported."""
    before = sys.modules["sklearn.metrics._classification"].accuracy_score
    assert pickle.loads(pickle.dumps(before)) is before
    assert pickle.loads(pickle.dumps(metrics.make_scorer(before)))._score_func is before
    search = GridSearchCV(LogisticRegression(max_iter=9), {"C": [1, 2]}, scoring="accuracy", cv=2).fit(*cancer)
    again = pickle.loads(pickle.dumps(search))
    assert again.score(*cancer) == search.score(*cancer)


def frames(data):
    """Two tables, whose columns and rows are new objects whenever they are asked for."""
    table = pd.DataFrame(data[0]).add_prefix("x").assign(y=data[1])
    return table[:400].copy(), table[400:].copy(), [name for name in table if name != "y"]


def test_slices_made_anew_are_known_by_their_content(cancer, root):
    train, test, columns = frames(cancer)
    model = LogisticRegression().fit(train[columns], train.y)
    model.score(train[columns], train.y)
    accuracy_score(train["y"].copy(), model.predict(train[columns]))
    accuracy_score(train.y.to_numpy(copy=True), model.predict(train[columns]))
    model.score(test[columns], test.y)
    model.score(test[columns], test.y)
    accuracy_score(test["y"].copy(), model.predict(test[columns]))
    model.score(test[columns][:50], test.y[:50])
    (run,) = captured(root)
    assert set(late(run)) == {
        "LogisticRegression_score_training",
        "accuracy_score_training",
        "accuracy_score-2_training",
        "LogisticRegression_score_eval",
        "LogisticRegression_score-2_eval",
        "accuracy_score_eval",
        "LogisticRegression_score_eval_2",
    }
    assert run.datasets == [("dataset", "train"), ("eval", "eval"), ("eval_2", "eval")]


def test_rows_of_arrays_and_without_data_sets_being_logged(cancer, root):
    reticent.autolog(log_datasets=False)
    features, labels = cancer
    rows = np.arange(400)
    model = LogisticRegression().fit(features[rows], labels[rows])
    model.score(features[rows], labels[rows])
    model.score(features[rows] + 1.0, labels[rows])
    model.score(features[rows], 1 - labels[rows])
    (run,) = captured(root)
    assert set(late(run)) == {f"LogisticRegression_score_{name}" for name in ("training", "eval", "eval_2")}
    assert run.datasets == []


def test_what_an_estimator_is_asked_about_is_not_kept_alive(cancer, root):
    train, test = split(cancer)
    features, labels = test[0].copy(), test[1].copy()
    gone = [weakref.ref(features), weakref.ref(labels)]
    model = LogisticRegression().fit(*train)
    accuracy_score(labels, model.predict(features))
    model.score(features, labels)
    del features, labels
    gc.collect()
    assert [reference() for reference in gone] == [None, None]


def test_content_that_cannot_be_read_costs_no_metric(cancer, root, monkeypatch):
    monkeypatch.setattr("reticent.guard.strict", False)

    class Odd(np.ndarray):
        def tobytes(self, order="C"):
            raise OSError("not now")

    train, test = split(cancer)
    model = LogisticRegression().fit(*train)
    model.score(test[0].view(Odd), test[1])
    model.score(*train)
    (run,) = captured(root)
    assert set(late(run)) == {"LogisticRegression_score_eval", "LogisticRegression_score_training"}
    assert "not now" in run.warnings[0]


def test_data_of_metrics_alone_is_logged_while_it_lives(cancer, root):
    train, test = split(cancer)
    model = LogisticRegression().fit(*train)
    accuracy_score(test[1][:50].copy(), model.predict(test[0][:50].copy()))  # gone, so that nobody can tell
    accuracy_score(test[1], model.predict(test[0]))
    accuracy_score(train[1], model.predict(train[0]))
    (run,) = captured(root)
    assert run.datasets == [("dataset", "train"), ("eval_2", "eval")]
    assert run.warnings == []


def test_of_predictions_that_were_made_by_cross_validation(cancer, root):
    LogisticRegression().fit(*cancer)
    labels = cross_val_predict(LogisticRegression(), *cancer, cv=3)
    scores = cross_val_predict(LogisticRegression(), *cancer, cv=3, method="predict_proba")
    expected = accuracy_score(cancer[1], labels)
    area = roc_auc_score(cancer[1], scores[:, 1])
    fit, by_labels, by_scores = captured(root)
    assert not late(fit)
    assert late(by_labels) == {"accuracy_score_cross_val_predict": expected}
    assert late(by_scores) == {"roc_auc_score_cross_val_predict": area}
    assert by_labels.datasets == [("dataset", "train")]


def test_the_same_features_with_other_labels_are_other_data(cancer, root):
    features, labels = pd.DataFrame(cancer[0]), pd.DataFrame({"label": cancer[1]})
    model = LogisticRegression().fit(features, labels["label"].to_numpy())
    model.score(features, labels)
    accuracy_score(labels, model.predict(features))
    model.score(features, 1 - cancer[1])
    accuracy_score(1 - cancer[1], model.predict(features))
    (run,) = captured(root)
    assert set(late(run)) == {
        "LogisticRegression_score_training",
        "accuracy_score_training",
        "LogisticRegression_score_eval",
        "accuracy_score_eval",
    }
    assert run.datasets == [("dataset", "train"), ("eval", "eval")]
