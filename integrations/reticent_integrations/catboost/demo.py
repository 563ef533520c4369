"""CatBoost: boosting with early stopping, on breast cancer data."""

from __future__ import annotations


def train() -> str:
    """Train a classifier; what came of it."""
    from catboost import CatBoostClassifier
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import train_test_split

    cancer = load_breast_cancer(as_frame=True)
    known, valid = train_test_split(cancer.frame, random_state=0, stratify=cancer.target)
    model = CatBoostClassifier(
        iterations=80, learning_rate=0.2, depth=4, eval_metric="AUC", verbose=False, allow_writing_files=False
    )
    unseen = valid[cancer.feature_names], valid["target"]
    model.fit(known[cancer.feature_names], known["target"], eval_set=unseen, early_stopping_rounds=10)
    return f"{model.score(*unseen):.1%} of unseen data are right, with {model.tree_count_} trees"
