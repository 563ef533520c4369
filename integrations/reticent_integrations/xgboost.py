"""XGBoost: `xgboost.train`, called by the user or by XGBoost's scikit-learn estimators.

Called alone, it captures all there is to know. Inside an estimator's fit, which the scikit-learn integration captures,
it adds what only XGBoost knows: the metrics of each iteration, early stopping and feature importances.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from itertools import repeat
from pathlib import Path
from typing import Any

from reticent import datasets
from reticent.guard import swallowed
from reticent.models import Flavor
from reticent.patching import Call, Integration, Options, Patch
from reticent.run import Run
from reticent.session import current

MAX_BARS = 20
"""Features in a chart of importances; all are in the JSON file beside it."""
MAX_LABELS = 1_000_000
"""XGBoost gives labels as a copy: of more rows than this, none is made."""

_NO_PARAMS = {"params", "dtrain", "evals", "evals_result", "xgb_model", "callbacks", "obj"}
"""Arguments of `xgboost.train` that are data, results or code."""


class XGBoostOptions(Options, frozen=True, forbid_unknown_fields=True, kw_only=True):
    importance_types: tuple[str, ...] = ("weight", "gain")
    """Feature importances to log, of those that `Booster.get_score` knows; none: no importances."""


def train(call: Call) -> Generator[None, Any, None]:
    """Around `xgboost.train`."""
    run = call.run
    callbacks, evals = _listed(call, "callbacks"), _listed(call, "evals")
    observer = _observer_class()(run, call.prefix)
    # First, not last: a callback that ends the training, or raises, keeps those after it from seeing that iteration.
    call.set("callbacks", [observer, *callbacks])
    stopping = _early_stopping(call, callbacks)
    if not call.inner:
        run.set_tag("autologging", "xgboost")
        with _part(run, "params"):
            _log_params(call, stopping)
        if call.options.log_datasets:
            with _part(run, "datasets"):
                _log_datasets(call, evals)

    booster = yield

    if stopping is not None:
        with _part(run, "early stopping"):
            _log_early_stopping(run, call.prefix, stopping, observer, booster)
    importances: dict[str, dict[str, Any]] = {}
    with _part(run, "feature importances"):
        importances = dict(_importances(booster, call.options.importance_types))
        for kind, scores in importances.items():
            run.log_dict(scores, f"{call.prefix}feature_importance_{kind}.json")
    if call.options.log_models and not call.inner:
        with _part(run, "model"):
            run.log_model(booster, f"{call.prefix}model", flavor=flavor, signature_inputs=_example(booster))
    if importances:  # last: what draws in the background takes the interpreter from what is still done here
        run.in_background("feature importances", functools.partial(_log_charts, run, call.prefix, importances))


def _save(model: Any, directory: Path) -> dict[str, Any]:
    import xgboost

    model.save_model(directory / "model.ubj")
    # A subclass of the user's is loaded as the XGBoost class that it was made from: loading runs no code but XGBoost's.
    kind = next(base for base in type(model).__mro__ if base.__module__.startswith("xgboost."))
    return {
        "xgboost": {
            "data": "model.ubj",
            "model_class": f"{kind.__module__}.{kind.__qualname__}",
            "model_format": "ubj",
            "xgb_version": xgboost.__version__,
        },
        "python_function": {"data": "model.ubj", "loader_module": "mlflow.xgboost"},
    }


def _load(directory: Path, config: Mapping[str, Any]) -> Any:
    module, _, name = config["model_class"].rpartition(".")
    if module.partition(".")[0] != "xgboost":
        raise ValueError(f"not a class of XGBoost: {config['model_class']}")
    model = getattr(import_module(module), name)()
    model.load_model(directory / config["data"])
    return model


def _is_xgboost(model: object) -> bool:
    bases = ((base.__module__, base.__name__) for base in type(model).__mro__)
    return any(base in {("xgboost.core", "Booster"), ("xgboost.sklearn", "XGBModel")} for base in bases)


# XGBoost's estimators are scikit-learn's too: theirs is the general flavour.
flavor = Flavor("xgboost", handles=_is_xgboost, save=_save, load=_load, priority=10)

integration = Integration(
    "xgboost",
    module="xgboost",
    requires=">=2.0",
    # One function by the three names that callers find it under.
    patches=(
        Patch("xgboost:train", train),
        Patch("xgboost.training:train", train),
        Patch("xgboost.sklearn:train", train),
    ),
    options=XGBoostOptions,
    flavor=flavor,
)


def _listed(call: Call, name: str) -> list[Any]:
    """A list argument; from an iterator, which can be read once, XGBoost then gets the same list."""
    value = call.get(name)
    items = [] if value is None else list(value)
    if value is not None and not isinstance(value, (list, tuple)):
        call.set(name, items)
    return items


def _part(run: Run, name: str) -> swallowed:
    """What goes wrong in one part is noted in the run, and the other parts are captured all the same."""

    def report(kind: str, error: Exception) -> None:
        run.warn(kind, f"{kind}: {type(error).__name__}: {error}; the training is not affected")

    return swallowed(f"xgboost integration ({name})", report)


@functools.cache
def _observer_class() -> Callable[[Run, str], Any]:
    """The callback's class, made when XGBoost is there to inherit from."""
    from xgboost.callback import TrainingCallback

    class MetricObserver(TrainingCallback):  # type: ignore[misc] # XGBoost's classes are not typed
        """Logs the metrics of each iteration while the training runs."""

        def __init__(self, run: Run, prefix: str) -> None:
            super().__init__()
            self.run = run
            self.prefix = prefix
            self.last_step = -1
            self.history: Mapping[str, Mapping[str, list[float]]] = {}

        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ARG002 - XGBoost's names
            with _part(self.run, "metrics"):
                self.last_step, self.history = epoch, evals_log
                for data, metrics in evals_log.items():
                    for metric, values in metrics.items():
                        self.run.log_metric(f"{self.prefix}{data}-{metric}", values[-1], epoch)
            return False

        def __reduce__(self) -> tuple[Any, tuple[()]]:
            """A copy does nothing, and can be read where Reticent is not installed."""
            return TrainingCallback, ()

    return MetricObserver


