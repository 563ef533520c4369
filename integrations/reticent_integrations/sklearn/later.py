"""What the user asks of an estimator after its fit: `estimator.score(X, y)`, and metrics of what it predicted.

A prediction is known again by the identity of the array, or of the array that it is a part of (`probabilities[:, 1]`),
data by its identity or else by digests of its content, since `X[rows]` and `frame[columns]` are new objects each time.
Nothing is kept alive for this. Data is called "training" if it is what the estimator was fitted to; as the fit called it,
if that was told to judge itself by it; else "eval", "eval_2"...
"""

from __future__ import annotations

import threading
import weakref
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from reticent import datasets
from reticent.patching import Call, Capture
from reticent_integrations.sklearn import functions, tables

_MOST_ESTIMATORS = 1000
_MOST_OUTPUTS = 1000
_MOST_DATASETS = 100


class Identity:
    """Which object something was, without keeping it alive."""

    __slots__ = ("_form", "_reference")

    def __init__(self, value: Any) -> None:
        self._reference: weakref.ref[Any] | None = None
        self._form = None if value is None else (id(value), type(value).__name__, datasets.rows(value))
        with suppress(TypeError):  # a list is known by its address and length
            self._reference = None if value is None else weakref.ref(value)

    def same(self, other: Identity) -> bool:
        if self._form is None or self._form != other._form:
            return False
        if self._reference is None or other._reference is None:
            return self._reference is other._reference
        return self._reference() is not None and self._reference() is other._reference()

    @property
    def is_known(self) -> bool:
        return self._form is not None

    def value(self) -> Any:
        """The object, or None if it is gone or there are no weak references to it."""
        return None if self._reference is None else self._reference()


@dataclass(slots=True)
class Data:
    """What an estimator was fitted to or asked about, without keeping it alive."""

    name: str
    features: Identity
    targets: Identity
    contents: Mapping[str, str]
    """As of `datasets.contents`."""

    def same_objects(self, other: Data) -> bool:
        """Whether the targets are, or the features where there are no other targets to tell data by."""
        if self.targets.same(other.targets):
            return True
        return self.features.same(other.features) and not (self.targets.is_known and other.targets.is_known)

    def same_contents(self, other: Data) -> bool:
        """Whether all that both have digests of is equal: the targets alone where the features are gone."""
        both = self.contents.keys() & other.contents.keys()
        return bool(both) and all(self.contents[part] == other.contents[part] for part in both)


class Fitted:
    """An estimator that was captured: where to log what is found out about it later."""

    def __init__(self, capture: Capture, name: str, training: Data, info: dict[str, Any]) -> None:
        self.capture = capture
        self.step: int | None = None
        """Of an estimator whose training goes on: after how many calls it is asked."""
        self.name = name
        self._info = info
        self._datasets = [training]
        self._described = {training.name}
        self._evals = 0
        self._calls: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()
        self._stale = False

    def know(self, name: str, features: Any, targets: Any) -> None:
        """Call data so that the training was told to judge itself by."""
        contents = datasets.contents(features=features, targets=targets)
        self._datasets.append(Data(name, Identity(features), Identity(targets), contents))
        if self.capture.has_dataset(name):
            self._described.add(name)

    def log(self, metric: str, dataset: str, value: float, options: dict[str, Any]) -> None:
        """Log a metric of a data set; the second time as `metric-2`, and so on, or as a point of the same one where the
        training has gone on."""
        self.capture.log_metric(self.called(metric, dataset, options), value, self.step)

    def called(self, metric: str, dataset: str, options: dict[str, Any]) -> str:
        """The name of a call's outcome; what was called is noted."""
        with self._lock:
            self._calls[metric, dataset] += 1
            count = self._calls[metric, dataset] if self.step is None else 1
            key = f"{metric}{'' if count == 1 else f'-{count}'}_{dataset}"
            self._info[key] = {"call": metric, "data": dataset, **({"options": options} if options else {})}
        self.write_info()
        return key

    def write_info(self) -> None:
        """Have `metric_info.json` written anew in the background."""
        with self._lock:
            if self._stale:
                return
            self._stale = True
        self.capture.in_background("metric_info.json", self._write_info)

    def _write_info(self) -> None:
        with self._lock:
            self._stale = False
            info = dict(self._info)
        self.capture.log_dict(info, "metric_info.json")

    def dataset(self, features: Any, targets: Any, origin: Identity) -> str:
        """What data is called here.

        `origin` is which object the features were: those that were made for one prediction are gone after it, and are
        None. The targets that go with them remain.
        """
        data = Data("", origin, Identity(targets), {})
        with self._lock:
            known = self._find(data)
        if known is None:  # read outside the lock: a fork meanwhile would leave it locked in the child
            with self.capture.guard("data of a metric"):
                data.contents = datasets.contents(features=features, targets=targets)
        with self._lock:
            known = known or self._find(data)
            if known is not None:
                return known.name
            data.name = self._new_name()
            self._datasets.append(data)
            if len(self._datasets) > _MOST_DATASETS:
                del self._datasets[1]
            return data.name

    def _new_name(self) -> str:
        taken = {known.name for known in self._datasets}
        while True:
            self._evals += 1
            name = "eval" if self._evals == 1 else f"eval_{self._evals}"
            if name not in taken:
                return name

    def _find(self, data: Data) -> Data | None:
        """The known data that has the same features or targets, or else the same content."""
        same = next((known for known in self._datasets if known.same_objects(data)), None)
        return same or next((known for known in self._datasets if known.same_contents(data)), None)

    def log_dataset(self, name: str, features: Any, targets: Any) -> None:
        """Log what is known of data that the estimator was not fitted to, once."""
        with self._lock:
            if name in self._described:
                return
            self._described.add(name)
        self.capture.log_dataset(name, "eval", datasets.describe(features, targets))


