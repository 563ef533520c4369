"""`reticent demo`: two small trainings on data that comes with scikit-learn, and a look at what was captured of them.

It logs to the user's own root, in the experiment "demo", so that the commands printed at the end work as they stand.
"""

from __future__ import annotations

import os
import random
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from shutil import which

from rich.console import Console
from rich.syntax import Syntax
from rich.text import Text

import reticent
from reticent import settings
from reticent.cli import render
from reticent.errors import MissingExtraError

EXPERIMENT = "demo"

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


def main() -> None:
    """Train, and show what was captured. Raises MissingExtraError if a framework is not installed."""
    missing = [name for name in ("sklearn", "xgboost") if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f'the demo needs {" and ".join(missing)}, not installed here: pip install "reticent[sklearn,xgboost]"'
        )
    out = render.console()
    reticent.configure(experiment=EXPERIMENT)
    out.print("Two trainings and a run by hand, captured by one line before them:\n")
    _code(out, "import reticent\nreticent.autolog()")
    reticent.autolog()
    began = time.time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _train(out, 1, "scikit-learn: a grid search over a pipeline, on handwritten digits", GRID_SEARCH, grid_search)
        _train(out, 2, "XGBoost: boosting with early stopping, on breast cancer data", BOOSTING, boosting)
        _train(out, 3, "By hand, with an API key among the params", BY_HAND, by_hand)
    with _busy(out, "delivering"):
        reticent.flush()
    _look(out, began)


def grid_search() -> str:
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # comes with scikit-learn

    digits, target = load_digits(return_X_y=True)
    digits_train, digits_test, target_train, target_test = train_test_split(digits, target, random_state=0)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    grid = {"logisticregression__C": [0.01, 0.1, 1.0]}
    search = GridSearchCV(pipeline, grid, cv=3)
    # On matrices this small, threads wait for one another longer than they compute: far longer on a busy machine.
    with threadpool_limits(1):
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
        {"objective": "binary:logistic", "eval_metric": ["logloss", "auc"], "eta": 0.1, "max_depth": 4, "nthread": 1},
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


def _train(out: Console, number: int, title: str, source: str, training: Callable[[], str]) -> None:
    out.print(Text.assemble((f"{number}  ", render.DIM), (title, render.HEAD)))
    out.print()
    _code(out, source)
    start = time.perf_counter()
    with _busy(out, "training"):
        result = training()
    out.print(
        Text.assemble(
            "   ", render.check("good"), f" {result}", (f"  {render.duration(time.perf_counter() - start)}", render.DIM)
        )
    )
    out.print()


@contextmanager
def _busy(out: Console, doing: str) -> Iterator[None]:
    """A spinner while a person waits."""
    if not render.on_terminal(out):
        yield
        return
    with out.status(Text(doing, style=render.DIM), spinner_style=render.DIM):
        yield


def _code(out: Console, source: str) -> None:
    if out.is_terminal and not out.no_color:
        code = Syntax(source, "python", theme="ansi_dark", background_color="default", padding=(0, 4))
        out.print(code)
    else:
        out.print("\n".join(f"    {line}" for line in source.splitlines()))
    out.print()


def _look(out: Console, began: float) -> None:
    from reticent.cli.runs import print_table, tree
    from reticent.cli.show import print_run

    runs = [run for run in reticent.search_runs(experiments=[EXPERIMENT]) if (run.start_time or 0.0) >= began]
    _command(out, "reticent runs -e demo", first=True)
    parents = [run for run in runs if run.parent_id is None]
    print_table(out, tree(parents, None, chronological=True))
    boosted = next((run for run in runs if any("logloss" in key for key in run.metrics)), None)
    manual = next((run for run in runs if run.name == "by-hand"), None)
    for run in (boosted, manual):
        if run is not None:
            _command(out, f"reticent show {render.short(run.run_id)}")
            print_run(out, run, brief=True)
    out.print()
    out.print(Text("Look further", style=render.HEAD))
    name = _name()
    children = [run for run in runs if run.parent_id is not None]
    if boosted is not None:
        _further(out, f"{name} show {render.short(boosted.run_id)} --all", "with all defaults")
    pair = (children if len(children) > 1 else parents)[:2]
    if len(pair) == 2:
        ids = " ".join(render.short(run.run_id) for run in pair)
        _further(out, f"{name} compare {ids}", "side by side")
    _further(out, f"{name} runs -f 'metrics.loss < 0.5'", "search")
    _further(out, f"{name} doctor", "what is captured here, and how it is set up")
    chosen = settings.current().settings
    out.print()
    out.print(Text("All of it lies in ", style=render.DIM).append_text(render.literal(settings.root(chosen))))


def _further(out: Console, command: str, why: str) -> None:
    out.print(Text.assemble(f"  {command}", (f"  # {why}", render.DIM)), soft_wrap=True)  # to be copied as it stands


def _name() -> str:
    """How this user calls `reticent`: by its place, if it is not where the shell looks."""
    place = Path(sys.executable).with_name("reticent")
    if which("reticent") or not place.exists():
        return "reticent"
    return os.path.relpath(place) if place.is_relative_to(Path.cwd()) else str(place)


def _command(out: Console, command: str, first: bool = False) -> None:
    if not first:
        out.print()
    out.print(Text.assemble(("$ ", render.DIM), (command, render.HEAD)))
    out.print()


if __name__ == "__main__":
    main()