def _log_params(call: Call, stopping: _EarlyStopping | None) -> None:
    given = {name: value for name, value in call.given().items() if name not in _NO_PARAMS}
    if call.get("obj") is not None:
        given["obj"] = call.get("obj")
    defaults = {name: value for name, value in call.defaults().items() if name not in _NO_PARAMS}
    if stopping is not None:  # from a callback, the argument was left out
        defaults.pop("early_stopping_rounds", None)
        given["early_stopping_rounds"] = stopping.rounds
    explicit = {**_booster_params(call.get("params")), **given}
    call.run.log_params({call.prefix + name: value for name, value in explicit.items()}, origin="explicit")
    rest = {call.prefix + name: value for name, value in defaults.items() if name not in explicit}
    call.run.log_params(rest, origin="default")


def _booster_params(params: Any) -> dict[str, Any]:
    """The user's params; XGBoost takes pairs too, with a key for each of several metrics."""
    if params is None or isinstance(params, Mapping):
        return dict(params or {})
    collected: dict[str, list[Any]] = {}
    for key, value in params:
        collected.setdefault(key, []).append(value)
    return {key: values[0] if len(values) == 1 else values for key, values in collected.items()}


@dataclass(frozen=True)
class _EarlyStopping:
    """What the training was told about stopping early: by its argument, or by a callback."""

    rounds: int
    all_rounds: int
    callback: Any = None

    def monitor(self, history: Mapping[str, Mapping[str, Any]]) -> str:
        """The data set and the metric that decide: the last ones where none are named, as XGBoost has it."""
        data = getattr(self.callback, "data", None) or list(history)[-1]
        metric = getattr(self.callback, "metric_name", None) or list(history[data])[-1]
        return f"{data}-{metric}"

    def first_round(self, booster: Any, steps: int) -> int:
        """The rounds of the model that the training went on from; XGBoost counts iterations from 0 all the same."""
        if self.callback is not None:  # it may have cut the booster to its best rounds
            return int(self.callback.starting_round)
        return int(booster.num_boosted_rounds()) - steps


def _early_stopping(call: Call, callbacks: list[Any]) -> _EarlyStopping | None:
    from xgboost.callback import EarlyStopping

    all_rounds = call.get("num_boost_round")
    if call.get("early_stopping_rounds"):
        return _EarlyStopping(call.get("early_stopping_rounds"), all_rounds)
    for callback in callbacks:
        if isinstance(callback, EarlyStopping):
            return _EarlyStopping(callback.rounds, all_rounds, callback)
    return None


def _log_early_stopping(run: Run, prefix: str, stopping: _EarlyStopping, observer: Any, booster: Any) -> None:
    best = booster.attr("best_iteration")
    if best is None or observer.last_step < 0:
        return  # not one iteration was trained
    stopped = observer.last_step
    # Steps are those of the metrics. Iterations are XGBoost's own: they go on from the model that was trained before.
    first_round = stopping.first_round(booster, stopped + 1)
    best_step = int(best) - first_round
    metrics = {
        "best_step": best_step,
        "stopped_step": stopped,
        "best_score": float(booster.attr("best_score")),
        "best_iteration": int(best),
        "stopped_iteration": stopped + first_round,
    }
    run.log_metrics({prefix + name: value for name, value in metrics.items()}, stopped)
    if stopped - best_step >= stopping.rounds:
        reason = f"no improvement in {stopping.rounds} rounds"
    elif stopped + 1 >= stopping.all_rounds:
        reason = "all rounds trained"
    else:
        reason = "stopped by another callback"
    tags = {"early_stopping_monitor": stopping.monitor(observer.history), "early_stopping_reason": reason}
    run.set_tags({prefix + name: value for name, value in tags.items()})


