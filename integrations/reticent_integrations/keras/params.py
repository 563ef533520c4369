"""What a training was told: arguments of `fit`, the optimizer's config, the loss, early stopping."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import Any

from reticent import datasets
from reticent.patching import Call, Capture
from reticent_integrations.keras import early_stopping
from reticent_integrations.keras.data import Training

_NO_PARAMS = {"x", "y", "validation_data", "callbacks", "verbose"}
"""Arguments of `fit` that are data or code, or only change what is printed."""


def log(call: Call, training: Training, stopping: Any) -> None:
    capture = call.capture
    explicit = {name: _plain(value) for name, value in call.given().items() if name not in _NO_PARAMS}
    default = {name: value for name, value in call.defaults().items() if name not in _NO_PARAMS}
    if call.get("batch_size") is None and training.batch_size is not None:
        explicit.pop("batch_size", None)
        default.pop("batch_size", None)
        capture.log_params({"batch_size": training.batch_size}, "derived")
    if stopping is not None:
        explicit |= {name: getattr(stopping, name, None) for name in early_stopping.PARAMS}
    capture.log_params(explicit, "explicit")
    capture.log_params(default, "default")
    log_compiled(capture, call.instance)


def log_compiled(capture: Capture, model: Any) -> None:
    """Log what a model was compiled with."""
    log_optimizer(capture, getattr(model, "optimizer", None))
    told = getattr(getattr(model, "_compile_config", None), "config", {})
    explicit = {
        "loss": _plain(told.get("loss", getattr(model, "loss", None))),
        "loss_weights": _plain(told.get("loss_weights")),
        "metrics": _plain(told.get("metrics")),
        "weighted_metrics": _plain(told.get("weighted_metrics")),
    }
    capture.log_params({name: value for name, value in explicit.items() if value is not None}, "explicit")
    loss = told.get("loss")
    if loss is not None and hasattr(loss, "get_config"):
        _log_config(capture, loss, "loss_", loss.get_config())
    derived = {name: told.get(name) for name in ("run_eagerly", "steps_per_execution", "jit_compile")}
    capture.log_params({name: value for name, value in derived.items() if value is not None}, "derived")


def log_optimizer(capture: Capture, optimizer: Any) -> None:
    """Log an optimizer's config as `opt_<name>`; with a schedule, `opt_learning_rate` is which one."""
    if optimizer is None:
        return
    config = optimizer.get_config()
    schedule = config.get("learning_rate")
    if isinstance(schedule, Mapping):
        config["learning_rate"] = schedule.get("class_name")
        inner = schedule.get("config", {})
        capture.log_params({f"opt_learning_rate_{name}": _plain(value) for name, value in inner.items()}, "explicit")
    capture.log_params({"optimizer": type(optimizer).__name__}, "explicit")
    _log_config(capture, optimizer, "opt_", config)


def _log_config(capture: Capture, configured: Any, prefix: str, config: Mapping[str, Any]) -> None:
    """Log a config; what differs from the defaults of its class, the user gave."""
    defaults = {
        name: parameter.default for name, parameter in inspect.signature(type(configured).__init__).parameters.items()
    }
    explicit: dict[str, Any] = {}
    default: dict[str, Any] = {}
    for name, value in config.items():
        if name == "name" and defaults.get(name) is None and _named_by_keras(value, configured):
            default[f"{prefix}{name}"] = value
        elif name in defaults and _same(value, defaults[name]):
            default[f"{prefix}{name}"] = _plain(defaults[name])
        else:
            explicit[f"{prefix}{name}"] = _plain(value)
    capture.log_params(explicit, "explicit")
    capture.log_params(default, "default")


def _named_by_keras(name: str, configured: Any) -> bool:
    """Whether a name was made from that of the class: "adam", "adam_1"."""
    return name.replace("_", "").startswith(type(configured).__name__.lower())


def _same(value: Any, default: Any) -> bool:
    """Numbers were made float32 by some backends: 0.0010000000474974513 is 0.001."""
    if isinstance(value, float) and isinstance(default, (int, float)):
        return math.isclose(value, default, rel_tol=1e-6)
    return type(value) is type(default) and bool(value == default)


def _plain(value: Any) -> Any:
    """A value as it is to be read: of an object of Keras or a function its name, of an array what it is."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return _rounded(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    extents = datasets.shape(value)
    if extents:
        return f"{datasets.type_name(value)} {extents}"
    if hasattr(value, "get_config"):
        return type(value).__name__
    return getattr(value, "__name__", None) or value


def _rounded(value: float) -> float:
    """The shortest number that float32 holds as this one; others stay."""
    import numpy as np

    single = np.float32(value)
    return float(str(single)) if float(single) == value else value
