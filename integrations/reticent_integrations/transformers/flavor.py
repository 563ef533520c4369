"""Models of Transformers: alone, in a pipeline, with their tokenizer, adapted by PEFT; weights in safetensors.

The layout is that of MLflow's flavour: `model/`, `components/tokenizer/`, `peft/`. No code that comes with a model is run.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reticent.errors import ReticentError
from reticent.files import inside
from reticent.models import Flavor
from reticent.models.flavor import Config
from reticent.models.signature.tensors import is_a
from reticent_integrations.transformers import adapters, checks, quietly
from reticent_integrations.transformers.parameters import own_parameters, refuse_unsafe
from reticent_integrations.transformers.parts import (
    COMPONENTS,
    MODEL,
    PIPELINE,
    Parts,
    handles,
    is_adapted,
    parts,
    pipeline,
)
from reticent_integrations.transformers.predict import predict

_MODEL = "model"
_COMPONENTS = "components"

_MLFLOW_PREDICTS = {
    "audio-classification",
    "automatic-speech-recognition",
    "feature-extraction",
    "fill-mask",
    "image-classification",
    "table-question-answering",
    "text-classification",
    "text-generation",
    "token-classification",
    "zero-shot-classification",
}


def _save(model: Any, directory: Path) -> dict[str, Any]:
    import transformers

    whole = parts(model)
    base = whole.base
    config: dict[str, Any] = {
        "task": whole.task,
        "instance_type": type(model).__name__ if not isinstance(model, Mapping) else "dict",
        "pipeline_model_type": type(base).__name__,
        "torch_dtype": str(base.dtype),
        "components": [name for name in whole.components if name != "processor"],
        "transformers_version": transformers.__version__,
        "code": None,
        **_save_model(whole, directory),
    }
    for name, component in whole.components.items():
        quietly.save(component, directory / _COMPONENTS / name)
        config[f"{name}_type"] = type(component).__name__
        if "source_model_revision" in config:
            config[f"{name}_name"] = config["source_model_name"]
            config[f"{name}_revision"] = config["source_model_revision"]
    classes = _classes_apart(model, whole)
    if classes:
        config["classes"] = classes
    options = _options(model) if is_a(model, *PIPELINE) else {}
    for values in options.values():  # what would not be loaded again is told now
        refuse_unsafe(values, own_parameters(model, "_sanitize_parameters"))
    if options:
        config["options"] = options
    if checks.foreign(classes) or not whole.components or whole.task not in _MLFLOW_PREDICTS:
        return {"transformers": config}
    function = {"loader_module": "mlflow.transformers", "config": _call_options(model, options)}
    return {"transformers": config, "python_function": function}


def _save_model(whole: Parts, directory: Path) -> dict[str, Any]:
    if not is_adapted(whole.model):
        if adapters.has_added(whole.model):
            return {**adapters.save_added(whole.model, directory, _MODEL), "model_binary": _MODEL}
        quietly.save(whole.model, directory / _MODEL)
        return {"model_binary": _MODEL}
    config = adapters.save(whole.model, directory)
    source = adapters.reference(whole.model, whole.base)
    if source is not None:
        return {**config, "source_model_name": source[0], "source_model_revision": source[1]}
    quietly.save(whole.base, directory / _MODEL, state_dict=adapters.base_weights(whole.base))
    return {**config, "model_binary": _MODEL}


def _classes_apart(model: Any, whole: Parts) -> dict[str, str]:
    """The classes that Transformers does not know by their plain names."""
    import transformers

    kinds = {"model": type(whole.base), **{name: type(part) for name, part in whole.components.items()}}
    if is_a(model, *PIPELINE):
        kinds["pipeline"] = type(model)
    return {
        part: f"{kind.__module__}.{kind.__qualname__}"
        for part, kind in kinds.items()
        if getattr(transformers, kind.__name__, None) is not kind
    }


_OPTIONS = ("_preprocess_params", "_forward_params", "_postprocess_params", "_generate_kwargs")


def _options(model: Any) -> dict[str, Any]:
    """What a pipeline was told to do with every input, as far as it is plain."""
    found = {name: _plain(getattr(model, name, None) or {}) for name in _OPTIONS}
    return {name: values for name, values in found.items() if values}


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {str(key): _plain_value(value) for key, value in values.items() if _is_plain(value)}


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(item) for key, item in value.items())
    return value is None or isinstance(value, str | int | float | bool)


def _plain_value(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain_value(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain_value(item) for key, item in value.items()}
    return str(getattr(value, "value", value)) if isinstance(value, str) else value  # a member of an enumeration too


def _call_options(model: Any, options: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Those that a call of the pipeline takes by the same name, as MLflow passes them."""
    import inspect

    if not options:
        return {}
    names = inspect.signature(model._sanitize_parameters).parameters
    told = {key: value for values in options.values() for key, value in values.items()}
    generating = options.get("_generate_kwargs", {})
    return {key: value for key, value in told.items() if key in generating or key in names}


