"""What one fit leaves behind."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.cluster import DBSCAN, KMeans
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import TruncatedSVD
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import IsolationForest, RandomForestClassifier, RandomForestRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler

import reticent
from reticent.testing import captured
from reticent_integrations.sklearn import predictions

pytestmark = pytest.mark.usefixtures("autolog")

CLASSIFIER_METRICS = {
    f"training_{name}"
    for name in ("precision_score", "recall_score", "f1_score", "accuracy_score", "log_loss", "roc_auc", "score")
}
REGRESSOR_METRICS = {
    f"training_{name}"
    for name in ("mean_squared_error", "mean_absolute_error", "r2_score", "root_mean_squared_error", "score")
}
PHASE = {"fit_seconds", "fit_samples_per_second", "peak_memory_mb"}
CURVES = {"training_confusion_matrix", "training_roc_curve", "training_precision_recall_curve"}


def artifact(root: Path, run_id: str, path: str) -> Any:
    return json.loads((root / "runs" / run_id / "artifacts" / path).read_text())


def test_a_classifier(cancer, root):
    model = LogisticRegression(C=0.5).fit(*cancer)
    (run,) = captured(root)
    assert set(run.params) == set(LogisticRegression().get_params())
    assert run.params["C"] == "0.5"
    assert set(run.metrics) == CLASSIFIER_METRICS | PHASE | {"n_iter"}
    assert all(len(points) == 1 for points in run.metrics.values())
    assert run.metrics["n_iter"][0][1] == model.n_iter_[0]
    took, samples_per_second = (run.metrics[key][0][1] for key in ("fit_seconds", "fit_samples_per_second"))
    assert samples_per_second == pytest.approx(len(cancer[0]) / took)
    assert run.metrics["training_score"][0][1] == model.score(*cancer)
    assert run.tags["estimator_name"] == "LogisticRegression"
    assert run.tags["estimator_class"] == "sklearn.linear_model._logistic.LogisticRegression"
    assert run.tags["autologging"] == "sklearn"
    pictures = {f"{name}.{suffix}" for name in CURVES for suffix in ("json", "png")}
    own = {path for path in run.artifacts if not path.startswith("model/")}
    coefficients = {f"feature_importance_coefficients.{suffix}" for suffix in ("json", "png")}
    assert own == {"estimator.html", "metric_info.json"} | pictures | coefficients
    assert run.models == ["model"]
    assert run.datasets == [("dataset", "train")]
    assert run.warnings == []


def test_explicit_and_default_params_are_told_apart(cancer):
    make_pipeline(StandardScaler(), LogisticRegression(C=0.5)).fit(*cancer)
    reticent.flush(60)
    (run,) = reticent.search_runs()
    assert run.param_origins["logisticregression__C"] == "explicit"
    assert run.param_origins["logisticregression__tol"] == "default"
    assert run.param_origins["steps"] == "explicit"
    assert run.param_origins["memory"] == "default"


def test_a_regressor(diabetes, root):
    model = Ridge().fit(*diabetes)
    (run,) = captured(root)
    assert set(run.metrics) == REGRESSOR_METRICS | PHASE
    assert run.metrics["training_r2_score"][0][1] == pytest.approx(model.score(*diabetes))
    own = {path for path in run.artifacts if not path.startswith(("model/", "feature_importance_coefficients."))}
    assert own == {"estimator.html", "metric_info.json"}


def test_a_pipeline_is_one_run_with_the_params_of_its_steps(cancer, root):
    make_pipeline(StandardScaler(), LogisticRegression(C=2.0)).fit(*cancer)
    (run,) = captured(root)
    assert run.params["standardscaler__with_mean"] == "True"
    assert run.params["logisticregression"] == "LogisticRegression(C=2.0)"
    assert run.params["steps"] == (
        "[('standardscaler', StandardScaler()), ('logisticregression', LogisticRegression(C=2.0))]"
    )
    assert set(run.metrics) == CLASSIFIER_METRICS | PHASE | {"n_iter"}


def test_params_of_all_parts_of_a_column_transformer(cancer):
    scaled = make_pipeline(StandardScaler(with_mean=False), TruncatedSVD(2))
    columns = ColumnTransformer([("scaled", scaled, [0, 1, 2]), ("as_is", "passthrough", [3])], n_jobs=1)
    make_pipeline(columns, LogisticRegression()).fit(*cancer)
    reticent.flush(60)
    (run,) = reticent.search_runs()
    told = {
        "columntransformer__scaled__standardscaler__with_mean": ("False", "explicit"),
        "columntransformer__scaled__truncatedsvd__n_components": ("2", "default"),
        "columntransformer__as_is": ("passthrough", "explicit"),
        "columntransformer__n_jobs": ("1", "explicit"),
        "columntransformer__remainder": ("drop", "default"),
        "logisticregression__C": ("1.0", "default"),
    }
    assert {name: (run.params[name], run.param_origins[name]) for name in told} == told


@pytest.mark.parametrize(
    "transformer",
    [
        StandardScaler(),
        TruncatedSVD(2),
        ColumnTransformer([("scale", StandardScaler(), [0, 1])]),
        FeatureUnion([("scale", StandardScaler()), ("svd", TruncatedSVD(2))]),
        make_pipeline(StandardScaler(), TruncatedSVD(2)),
    ],
    ids=lambda one: type(one).__name__,
)
@pytest.mark.parametrize("method", ["fit", "fit_transform"])
def test_what_only_transforms_opens_no_run(transformer, method, cancer, root):
    getattr(transformer, method)(cancer[0])
    TfidfVectorizer().fit_transform(["a text", "another text"])
    assert captured(root) == []


@pytest.mark.parametrize(
    ("estimator", "metrics"),
    [
        (KMeans(2, n_init=1), {"training_score", "n_iter", "inertia"}),
        (DBSCAN(), set()),
        (IsolationForest(n_estimators=5), set()),
    ],
)
def test_without_labels(estimator, metrics, cancer, root):
    estimator.fit_predict(cancer[0])
    (run,) = captured(root)
    assert set(run.metrics) == metrics | PHASE
    assert run.models == ["model"]
    assert run.warnings == []


def test_several_outputs(cancer, diabetes, root):
    MultiOutputClassifier(LogisticRegression()).fit(cancer[0], np.c_[cancer[1], 1 - cancer[1]])
    RandomForestRegressor(3).fit(diabetes[0], np.c_[diabetes[1], diabetes[1]])
    classifier, regressor = captured(root)
    assert set(classifier.metrics) == (CLASSIFIER_METRICS | PHASE) - {"training_log_loss", "training_roc_auc"}
    assert set(regressor.metrics) == REGRESSOR_METRICS | PHASE
    assert classifier.warnings == regressor.warnings == []


def test_a_metric_that_cannot_be_had_is_explained(cancer, root):
    DummyClassifier().fit(cancer[0], np.zeros(len(cancer[0]), dtype=int))
    (run,) = captured(root)
    assert set(run.metrics) == (CLASSIFIER_METRICS | PHASE) - {"training_roc_auc"}
    info = artifact(root, run.run_id, "metric_info.json")
    assert info["not computed"] == {"training_roc_auc": "there is only one class in the data"}


def test_texts_and_frames(texts, cancer, root):
    make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(*texts)
    frame = pd.DataFrame(cancer[0][:, :3], columns=["a", "b", "c"])
    LogisticRegression().fit(frame, pd.Series(cancer[1]))
    of_texts, of_frame = captured(root)
    assert set(of_texts.metrics) == set(of_frame.metrics) == CLASSIFIER_METRICS | PHASE | {"n_iter"}
    assert of_texts.warnings == of_frame.warnings == []
    reticent.flush(60)
    schema = json.loads(reticent.get_run(of_frame.run_id).datasets()[0].schema)
    assert [column["name"] for column in schema["features"]["columns"]] == ["a", "b", "c"]


@pytest.mark.parametrize("kind", [list, pd.Series])
def test_a_model_of_texts_predicts_texts(kind, texts, root):
    inputs, labels = kind(texts[0]), texts[1]
    pipeline = make_pipeline(TfidfVectorizer(), LogisticRegression())
    model = GridSearchCV(pipeline, {"logisticregression__C": [1.0, 9.0]}, cv=2).fit(inputs, labels)
    reticent.flush(60)
    run_id = captured(root)[0].run_id
    for name in ("model", "best_estimator"):
        function = reticent.load_pyfunc(f"runs:/{run_id}/{name}", trust=True)
        assert function.predict(inputs).tolist() == model.predict(inputs).tolist()


def test_large_data_is_sampled_and_says_so(root, monkeypatch):
    from reticent_integrations.sklearn import predictions

    monkeypatch.setattr(predictions, "LARGEST", 1000)
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(5000, 3)), rng.integers(0, 2, 5000)
    LogisticRegression().fit(features, labels)
    (run,) = captured(root)
    assert run.tags["training_metrics_rows"] == "1000 of 5000"
    assert artifact(root, run.run_id, "metric_info.json")["rows"] == {"used": 1000, "in training data": 5000}


def test_more_than_a_hundred_thousand_rows_are_sampled(root, monkeypatch):
    monkeypatch.setattr(predictions, "LEAST_S", 60.0)  # on a busy machine fewer can be afforded
    features = np.random.default_rng(0).normal(size=(150_000, 2))
    LinearRegression().fit(features, features[:, 0])
    LinearRegression().fit(features[:90_000], features[:90_000, 0])
    large, whole = captured(root)
    assert large.tags["training_metrics_rows"] == "75000 of 150000"
    assert artifact(root, large.run_id, "metric_info.json")["rows"] == {"used": 75_000, "in training data": 150_000}
    assert "training_metrics_rows" not in whole.tags


def test_slow_predictions_are_cut_to_a_share_of_the_fit(root):
    Slow(row_s=0.0001).fit(np.zeros((20_000, 5)), np.arange(20_000) % 2)
    (run,) = captured(root)
    used, _, of_rows = run.tags["training_metrics_rows"].partition(" of ")
    assert 500 <= int(used) < int(of_rows) == 20_000


def test_a_failing_fit_is_the_users_own_error_and_a_failed_run_with_params(cancer, root):
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        LogisticRegression(C=3.0).fit(cancer[0], cancer[1][:5])
    (run,) = captured(root)
    assert run.status == "FAILED"
    assert run.params["C"] == "3.0"
    assert run.datasets == [("dataset", "train")]
    assert "fit_seconds" in run.metrics
    assert "fit_samples_per_second" not in run.metrics  # of how many it has seen is not known


class Stubborn(ClassifierMixin, BaseEstimator):
    """An estimator of a user's own, whose predictions fail."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        raise RuntimeError("not today")


