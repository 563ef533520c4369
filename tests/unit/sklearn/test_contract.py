"""What every integration promises, for scikit-learn."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from reticent.testing import ExampleCall, IntegrationContract
from reticent_integrations.sklearn import integration


def iris() -> dict[str, Any]:
    features, labels = load_iris(return_X_y=True)
    scaled = (features - features.mean(axis=0)) / features.std(axis=0)
    return {"X": scaled[::2].copy(), "y": labels[::2].copy()}


class Raising:
    """A step of the user's own that fails."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __call__(self, data: Any) -> Any:
        raise self.error


class TestEstimator(IntegrationContract):
    integration = integration
    code = "from sklearn.linear_model import Ridge; Ridge().fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0])"

    def call(self) -> ExampleCall:
        return ExampleCall(LogisticRegression(C=0.5).fit, {**iris(), "sample_weight": np.ones(75)}, ("sample_weight",))

    def failing_call(self, error: BaseException) -> ExampleCall:
        return ExampleCall(make_pipeline(FunctionTransformer(Raising(error)), LogisticRegression()).fit, iris())

    def outcome(self, returned: Any) -> object:
        return pickle.dumps(returned)
