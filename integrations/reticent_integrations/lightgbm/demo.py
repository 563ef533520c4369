"""LightGBM: boosting with early stopping, on breast cancer data"""

from __future__ import annotations


def train() -> str:
    import lightgbm
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import train_test_split

    data, target = load_breast_cancer(return_X_y=True)
    data_train, data_valid, target_train, target_valid = train_test_split(data, target, random_state=0)
    train = lightgbm.Dataset(data_train, target_train)
    valid = lightgbm.Dataset(data_valid, target_valid, reference=train)
    params = {"objective": "binary", "metric": ["auc", "binary_logloss"], "learning_rate": 0.1, "verbose": -1}
    booster = lightgbm.train(
        params, train, 200, valid_sets=[valid], callbacks=[lightgbm.early_stopping(10, verbose=False)]
    )
    return (
        f"stopped early; the best of the rounds was number {booster.best_iteration}, "
        f"with a valid auc of {booster.best_score['valid_0']['auc']:.4f}"
    )