def test_a_failing_capture_is_noted_and_the_rest_is_captured(cancer, root, monkeypatch):
    monkeypatch.setattr(reticent.guard, "strict", False)
    assert isinstance(Stubborn().fit(*cancer), Stubborn)
    (run,) = captured(root)
    assert run.status == "FINISHED"
    assert run.models == ["model"]
    assert any("not today" in warning for warning in run.warnings)


def test_estimators_defined_later_and_their_subclasses(cancer, root):
    class Mixin:
        def fit(self, X, y=None):
            self.fitted_ = True
            return self

    class Later(Mixin, BaseEstimator):
        def predict(self, X):
            return np.zeros(len(X))

    class Latest(Later):
        def fit(self, X, y=None):
            return super().fit(X, y)

    Later().fit(*cancer)
    Latest().fit(*cancer)
    assert [run.tags["estimator_name"] for run in captured(root)] == ["Later", "Latest"]


def test_the_model_is_the_one_that_was_fitted(cancer, root):
    model = LogisticRegression().fit(*cancer)
    (run,) = captured(root)
    model.coef_[:] = 0.0
    kept = reticent.load_model(f"runs:/{run.run_id}/model")
    assert kept.score(*cancer) > 0.9
    assert "sklearn" in (root / "runs" / run.run_id / "artifacts/model/MLmodel").read_text()