class WeakTable:
    """Values by the identity of an object, until it is gone; the oldest go first when there are too many."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._rows: dict[int, tuple[weakref.ref[Any], Any]] = {}
        self._lock = threading.Lock()

    def put(self, key: Any, value: Any) -> None:
        """TypeError if there are no weak references to `key`."""
        rows, number = self._rows, id(key)
        reference = weakref.ref(key, lambda _: rows.pop(number, None))
        with self._lock:
            rows.pop(number, None)
            rows[number] = reference, value
            for oldest in list(rows)[: max(0, len(rows) - self._most)]:
                rows.pop(oldest, None)

    def pop(self, key: Any) -> Any:
        value = self.get(key)
        self._rows.pop(id(key), None)
        return value

    def values(self) -> list[Any]:
        return [value for _, value in list(self._rows.values())]

    def get(self, key: Any) -> Any:
        reference, value = self._rows.get(id(key), (None, None))
        return value if reference is not None and reference() is key else None


_estimators = WeakTable(_MOST_ESTIMATORS)
_outputs = WeakTable(_MOST_OUTPUTS)
_curves = WeakTable(_MOST_OUTPUTS)


def remember(estimator: Any, fitted: Fitted) -> None:
    """Log what is asked of `estimator` from now on."""
    _estimators.put(estimator, fitted)


def remember_labels(fitted: Fitted, features: Identity, *found: Any) -> None:
    """Log what is asked from now on of the labels that a fit found itself, or a cross-validation."""
    for labels in found:
        if hasattr(labels, "__array__"):
            _outputs.put(labels, (fitted, features))


def remember_other(model: Any, capture: Capture, features: Any, targets: Any, contents: Mapping[str, str]) -> Fitted:
    """The same for a model of another framework, after its training with this data."""
    training = Data("training", Identity(features), Identity(targets), contents)
    fitted = Fitted(capture, type(model).__name__, training, {})
    remember(model, fitted)
    return fitted


def predict(call: Call) -> Generator[None, Any, None]:
    """Around `predict`, `predict_proba` and `decision_function`."""
    output = yield
    predicted(call.instance, call.args[1] if len(call.args) > 1 else call.get("X", call.get("data")), output)


def predicted(model: Any, features: Any, output: Any) -> None:
    """Log what is asked from now on of `output`, which a known model has predicted from `features`."""
    fitted = _estimators.get(model)
    if fitted is None or not hasattr(output, "__array__"):
        return
    origin = Identity(features)
    whole = getattr(output, "base", None)
    for array in (output,) if whole is None or not hasattr(whole, "__array__") else (output, whole):
        _outputs.put(array, (fitted, origin))


def score(call: Call) -> Generator[None, Any, None]:
    """Around `score`."""
    value = yield
    fitted: Fitted | None = _estimators.get(call.instance)
    if fitted is None or not _is_number(value):
        return
    features = call.args[1] if len(call.args) > 1 else call.get("X")
    targets = call.args[2] if len(call.args) > 2 else call.get("y")
    name = fitted.dataset(features, targets, Identity(features))
    fitted.log(f"{fitted.name}_score", name, value, {})
    if call.options.log_datasets:
        fitted.log_dataset(name, features, targets)


def metric(call: Call) -> Generator[None, Any, None]:
    """Around the functions of `sklearn.metrics`."""
    value = yield
    function = call.function.__name__
    numbers = _numbers(function, value)
    filed = function in functions.TABLES or function in functions.CURVES
    if not numbers and not filed:
        return
    given = call.given()
    predicted = next((name for name, argument in given.items() if _known(argument) is not None), "")
    known = _known(given.get(predicted))
    if known is None:
        return
    fitted, origin = known
    features = origin.value()
    targets = call.get("y_true", call.get("labels_true"))
    name = fitted.dataset(features, targets, origin)
    data = (predicted, "y_true", "labels_true", "sample_weight", "X")
    options = {key: argument for key, argument in given.items() if key not in data}
    for metric, number in numbers.items():
        fitted.log(metric, name, number, options)
    if filed:
        tables.log(fitted.capture, fitted.called(function, name, options), function, name, value, given)
    if function in functions.CURVES:
        for part in value:
            _curves.put(part, (fitted, name, function))
    if call.options.log_datasets and features is not None:
        fitted.log_dataset(name, features, targets)


def area(call: Call) -> Generator[None, Any, None]:
    """Around `auc`, of a curve that another function has given."""
    value = yield
    found = _curves.get(call.get("x"))
    if found is not None:
        fitted, name, function = found
        fitted.log("auc", name, value, {"curve": function})


def _known(argument: Any) -> tuple[Fitted, Identity] | None:
    """The estimator that an argument is a prediction of, and the features that it was predicted from."""
    found = _outputs.get(argument)
    if found is None:
        whole = getattr(argument, "base", None)
        found = None if whole is None else _outputs.get(whole)
    return found  # type: ignore[no-any-return] # what `predict` has put there


def _numbers(function: str, value: Any) -> dict[str, float]:
    """What a function of `sklearn.metrics` has given, by the names of metrics; nothing if it is an array."""
    if _is_number(value):
        return {function: value}
    parts = functions.PARTS.get(function, ())
    named = zip(parts, value, strict=True) if len(parts) else ()
    return {f"{function}_{part}": number for part, number in named if _is_number(number)}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) or (getattr(value, "ndim", None) == 0 and hasattr(value, "item"))