def _importances(booster: Any, kinds: tuple[str, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    from xgboost.core import XGBoostError

    for kind in kinds:
        try:
            scores = booster.get_score(importance_type=kind)
        except XGBoostError:
            continue  # linear models have no more than weights
        if scores:
            yield kind, scores


def _log_charts(run: Run, prefix: str, importances: Mapping[str, Mapping[str, Any]]) -> None:
    if find_spec("matplotlib") is None:
        return  # the same numbers are in the JSON files
    for kind, scores in importances.items():
        numbers = {name: score for name, score in scores.items() if isinstance(score, (int, float))}
        if numbers:  # a linear model of several classes has a list of weights for each feature
            run.log_figure(_chart(kind, numbers), f"{prefix}feature_importance_{kind}.png")


def _chart(kind: str, scores: Mapping[str, float]) -> Any:
    """Bars with their numbers, placed by hand: axes, ticks and automatic layout take three times as long to draw."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure  # never pyplot: its figures and its state are the user's

    top = sorted(scores.items(), key=lambda item: abs(item[1]))[-MAX_BARS:]
    labels = [_label(name) for name, _ in top]
    values = [score for _, score in top]
    width, height = 7.0, 0.7 + 0.25 * len(top)
    figure = Figure(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(figure)
    left = (0.25 + 0.085 * max(map(len, labels))) / width
    axes = figure.add_axes((left, 0.15 / height, 0.9 - left, 1 - 0.6 / height))
    axes.set_axis_off()
    axes.barh(range(len(top)), values, color="#4477aa", height=0.7)
    low, high = min(0.0, *values), max(0.0, *values)
    axes.set_xlim(low, high if high > low else 1.0)
    axes.set_ylim(-0.6, len(top) - 0.4)
    look: dict[str, Any] = {"color": "#222222", "fontfamily": "DejaVu Sans"}
    beside: dict[str, Any] = {"textcoords": "offset points", "va": "center", **look}
    for row, (label, value) in enumerate(zip(labels, values, strict=True)):
        axes.annotate(label, (low, row), (-5, 0), ha="right", fontsize=10, parse_math=False, **beside)
        axes.annotate(f"{value:.4g}", (max(value, 0.0), row), (4, 0), ha="left", fontsize=8, **beside)
    title = f"Feature importance by {kind}" + (f", largest {len(top)} of {len(scores)}" if len(scores) > len(top) else "")
    figure.text(0.1 / width, 1 - 0.12 / height, title, va="top", fontsize=11, **look)
    return figure


def _label(name: str) -> str:
    """A feature's name as it may be drawn: sealed, as no scan finds text in a picture, in letters that the font has."""
    sealed = "".join(letter if letter < "\u0530" else "?" for letter in current().seal("artifact", name))
    return sealed if len(sealed) <= 40 else f"{sealed[:39]}…"


def _log_datasets(call: Call, evals: list[Any]) -> None:
    training = call.get("dtrain")
    _log_dmatrix(call.run, training, f"{call.prefix}train", "train")
    for data, name in evals:
        if data is not training:
            _log_dmatrix(call.run, data, f"{call.prefix}{name}", "eval")


def _log_dmatrix(run: Run, data: Any, name: str, context: str) -> None:
    """Log what XGBoost knows of the data without reading it again."""
    rows, columns, stored = data.num_row(), data.num_col(), data.num_nonmissing()
    names, types = data.feature_names, data.feature_types
    kind = datasets.type_name(data)
    digest = hashlib.blake2b(repr((kind, rows, columns, stored, names, types)).encode(), digest_size=8)
    if rows <= MAX_LABELS:
        labels = data.get_label()
        digest.update(datasets.take(labels, max(1, len(labels) // datasets.MAX_ROWS)).tobytes())
    schema: dict[str, Any] = {"type": kind, "shape": [rows, columns]}
    if names is not None:
        shown = names[: datasets.MAX_COLUMNS]
        schema["columns"] = [{"name": name, "type": type} for name, type in zip(shown, types or repeat(""), strict=False)]
    run.log_dataset(
        name,
        context,
        digest=digest.hexdigest(),
        source=f"memory ({kind})",
        schema={"features": schema},
        profile={"features": {"rows": rows, "columns": columns, "stored_values": stored}},
    )


def _example(booster: Any) -> Any:
    """Data of the kind that the model takes, as far as XGBoost knows it."""
    import numpy

    if booster.feature_names is None:
        return numpy.empty((0, booster.num_features()), numpy.float32)
    values = {"float": 0.0, "q": 0.0, "int": 0, "i": False}  # "c" is of any kind
    types = booster.feature_types or ["float"] * len(booster.feature_names)
    return {name: values.get(kind) for name, kind in zip(booster.feature_names, types, strict=True)}
