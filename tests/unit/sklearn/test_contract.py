"""What every integration promises, for scikit-learn: one estimator, a pipeline, and a search whose fits are in threads."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from reticent.testing import ExampleCall, IntegrationContract
from reticent_integrations.sklearn import integration


def iris() -> dict[str, Any]:
    features, labels = load_iris(return_X_y=True)
    return {"X": features[::2].copy(), "y": labels[::2].copy()}


class Raising:
    """A step of the user's own that fails."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __call__(self, data: Any) -> Any:
        raise self.error


def failing_pipeline(error: BaseException) -> Any:
    return make_pipeline(FunctionTransformer(Raising(error)), LogisticRegression())


class TestEstimator(IntegrationContract):
    integration = integration
    code = "from sklearn.linear_model import Ridge; Ridge().fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0])"

    def call(self) -> ExampleCall:
        return ExampleCall(LogisticRegression(C=0.5).fit, {**iris(), "sample_weight": np.ones(75)}, ("sample_weight",))

    def failing_call(self, error: BaseException) -> ExampleCall:
        return ExampleCall(failing_pipeline(error).fit, iris())

    def outcome(self, returned: Any) -> object:
        return pickle.dumps(returned)


class TestPipeline(TestEstimator):
    code = (
        "from sklearn.pipeline import make_pipeline; from sklearn.linear_model import Ridge; "
        "from sklearn.preprocessing import StandardScaler; "
        "make_pipeline(StandardScaler(), Ridge()).fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0])"
    )

    def call(self) -> ExampleCall:
        return ExampleCall(make_pipeline(StandardScaler(), LogisticRegression()).fit, iris())


class TestSearch(TestEstimator):
    code = (
        "import joblib; from sklearn.linear_model import Ridge; from sklearn.model_selection import GridSearchCV\n"
        "with joblib.parallel_backend('threading'):\n"
        "    GridSearchCV(Ridge(), {'alpha': [1.0]}, cv=2, n_jobs=2).fit([[0.0], [1.0], [2.0], [3.0]], [0.0, 1.0, 2.0, 3.0])"
    )
    runs = 4
    """The search and a child for each candidate."""

    def call(self) -> ExampleCall:
        search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0, 10.0]}, cv=2)
        return ExampleCall(search.fit, iris())

    def failing_call(self, error: BaseException) -> ExampleCall:
        return ExampleCall(GridSearchCV(failing_pipeline(error), {}, cv=2, error_score="raise").fit, iris())

    def outcome(self, returned: Any) -> object:
        return pickle.dumps(returned.best_estimator_)

    @pytest.mark.parametrize("order", [])
    def test_orders_of_import_and_autolog(self, order: str) -> None:
        """Of the number of runs that the example makes, which here is another one."""

    def test_trainings_join_the_users_run(self) -> None:
        """The children of a search are runs of their own."""


