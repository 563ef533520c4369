"""Trees from a forged file are refused before scikit-learn follows them out of memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from reticent_integrations.sklearn.trees import _trees, check

ROWS = np.random.default_rng(0).normal(size=(200, 5))
CLASSES = (ROWS[:, 0] * ROWS[:, 1] > 0).astype(int)
CATEGORIES = np.column_stack([(ROWS[:, 0] * 3).round() % 5, ROWS[:, 1]])

MODELS: dict[str, Any] = {
    "tree": lambda: DecisionTreeClassifier().fit(ROWS, CLASSES),
    "best first": lambda: DecisionTreeClassifier(max_leaf_nodes=9).fit(ROWS, CLASSES),
    "forest in a pipeline": lambda: make_pipeline(StandardScaler(), RandomForestClassifier(3)).fit(ROWS, CLASSES),
    "boosting": lambda: GradientBoostingRegressor(n_estimators=3).fit(ROWS, CLASSES),
    "isolation": lambda: IsolationForest(n_estimators=3, max_features=2).fit(ROWS),
    "histograms": lambda: HistGradientBoostingClassifier(max_iter=3).fit(ROWS, CLASSES),
    "categories": lambda: HistGradientBoostingClassifier(max_iter=3, categorical_features=[0]).fit(CATEGORIES, CLASSES),
}


@pytest.mark.parametrize("kind", MODELS)
def test_what_was_trained_passes(kind: str) -> None:
    model = MODELS[kind]()
    assert list(_trees(model))
    check(model)


def forged(tree: Any, field: str, value: int) -> None:
    state = tree.__getstate__()
    state["nodes"] = state["nodes"].copy()
    state["nodes"][field][0] = value
    tree.__setstate__(state)


@pytest.mark.parametrize(
    ("field", "value"),
    [("left_child", 10_000), ("right_child", 0), ("left_child", -7), ("feature", 5), ("feature", -3)],
)
def test_a_forged_tree_is_refused(field: str, value: int) -> None:
    model = make_pipeline(StandardScaler(), RandomForestClassifier(2)).fit(ROWS, CLASSES)
    forged(model[-1].estimators_[1].tree_, field, value)
    with pytest.raises(ValueError, match="a tree of the model"):
        check(model)


@pytest.mark.parametrize(("field", "value"), [("left", 10_000), ("right", 0), ("feature_idx", 5), ("bitset_idx", 99)])
def test_a_forged_tree_of_histograms_is_refused(field: str, value: int) -> None:
    model = MODELS["categories"]()
    nodes = model._predictors[0][0].nodes
    nodes[field][0] = value
    nodes["is_categorical"][0] = 1
    with pytest.raises(ValueError, match="a tree of the model"):
        check(model)
