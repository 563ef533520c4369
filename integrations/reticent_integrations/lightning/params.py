"""What a training was told: hyperparameters of the module and of its data, the trainer's arguments, optimizers."""

from __future__ import annotations

import inspect
from collections.abc import Generator, Iterator, Mapping
from datetime import timedelta
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from reticent import values
from reticent.patching import Call, Capture
from reticent_integrations.torch import optimizers

if TYPE_CHECKING:
    from reticent.run import Origin

MAX_DEPTH = 5
_PLAIN = (type(None), bool, int, float, str, PurePath, timedelta, Mapping)
_ARGUMENTS: WeakKeyDictionary[Any, tuple[dict[str, object], dict[str, object]]] = WeakKeyDictionary()
"""By trainer, what it was made with: given and by default."""
_STOPPING = ("monitor", "mode", "patience", "min_delta", "stopping_threshold", "divergence_threshold")


def remember_arguments(call: Call) -> Generator[None, Any, None]:
    """Around `Trainer.__init__`."""
    yield
    given, defaults = call.given(), call.defaults()
    _ARGUMENTS[call.instance] = (
        {name: _told(value) for name, value in given.items()},
        {name: _told(value) for name, value in defaults.items()},
    )


class Params:
    """Those of one fit. They come from several places: where two have another value under one name, that of the second is
    told apart by where it comes from."""

    def __init__(self, capture: Capture) -> None:
        self._capture = capture
        self._texts: dict[str, str] = {}

    def log(self, params: Mapping[str, object], origin: Origin, source: str) -> None:
        named = {}
        for name, value in params.items():
            text = values.text(values.plain(value))
            own = name if self._texts.get(name, text) == text else f"{source}.{name}"
            self._texts[own] = text
            named[own] = value
        self._capture.log_params(named, origin)

    def log_fit(self, trainer: Any, module: Any, data: Any) -> None:
        """What is known before the training begins."""
        self._log_hyperparameters(module, "module")
        given, defaults = _ARGUMENTS.get(trainer, ({}, {}))
        self.log(given, "explicit", "trainer")
        self.log({"epochs": trainer.max_epochs}, "explicit" if "max_epochs" in given else "default", "trainer")
        self._log_hyperparameters(data, "datamodule")
        self.log(defaults or _attributes(trainer), "default" if defaults else "derived", "trainer")

    def log_optimizers(self, trainer: Any) -> None:
        found = optimizers.describe(*trainer.optimizers)
        chosen = optimizers.explicit(*trainer.optimizers)
        self.log({name: value for name, value in found.items() if name in chosen}, "explicit", "optimizer")
        self.log({name: value for name, value in found.items() if name not in chosen}, "default", "optimizer")
        configs = trainer.lr_scheduler_configs
        self.log(optimizers.describe_scheduler(*(config.scheduler for config in configs)), "explicit", "scheduler")
        for number, config in enumerate(configs, 1):
            prefix = "scheduler" if number == 1 else f"scheduler_{number}"
            told = {"interval": config.interval, "frequency": config.frequency, "monitor": config.monitor}
            named = {f"{prefix}.{name}": value for name, value in told.items() if value is not None}
            self.log(named, "derived", "scheduler")

    def log_early_stopping(self, stoppings: list[Any]) -> None:
        for number, callback in enumerate(stoppings, 1):
            told = {name: getattr(callback, name) for name in _STOPPING}
            # Lightning turns the sign of what it was given where less is better.
            told["min_delta"] = abs(callback.min_delta)
            told = {name: value for name, value in told.items() if value is not None}
            prefix = "" if number == 1 else f"early_stopping_{number}."
            usual = _defaults(type(callback))
            default = {name for name, value in told.items() if name in usual and usual[name] == value}
            given = {f"{prefix}{name}": value for name, value in told.items() if name not in default}
            self.log(given, "explicit", "early_stopping")
            usually = {f"{prefix}{name}": value for name, value in told.items() if name in default}
            self.log(usually, "default", "early_stopping")

    def _log_hyperparameters(self, owner: Any, source: str) -> None:
        """What `save_hyperparameters` has kept of a module or datamodule. The property `hparams` would make an attribute."""
        found = getattr(owner, "_hparams", None)
        if not isinstance(found, Mapping):
            return
        params = dict(_flat(found))
        usual = {name: values.plain(value) for name, value in _defaults(type(owner)).items()}
        default = {name for name, value in params.items() if name in usual and values.plain(value) == usual[name]}
        self.log({name: value for name, value in params.items() if name not in default}, "explicit", source)
        self.log({name: value for name, value in params.items() if name in default}, "default", source)


def _flat(params: Mapping[Any, Any], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, object]]:
    for name, value in params.items():
        if isinstance(value, Mapping) and value and depth < MAX_DEPTH:
            yield from _flat(value, f"{prefix}{name}.", depth + 1)
        else:
            yield f"{prefix}{name}", value


def _defaults(cls: type) -> dict[str, Any]:
    parameters = inspect.signature(cls.__init__).parameters.values()  # type: ignore[misc] # of this very class
    return {one.name: one.default for one in parameters if one.default is not one.empty}


def _attributes(trainer: Any) -> dict[str, object]:
    """The arguments that a trainer still knows, of one that was made before autologging was on."""
    names = inspect.signature(type(trainer).__init__).parameters
    return {name: _told(vars(trainer)[name]) for name in names if name in vars(trainer)}


def _told(value: Any) -> object:
    """An argument as it is read later, when the trainer has changed it: plain values, and what kind an object is of."""
    if isinstance(value, (list, tuple)):
        return [_told(item) for item in value]
    return value if isinstance(value, _PLAIN) else type(value).__name__