def test_what_is_included_and_excluded(cancer, root):
    reticent.autolog(include=("training_*", "C", "estimator_*"), exclude=("*.png", "training_roc*"), log_examples=False)
    LogisticRegression().fit(*cancer)
    (run,) = captured(root)
    assert set(run.params) == {"C"}
    assert set(run.metrics) == CLASSIFIER_METRICS - {"training_roc_auc"}
    assert set(run.artifacts) == {"training_confusion_matrix.json", "training_precision_recall_curve.json"}
    assert (run.models, run.datasets, run.warnings) == ([], [], [])


def test_no_rows_are_kept_where_none_are_wanted(cancer, root):
    reticent.autolog(log_examples=False)
    LogisticRegression().fit(*cancer)
    (run,) = captured(root)
    assert run.models == ["model"]
    assert not any("example" in path for path in run.artifacts)
    assert "signature" in (root / "runs" / run.run_id / "artifacts/model/MLmodel").read_text()


def test_switches(cancer, root):
    reticent.autolog(log_models=False, log_datasets=False, sklearn={"training_metrics": False})
    LogisticRegression().fit(*cancer)
    (run,) = captured(root)
    assert (run.models, run.datasets, set(run.metrics)) == ([], [], PHASE | {"n_iter"})


def test_what_is_asked_of_an_estimator_draws_no_random_numbers_of_the_users(cancer):
    def drawn(seed: Any) -> list[float]:
        np.random.seed(0)
        DummyClassifier(strategy="stratified", random_state=seed).fit(*cancer)
        return [float(np.random.random()), seed.random_sample() if seed is not None else 0.0]

    for make in (lambda: None, lambda: np.random.RandomState(1)):
        captured_too = drawn(make())
        reticent.autolog(disable=True)
        assert drawn(make()) == captured_too
        reticent.autolog()