def _imports(directory: Path, config: Config) -> list[str]:
    found = checks.foreign(config.get("classes", {}))
    components = [_component_place(directory, config, name) for name in _component_names(config)]
    if config.get("peft_adaptor"):
        inside(directory, config["peft_adaptor"])
    elsewhere = [place for place in (_base(directory, config), *components) if directory not in place.parents]
    for place in (directory, *dict.fromkeys(elsewhere)):
        found += checks.named_code(place)
    return list(dict.fromkeys(found))


def _base(directory: Path, config: Config) -> Path:
    """Where the weights and config of the model are, without an adapter."""
    if config.get("source_model_revision"):
        return _of_hub(config)
    return inside(directory, config.get("model_binary") or "pipeline")


def _load(directory: Path, config: Config) -> Any:
    classes = config.get("classes", {})
    if config.get("local_base_model_path"):
        raise ReticentError(
            f"its base model is not with it: it was at {config['local_base_model_path']!r}; load that, and the adapter "
            f"in {config.get('peft_adaptor')!r} with peft.PeftModel.from_pretrained"
        )
    place = _base(directory, config)
    checks.checked_weights(place)
    kind = checks.named_class(classes.get("model", config["pipeline_model_type"]), MODEL)
    with quietly.no_progress():
        model = _weighted(kind, place, config)
        if config.get("peft_adaptor"):
            model = adapters.load(model, directory, config).eval()
    components = {name: _component(directory, config, name) for name in _component_names(config)}
    instance = config.get("instance_type", "")
    if not components and "Pipeline" not in instance:
        return model
    if instance == "dict" or ("processor" in components and "processor_type" not in config):
        return {"model": model, **components}
    kind = checks.named_class(classes.get("pipeline", instance), PIPELINE)
    made = pipeline(model, config.get("task"), components, kind)
    for name, values in config.get("options", {}).items():
        if name not in _OPTIONS:
            raise ReticentError(f"a pipeline has no options {name!r}")
        refuse_unsafe(values, own_parameters(made, "_sanitize_parameters"))
        setattr(made, name, {**getattr(made, name, {}), **values})
    return made


_LOCAL = {"local_files_only": True, "trust_remote_code": False}

_UNWRAPPED = {r"\.(base_layer|original_module)\.": "."}
"""MLflow saves a base model under the names that its weights have inside of an adapter's layers."""


def _weighted(kind: Any, place: Path, config: Config) -> Any:
    model, found = kind.from_pretrained(
        str(place),
        use_safetensors=True,
        dtype=_dtype(config),
        key_mapping=_UNWRAPPED if config.get("peft_adaptor") and "adapters" not in config else None,
        output_loading_info=True,
        **_LOCAL,
    )
    missing = sorted(found["missing_keys"])
    if missing:  # they would be random
        raise ReticentError(f"{len(missing)} weights of the model are not in {place.name!r}, {missing[0]!r} among them")
    return model


def _dtype(config: Config) -> Any:
    import torch

    if not config.get("torch_dtype"):
        return "auto"
    dtype = getattr(torch, str(config["torch_dtype"]).removeprefix("torch."), None)
    if not isinstance(dtype, torch.dtype):
        raise ReticentError(f"torch has no dtype {config['torch_dtype']!r}")
    return dtype


def _component_names(config: Config) -> list[str]:
    names = [*config.get("components", []), *(["processor"] if "processor_type" in config else [])]
    for name in names:
        if name not in COMPONENTS:
            raise ReticentError(f"no part of a pipeline is known as {name!r}")
    return names


def _component(directory: Path, config: Config, name: str) -> Any:
    place = _component_place(directory, config, name)
    kind = checks.named_class(config.get("classes", {}).get(name, config[f"{name}_type"]), COMPONENTS[name])
    checks.checked_component(place, kind)
    return kind.from_pretrained(str(place), **_LOCAL)


def _component_place(directory: Path, config: Config, name: str) -> Path:
    place = directory / _COMPONENTS / name
    return inside(directory, f"{_COMPONENTS}/{name}") if place.is_dir() else _of_hub(config)


def _of_hub(config: Config) -> Path:
    """What was fetched from the hub before; nothing is now."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    name, revision = config.get("source_model_name", ""), config.get("source_model_revision")
    try:
        return Path(snapshot_download(name, revision=revision, local_files_only=True))
    except (LocalEntryNotFoundError, ValueError) as error:
        raise ReticentError(
            f"it needs the base model {name!r} at revision {revision!r}, which is not in the cache of this machine; "
            f"fetch it with: hf download {name} --revision {revision}"
        ) from error


# A PreTrainedModel is a torch module too: torch's is the general flavour.
flavor = Flavor("transformers", handles=handles, save=_save, load=_load, predict=predict, imports=_imports, priority=20)
