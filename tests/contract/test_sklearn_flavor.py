"""The flavour of scikit-learn keeps the contract."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from tests.contract.flavors import FlavorMatrix

from reticent.testing import ModelCase
from reticent_integrations.sklearn.flavor import flavor

ROWS = np.random.default_rng(0).normal(size=(60, 4))
FRAME = pd.DataFrame(ROWS, columns=list("abcd"))
CLASSES = (ROWS.sum(axis=1) > 0).astype(int)


class OwnClassifier(LogisticRegression):
    """A class of the user's, in a module."""


MODELS: dict[str, Any] = {
    "linear": LogisticRegression,
    "gradient descent": lambda: SGDClassifier(loss="modified_huber", random_state=0),
    "categories": lambda: HistGradientBoostingClassifier(max_iter=3, categorical_features=[0]),
    "forest": lambda: RandomForestClassifier(3, random_state=0),
    "boosting": lambda: HistGradientBoostingClassifier(max_iter=3),
    "neighbors": KNeighborsRegressor,
    "support vectors": SVC,
    "clusters": lambda: KMeans(2, n_init=1, random_state=0),
    "pipeline": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
    "search": lambda: GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2, scoring="roc_auc"),
    "lambda": lambda: make_pipeline(FunctionTransformer(lambda rows: rows * 2), LogisticRegression()),
    "own class": OwnClassifier,
}

UNSAFE = {"lambda", "own class", "neighbors", "categories"}
"""What holds functions, or compiled classes that believe what they are filled with."""


class TestSklearnFlavor(FlavorMatrix):
    flavor = flavor
    module = "sklearn"
    kinds = tuple(MODELS)

    def case(self, kind: str) -> ModelCase:
        frame = FRAME.assign(a=FRAME["a"].round().abs()) if kind == "categories" else FRAME
        model = MODELS[kind]().fit(frame, CLASSES)
        return ModelCase(model, frame.head(), safe=kind not in UNSAFE)

    def change(self, model: Any) -> bool:
        model.fit(FRAME.abs().round(), 1 - CLASSES)  # other categories, other labels
        if isinstance(model, KMeans):
            model.cluster_centers_[:] = model.cluster_centers_[::-1].copy()
        return True

    def mlflow_saves(self, model: Any, kind: str, path: str) -> None:
        self._mlflow().save_model(model, path, pip_requirements=["scikit-learn"], serialization_format="cloudpickle")