def test_the_users_settings_of_scikit_learn_are_left_alone(cancer):
    before = sklearn.get_config()
    RandomForestClassifier(3, n_jobs=2).fit(*cancer)
    LinearRegression().fit(*cancer)
    assert sklearn.get_config() == before


def test_data_that_a_step_transforms_in_place_is_transformed_once(root: Path) -> None:
    from sklearn.preprocessing import MinMaxScaler

    def fitted() -> Any:
        X = np.random.default_rng(0).normal(size=(50, 3))
        make_pipeline(MinMaxScaler((0, 10), copy=False), LogisticRegression()).fit(X, np.arange(50) % 2)
        return X

    reticent.autolog(disable=True)
    plain = fitted()
    reticent.autolog()
    assert np.array_equal(fitted(), plain)


class Slow(ClassifierMixin, BaseEstimator):
    """Needs time for each prediction and for each row of it."""

    def __init__(self, call_s: float = 0.0, row_s: float = 0.0) -> None:
        self.call_s = call_s
        self.row_s = row_s

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.asked_ = []
        return self

    def predict(self, X):
        self.asked_.append(len(X))
        time.sleep(self.call_s + self.row_s * len(X))
        return np.zeros(len(X), dtype=int)


@pytest.mark.parametrize("rows", [500, 5000])
def test_an_estimator_that_is_slow_to_predict_is_asked_about_few_rows(rows, root):
    model = Slow(row_s=0.05).fit(np.zeros((rows, 2)), np.arange(rows) % 2)
    assert sum(model.asked_) < 50
    (run,) = captured(root)
    assert set(run.metrics) == PHASE
    assert [warning.message for warning in reticent.search_runs()[0].warnings()] == [
        "training metrics are left out: the estimator's answers for its training data would take longer than 1 s"
    ]
    assert "model" in run.models


def test_an_estimator_that_is_slow_to_begin_has_its_metrics(root):
    Slow(call_s=0.03).fit(np.zeros((500, 2)), np.arange(500) % 2)
    (run,) = captured(root)
    assert run.metrics["training_accuracy_score"][0][1] == 0.5
    assert reticent.search_runs()[0].warnings() == []
