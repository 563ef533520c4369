"""What is asked of an estimator after its fit, and how often; and data that can be read only once."""

from __future__ import annotations

import json
import weakref
import zipfile
from collections import Counter

import numpy as np
import pytest
import sklearn.base
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import reticent
from reticent.testing import captured
from reticent_integrations import skops_files
from reticent_integrations.sklearn import predictions

rng = np.random.default_rng(0)
ROWS = rng.normal(size=(5000, 4))
LABELS = (ROWS[:, 0] + rng.normal(size=5000) > 0).astype(int)


@pytest.fixture
def asked(monkeypatch):
    """How many rows a forest's trees are asked about, once for each time."""
    counts = []
    original = RandomForestClassifier.predict_proba

    def predict_proba(self, X):
        counts.append(len(X))
        return original(self, X)

    monkeypatch.setattr(RandomForestClassifier, "predict_proba", predict_proba)
    # However busy the machine is: a share of the fit that is never too little.
    monkeypatch.setattr(predictions, "LEAST_S", 600.0)
    reticent.autolog()
    return counts


def forest():
    return RandomForestClassifier(5, max_depth=3, random_state=0)


@pytest.mark.parametrize(
    "make",
    [
        forest,
        lambda: make_pipeline(StandardScaler(), forest()),
        lambda: GridSearchCV(make_pipeline(StandardScaler(), forest()), {"standardscaler__with_std": [True]}, cv=2),
    ],
    ids=["alone", "in a pipeline", "in a search"],
)
def test_a_forest_is_asked_once(make, asked, root):
    model = make()
    if hasattr(model, "cv"):
        model.scoring = lambda *_: 0.0
    model.fit(ROWS, LABELS)
    assert asked == [len(ROWS)]
    metrics = captured(root)[0].metrics
    assert metrics["training_accuracy_score"][0][1] == pytest.approx(float((model.predict(ROWS) == LABELS).mean()))


def test_a_pipeline_transforms_its_data_once_for_all_questions(root, monkeypatch):
    monkeypatch.setattr(predictions, "LEAST_S", 600.0)
    reticent.autolog()
    seen = []

    def note(rows):
        seen.append(len(rows))
        return rows

    model = make_pipeline(FunctionTransformer(note), LogisticRegression()).fit(ROWS, LABELS)
    assert seen == [len(ROWS)] * 2  # the fit's own, and one for labels and probabilities
    metrics = captured(root)[0].metrics
    assert metrics["training_score"][0][1] == model.score(ROWS, LABELS)
    assert "training_log_loss" in metrics


def test_of_few_rows_the_metrics_do_not_depend_on_how_busy_the_machine_is(root, monkeypatch):
    monkeypatch.setattr(predictions, "BEARABLE_S", 0.0)
    monkeypatch.setattr(predictions, "BEARABLE_SHARE", 0.0)
    reticent.autolog()
    make_pipeline(StandardScaler(), LogisticRegression()).fit(ROWS[:500], LABELS[:500])
    KNeighborsClassifier().fit(ROWS[:500], LABELS[:500])  # its answers take longer than its fit
    quick, slow = captured(root)
    assert "training_score" in quick.metrics
    assert not quick.warnings
    assert "training_score" not in slow.metrics


def test_an_estimator_is_written_once_however_many_parts_it_stands_in(root, monkeypatch):
    written = Counter()
    original = sklearn.base.BaseEstimator.__repr__

    def count(self, *args, **kwargs):
        written[type(self).__name__] += 1
        return original(self, *args, **kwargs)

    monkeypatch.setattr(sklearn.base.BaseEstimator, "__repr__", count)
    reticent.autolog()
    with monkeypatch.context() as quiet:
        quiet.setattr("reticent_integrations.sklearn.fit.log_html", lambda *_: None)
        make_pipeline(StandardScaler(), make_pipeline(StandardScaler(), LogisticRegression())).fit(ROWS, LABELS)
    (run,) = captured(root)
    assert run.params["pipeline__logisticregression"] == "LogisticRegression()"
    assert "('logisticregression', LogisticRegression())" in run.params["pipeline__steps"]
    assert written == {"StandardScaler": 2, "LogisticRegression": 1, "Pipeline": 1}


def test_our_copy_of_skops_writes_the_same_model_without_indentation(tmp_path):
    model = forest().fit(ROWS, LABELS)
    skops_io = skops_files._without_listing()
    skops_io.dump(model, tmp_path / "model.skops")
    with zipfile.ZipFile(tmp_path / "model.skops") as archive:
        schema = archive.read("schema.json").decode()
    assert "\n" not in schema
    assert json.loads(schema)["__class__"] == "RandomForestClassifier"
    loaded = skops_files.load(tmp_path / "model.skops")
    assert (loaded.predict_proba(ROWS) == model.predict_proba(ROWS)).all()


