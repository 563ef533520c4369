"""What a training was told: TrainingArguments and the configs, as a diff against what the libraries would have taken."""

from __future__ import annotations

import dataclasses
import inspect
import weakref
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from reticent import values
from reticent.guard import tried
from reticent.patching import Capture
from reticent_integrations.transformers import early_stopping, tokenizers

if TYPE_CHECKING:
    from reticent.run import Origin

_FOUND_OUT = {
    *("_name_or_path", "architectures", "dtype", "model_type", "torch_dtype", "transformers_version"),
    *("auto_mapping", "base_model_name_or_path", "peft_type", "peft_version"),
}
"""What a config knows of its model, or of the library, rather than what was chosen."""

_OF_THE_LIBRARY = {"_from_model_config", "transformers_version"}

_config_defaults: weakref.WeakKeyDictionary[type, dict[str, Any]] = weakref.WeakKeyDictionary()


def log(capture: Capture, trainer: Any, optimizer: Any = None, scheduler: Any = None) -> None:
    """Log all of it, each part as far as it can be read; what the model's config has too is TrainingArguments' or the
    tokenizer's own."""
    model = trainer.model
    known: dict[str, tuple[Any, Origin]] = {}
    with capture.guard("tokenizer"):
        tokenizer = tokenizers.describe(getattr(trainer, "processing_class", None))
        known |= {name: (value, "derived") for name, value in tokenizer.items()}
    with capture.guard("training arguments"):
        known |= _arguments(trainer.args)
    with capture.guard("model config"):
        config = _config(getattr(model, "config", None))
        known = {name: found for name, found in config if name not in known} | known
    _log(capture, known)
    with capture.guard("generation config"):
        _log(capture, dict(_generation(getattr(model, "generation_config", None), getattr(model, "config", None))))
    with capture.guard("PEFT config"):
        _log(capture, dict(_adapters(model)))
    with capture.guard("callbacks"):
        _log(capture, dict(_stopping(early_stopping.callback(trainer))))
    with capture.guard("model"):
        capture.log_params(_size(model), "derived")
    with capture.guard("optimizer"):
        _log(capture, dict(_optimizer(optimizer, scheduler)))


def _log(capture: Capture, found: Mapping[str, tuple[Any, Origin]]) -> None:
    for origin in ("explicit", "default", "derived"):
        capture.log_params({name: value for name, (value, of) in found.items() if of == origin}, origin)


def _arguments(args: Any) -> Iterator[tuple[str, tuple[Any, Origin]]]:
    """The fields of TrainingArguments, as they are: its `to_dict` writes into what users have given."""
    filled_in = _filled_in(args)
    for field in dataclasses.fields(args):
        value = getattr(args, field.name, None)
        if _is_default(value, field) or (field.name == "report_to" and field.default == "none" and not value):
            yield field.name, (value, "default")
        elif field.name in filled_in and _same(value, filled_in[field.name]):
            yield field.name, (value, "derived")
        else:
            yield field.name, (value, "explicit")


def _filled_in(args: Any) -> dict[str, Any]:
    """What TrainingArguments puts where it was given nothing: taken from its other arguments, or from the machine."""
    monitor = args.metric_for_best_model
    return {
        "accelerator_config": type(args.accelerator_config)(),
        "activation_checkpointing": False,
        "bf16": not args.fp16 if type(args).bf16 is None else None,  # TRL's
        "dataloader_pin_memory": False,
        "debug": [],
        "disable_tqdm": args.disable_tqdm,
        "do_eval": str(getattr(args.eval_strategy, "value", args.eval_strategy)) != "no",
        "eval_steps": args.logging_steps,
        "fsdp": [],
        "fsdp_config": args.fsdp_config if not args.fsdp else None,
        "gradient_checkpointing": False,
        "greater_is_better": None if monitor is None else not monitor.endswith("loss"),
        "include_num_input_tokens_seen": "no",
        "local_rank": args.local_rank,
        "logging_dir": getattr(args, "logging_dir", None),
        "metric_for_best_model": "loss",
        "pad_to_multiple_of": None,  # TRL's
        "output_dir": "trainer_output",
        "run_name": args.output_dir,
    }


