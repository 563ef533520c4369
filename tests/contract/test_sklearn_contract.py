"""The scikit-learn integration keeps what integrations promise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from reticent.testing import Canary, ExampleCall, IntegrationContract
from reticent_integrations.sklearn import integration


def make_data() -> dict[str, Any]:
    X = np.random.default_rng(0).normal(size=(60, 4))
    return {"X": X, "y": (X[:, 0] > 0).astype(int)}


def same(features: Any, **told: str) -> Any:
    return features


class TestSklearn(IntegrationContract):
    integration = integration
    code = """
from sklearn.linear_model import LogisticRegression
LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
"""

    def call(self) -> ExampleCall:
        model = SGDClassifier(random_state=0, max_iter=5, tol=None)
        arguments = {**make_data(), "coef_init": None, "intercept_init": None, "sample_weight": np.ones(60)}
        return ExampleCall(model.fit, arguments, optional=("sample_weight",))

    def call_with_secrets(self, canary: Canary) -> ExampleCall:
        names = ["a", f"api_key={canary.keyed}", canary.shaped, canary.known]
        told = {"api_key": canary.keyed, "note": canary.shaped, "remark": canary.known}
        steps = [(f"step {canary.shaped}", FunctionTransformer(same, kw_args=told)), ("fit", SGDClassifier())]
        features = pd.DataFrame(make_data()["X"], columns=names)
        labels = pd.Series([canary.shaped, canary.known] * 30, name=canary.known)
        return ExampleCall(Pipeline(steps).fit, {"X": features, "y": labels})

    def failing_call(self, error: BaseException) -> ExampleCall:
        def transform(X: Any) -> Any:
            raise error

        pipeline = make_pipeline(StandardScaler(), FunctionTransformer(transform), SGDClassifier())
        return ExampleCall(pipeline.fit, make_data())

    def outcome(self, returned: Any) -> object:
        return type(returned), sorted(vars(returned)), returned.coef_.tobytes(), returned.intercept_.tobytes()
