"""XGBoost: boosting with early stopping, on breast cancer data"""

from __future__ import annotations


def train() -> str:
    import xgboost
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import train_test_split

    data, target = load_breast_cancer(return_X_y=True)
    data_train, data_valid, target_train, target_valid = train_test_split(data, target, random_state=0)
    train, valid = xgboost.DMatrix(data_train, target_train), xgboost.DMatrix(data_valid, target_valid)
    params = {"objective": "binary:logistic", "eval_metric": ["logloss", "auc"], "eta": 0.1, "max_depth": 4}
    booster = xgboost.train(
        params, train, 200, early_stopping_rounds=10, evals=[(train, "train"), (valid, "valid")], verbose_eval=False
    )
    return f"stopped early; the best step was {booster.best_iteration}, with a valid auc of {booster.best_score:.4f}"
