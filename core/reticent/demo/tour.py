"""`reticent demo`: two small trainings on data that comes with scikit-learn, a run by hand, and a look at all of it."""

from __future__ import annotations

import random
import warnings
from importlib.util import find_spec

import reticent
from reticent.cli import render
from reticent.demo.showing import code, look, since, train, watch
from reticent.errors import MissingExtraError

GRID_SEARCH = """\
pipeline = make_pipeline(StandardScaler(), LogisticRegression())
grid = {"logisticregression__C": [0.01, 0.1, 1.0]}
search = GridSearchCV(pipeline, grid, cv=3)
search.fit(digits_train, target_train)"""

BOOSTING = """\
xgboost.train(params, train, 200, early_stopping_rounds=10,
              evals=[(train, "train"), (valid, "valid")])"""

BY_HAND = """\
with reticent.start_run("by-hand") as run:
    run.log_params({"num_tokens": 4096, "api_key": key})
    for step in range(60):
        run.log_metric("loss", loss(step), step)"""


def tour() -> None:
    """Train, and show what was captured. Raises MissingExtraError if a framework is not installed."""
    missing = [name for name in ("sklearn", "xgboost") if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f'the demo needs {" and ".join(missing)}, not installed here: pip install "reticent[sklearn,xgboost]"'
        )
    out = render.console()
    out.print("Two trainings and a run by hand, captured by one line before them:\n")
    code(out, "import reticent\nreticent.autolog()")
    began = watch()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        train(out, "1  scikit-learn: a grid search over a pipeline, on handwritten digits", GRID_SEARCH, grid_search)
        train(out, "2  XGBoost: boosting with early stopping, on breast cancer data", BOOSTING, boosting)
        train(out, "3  By hand, with an API key among the params", BY_HAND, by_hand)
    runs = since(out, began)
    boosted = [run for run in runs if any("logloss" in key for key in run.metrics)]
    look(out, runs, [*boosted[:1], *(run for run in runs if run.name == "by-hand")], "metrics.loss < 0.5")


def grid_search() -> str:
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    digits, target = load_digits(return_X_y=True)
    digits_train, digits_test, target_train, target_test = train_test_split(digits, target, random_state=0)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    grid = {"logisticregression__C": [0.01, 0.1, 1.0]}
    search = GridSearchCV(pipeline, grid, cv=3)
    search.fit(digits_train, target_train)
    return f"{search.score(digits_test, target_test):.1%} of unseen digits are right"


def boosting() -> str:
    import xgboost
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import train_test_split

    data, target = load_breast_cancer(return_X_y=True)
    data_train, data_valid, target_train, target_valid = train_test_split(data, target, random_state=0)
    train, valid = xgboost.DMatrix(data_train, target_train), xgboost.DMatrix(data_valid, target_valid)
    booster = xgboost.train(
        {"objective": "binary:logistic", "eval_metric": ["logloss", "auc"], "eta": 0.1, "max_depth": 4},
        train,
        num_boost_round=200,
        early_stopping_rounds=10,
        evals=[(train, "train"), (valid, "valid")],
        verbose_eval=False,
    )
    return f"stopped early; the best step was {booster.best_iteration}, with a valid auc of {booster.best_score:.4f}"


def by_hand() -> str:
    # Of the form that OpenAI's keys have, and nobody's: put together here, so that no scanner takes this file for a leak.
    key = "sk-" + "proj-" + "4hT9qLw2" * 6
    noise = random.Random(0)  # noqa: S311 - a curve to look at
    with reticent.start_run("by-hand") as run:
        run.log_params({"num_tokens": 4096, "api_key": key})
        for step in range(60):
            run.log_metric("loss", 2.3 * 0.95**step + noise.uniform(0, 0.08), step)
    return "the key was never written; num_tokens, which is none, was kept"