def test_gradient_boosting_is_not_asked_again_for_its_score(root, monkeypatch):
    def score(*_):
        raise AssertionError("the accuracy is known already")

    monkeypatch.setattr(HistGradientBoostingClassifier, "score", score)
    monkeypatch.setattr(sklearn.base.ClassifierMixin, "score", score)
    reticent.autolog()
    model = HistGradientBoostingClassifier(max_iter=2).fit(ROWS, LABELS)
    (run,) = captured(root)
    assert run.metrics["training_score"][0][1] == float((model.predict(ROWS) == LABELS).mean())


def test_the_labels_of_a_sample_are_compared_with_those_of_the_same_rows(root, monkeypatch):
    monkeypatch.setattr(predictions, "LEAST_S", 1e-9)
    monkeypatch.setattr(predictions, "SHARE", 0.0)
    monkeypatch.setattr(predictions, "BEARABLE_S", 600.0)
    reticent.autolog()
    labels = np.arange(len(ROWS)) % 2  # what any five rows in a row do not have in common with every tenth one
    KNeighborsClassifier(1).fit(ROWS, labels)
    assert reticent.flush(60)
    (run,) = captured(root)
    assert run.tags["training_metrics_rows"] == "500 of 5000"
    assert not run.warnings
    example = json.loads((root / "runs" / run.run_id / "artifacts/model/input_example.json").read_text())
    assert example == ROWS[:50:10].tolist()


class Text(str):
    """A text that says when it is gone."""


def corpus(count, alive):
    """Texts of which no more than the one that is read should be there."""
    for number in range(count):
        text = Text(f"word{number % 7} and word{number % 3}")
        left = weakref.WeakSet([text])
        alive.append(left)
        yield text
        del text
        assert sum(map(len, alive[:-2])) == 0, "texts that were read are kept"


@pytest.mark.parametrize("kind", [TfidfVectorizer, CountVectorizer, HashingVectorizer])
@pytest.mark.parametrize("wrap", [iter, lambda texts: (text for text in texts), lambda texts: map(str.upper, texts)])
def test_a_generator_of_texts_is_the_vectorizers_alone(kind, wrap, root):
    texts = [f"word{number % 7} and word{number % 3}" for number in range(200)]
    bare = kind().fit_transform(wrap(texts))
    reticent.autolog()
    found = kind().fit_transform(wrap(texts))
    assert (found != bare).nnz == 0
    kind().fit(wrap(texts))
    kind().fit_transform(corpus(200, []))
    assert captured(root) == []


class Corpus:
    """Texts that are read from a file anew each time."""

    def __init__(self, texts):
        self._texts = texts
        self.readings = 0

    def __iter__(self):
        self.readings += 1
        yield from self._texts


@pytest.mark.parametrize("stream", [Corpus, iter], ids=["iterable", "iterator"])
def test_a_stream_of_texts_is_read_once_by_a_pipeline_too(stream, root):
    texts = [f"word{number % 7} and word{number % 3}" for number in range(200)]
    labels = [number % 2 for number in range(200)]
    reticent.autolog()
    given = stream(texts)
    make_pipeline(HashingVectorizer(n_features=64), LogisticRegression()).fit(given, labels)
    assert getattr(given, "readings", 1) == 1
    (run,) = captured(root)
    assert not run.warnings
    assert "training_score" not in run.metrics


@pytest.mark.parametrize("kind", ["array", "sparse", "table"])
def test_what_an_estimator_does_to_its_data_is_not_done_twice(kind, root):
    pandas, sparse = pytest.importorskip("pandas"), pytest.importorskip("scipy.sparse")
    drawn = np.random.default_rng(0).random((60, 3))
    labels = (drawn[:, 0] > 0.5).astype(int)
    data = {"array": drawn, "sparse": sparse.csr_matrix(drawn), "table": pandas.DataFrame(drawn, columns=list("abc"))}[
        kind
    ]

    def halve(given):
        if kind == "table":
            given.loc[:, "a"] /= 2
        else:
            given *= 0.5
        return given

    model = make_pipeline(FunctionTransformer(halve), LogisticRegression())
    expected = sklearn.base.clone(model).fit(data.copy(), labels)
    before = data.copy()
    reticent.autolog()
    model.fit(data, labels)
    assert len(captured(root)) == 1
    np.testing.assert_array_equal(model[-1].coef_, expected[-1].coef_)
    once = halve(before)
    np.testing.assert_array_equal(*[one.toarray() if kind == "sparse" else np.asarray(one) for one in (data, once)])