def _config(config: Any, prefix: str = "") -> Iterator[tuple[str, tuple[Any, Origin]]]:
    """The model's config; those of its parts (a text and a vision model, say) under their names."""
    if config is None:
        return
    defaults = _defaults_of(type(config)) if hasattr(config, "to_dict") else {}
    parts = getattr(config, "sub_configs", None) or {}
    for name, value in _told(config).items():
        part = getattr(config, name, None) if name in parts else None
        if hasattr(part, "to_dict"):
            yield from _config(part, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", (value, _origin(name, value, defaults))


def _generation(config: Any, of_model: Any) -> Iterator[tuple[str, tuple[Any, Origin]]]:
    """How it generates: only what differs from the model's config, and from what Transformers does by itself, of some
    seventy settings."""
    if config is None:
        return
    defaults = {**_defaults_of(type(config)), **_told(of_model), "use_cache": True}  # of the model the Trainer sets it
    for name, value in config.to_dict().items():
        if name not in _OF_THE_LIBRARY and not (name in defaults and _same(value, defaults[name])):
            yield f"generation.{name}", (value, "explicit")


def _adapters(model: Any) -> Iterator[tuple[str, tuple[Any, Origin]]]:
    """The configs of PEFT's adapters; of several each under its name."""
    adapters = getattr(model, "peft_config", None)
    if not isinstance(adapters, Mapping):
        return
    for adapter, config in adapters.items():
        prefix = "peft." if len(adapters) == 1 else f"peft.{adapter}."
        for field in dataclasses.fields(config):
            value = getattr(config, field.name)
            if field.name in _FOUND_OUT:
                yield f"{prefix}{field.name}", (value, "derived")
            else:
                yield f"{prefix}{field.name}", (value, "default" if _is_default(value, field) else "explicit")


def _stopping(callback: Any) -> Iterator[tuple[str, tuple[Any, Origin]]]:
    """What the user's callback for early stopping was told."""
    if callback is None:
        return
    defaults = inspect.signature(type(callback)).parameters
    for name in ("early_stopping_patience", "early_stopping_threshold"):
        value = getattr(callback, name)
        given = name not in defaults or defaults[name].default != value
        yield name, (value, "explicit" if given else "default")


def _size(model: Any) -> dict[str, Any]:
    parameters = list(model.parameters())
    count = getattr(model, "num_parameters", None)  # which knows how many there are in four bits each
    return {
        "model_class": type(model).__name__,
        "num_parameters": count() if callable(count) else sum(one.numel() for one in parameters),
        "num_trainable_parameters": sum(one.numel() for one in parameters if one.requires_grad),
    }


def _optimizer(optimizer: Any, scheduler: Any) -> Iterator[tuple[str, tuple[Any, Origin]]]:
    """The optimizer and the scheduler that came of the arguments, or that the user gave."""
    from reticent_integrations.torch import optimizers

    if optimizer is None:
        return
    optimizer = getattr(optimizer, "optimizer", optimizer)  # Accelerate has wrapped them
    scheduler = getattr(scheduler, "scheduler", scheduler)
    found = {
        **optimizers.describe(optimizer),
        **({} if scheduler is None else optimizers.describe_scheduler(scheduler)),
    }
    for name, value in found.items():
        own = name.partition(".")[0].endswith("_name") or name.startswith("scheduler")
        yield name if own else f"optimizer.{name}", (value, "derived")


def _told(config: Any) -> Mapping[str, Any]:
    if isinstance(config, Mapping):
        return config
    return {} if config is None else config.to_dict()


def _is_default(value: Any, field: dataclasses.Field[Any]) -> bool:
    if field.default is not dataclasses.MISSING:
        return _same(value, field.default)
    return field.default_factory is not dataclasses.MISSING and _same(value, field.default_factory())


def _origin(name: str, value: Any, defaults: Mapping[str, Any]) -> Origin:
    if name in _FOUND_OUT:
        return "derived"
    return "default" if name in defaults and _same(value, defaults[name]) else "explicit"


def _defaults_of(kind: type) -> dict[str, Any]:
    """The config that a class makes of nothing; empty if it cannot."""
    if kind not in _config_defaults:
        _config_defaults[kind] = {}
        with tried():  # a user's class may raise anything
            _config_defaults[kind] = kind().to_dict()
    return _config_defaults[kind]


def _same(one: Any, other: Any) -> bool:
    return bool(values.plain(one) == values.plain(other))
