"""PEFT's adapters: saved apart from their base model, which is saved too unless it is known where to get it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reticent.errors import ReticentError
from reticent.files import inside
from reticent_integrations.transformers import quietly
from reticent_integrations.transformers.checks import weights_files

DIRECTORY = "peft"
"""As in MLflow's flavour."""

_WEIGHTS = "adapter_model.safetensors"
_CONFIG = "adapter_config.json"


def save(model: Any, directory: Path) -> dict[str, Any]:
    """Write a PEFT model's adapters; what the flavour's config says of them."""
    # "auto" would ask the hub whether embeddings were resized; those of a base that differs from the hub's are saved.
    quietly.save(model, directory / DIRECTORY, safe_serialization=True, save_embedding_layers=False)
    (directory / DIRECTORY / "README.md").unlink(missing_ok=True)  # a form to be filled in
    active = model.active_adapters[0]
    places = {name: DIRECTORY if name == "default" else f"{DIRECTORY}/{name}" for name in model.peft_config}
    return {"peft_adaptor": places[active], "adapter_name": active, "adapters": places}


def has_added(model: Any) -> bool:
    """Whether a model of Transformers has an adapter in it, by its own `add_adapter`."""
    return bool(getattr(model, "_hf_peft_config_loaded", False))


def save_added(model: Any, directory: Path, place: str) -> dict[str, Any]:
    """Write a model and the adapter added to it apart, to be loaded as one of PEFT's; what the config says of it."""
    quietly.save(model, directory / DIRECTORY)
    model._hf_peft_config_loaded = False  # with it, only the adapter would be saved
    try:
        quietly.save(model, directory / place, state_dict=base_weights(model))
    finally:
        model._hf_peft_config_loaded = True
    active = model.active_adapters()[0]
    return {"peft_adaptor": DIRECTORY, "adapter_name": active, "adapters": {active: DIRECTORY}}


def load(base: Any, directory: Path, config: Mapping[str, Any]) -> Any:
    from peft import PeftModel

    inside(directory, config["peft_adaptor"])  # other names may stand in its place
    active = config.get("adapter_name", "default")
    places = {active: config["peft_adaptor"], **config.get("adapters", {})}
    model = PeftModel.from_pretrained(base, str(_checked(directory, places[active])), active, torch_device="cpu")
    for name, place in places.items():
        if name != active:
            model.load_adapter(str(_checked(directory, place)), name, torch_device="cpu")
    return model


def _checked(directory: Path, place: str) -> Path:
    """The directory of an adapter of which PEFT will open no other file than the weights and the config."""
    inside(directory, f"{place}/{_WEIGHTS}")
    if not (directory / place / _WEIGHTS).is_file():
        raise ReticentError(
            f"the adapter in {place!r} has no {_WEIGHTS}; other formats are not opened: save it with safe_serialization"
        )
    config = json.loads(inside(directory, f"{place}/{_CONFIG}").read_text("utf-8"))
    if config.get("peft_type") == "XLORA":
        raise ReticentError(f"the adapter in {place!r} is of the type XLORA, which loads adapters from elsewhere")
    return directory / place


def reference(model: Any, base: Any) -> tuple[str, str] | None:
    """The name and commit that a base model has on the hub, if it is as what was fetched from there."""
    name = str(base.name_or_path or "")
    if name.count("/") > 1 or Path(name).exists():
        return None
    snapshot = _fetched(name, model.peft_config[model.active_adapters[0]].revision)
    if snapshot is None:
        return None
    original = json.loads((snapshot / "config.json").read_text("utf-8"))
    resized = "vocab_size" in original and original["vocab_size"] != getattr(base.config, "vocab_size", None)
    quantized = getattr(base, "hf_quantizer", None) is not None  # its weights are like no others
    if resized or not (quantized or _same_weights(base, snapshot)):
        return None
    return name, snapshot.name


def _fetched(name: str, revision: str | None) -> Path | None:
    """What is in the cache of a repository, if it is one commit or that of the revision."""
    from huggingface_hub import constants, try_to_load_from_cache
    from huggingface_hub.file_download import repo_folder_name

    if revision is None:
        found = Path(constants.HF_HUB_CACHE, repo_folder_name(repo_id=name, repo_type="model"), "snapshots")
        commits = [path for path in found.glob("*") if (path / "config.json").exists()]
        return commits[0] if len(commits) == 1 else None
    file = try_to_load_from_cache(name, "config.json", revision=revision)
    return Path(file).parent if isinstance(file, str) else None


_COMPARED = 16


def _same_weights(base: Any, snapshot: Path) -> bool:
    """Whether the beginnings of some weights, from all over the model, are those of a file: all would take too long."""
    import torch
    from safetensors import safe_open

    weights, files = base_weights(base), weights_files(snapshot)
    names = sorted(name for name in files if name in weights and weights[name].ndim)
    names = names[:: -(-len(names) // _COMPARED) or 1]
    if not names or not all(files[name].exists() for name in names):
        return False
    given, stored = [], []
    for name in names:
        given.append(weights[name][:1].float().ravel())
        with safe_open(files[name], "pt") as file:
            stored.append(file.get_slice(name)[:1].to(weights[name].dtype).float().ravel())
    return bool(torch.equal(torch.cat(given).cpu(), torch.cat(stored)))


def base_weights(base: Any) -> dict[str, Any]:
    """The weights that a base model had before its layers were wrapped, under the names that they had."""
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils.other import AuxiliaryTrainingWrapper

    inner: dict[str, str] = {}
    for name, module in base.named_modules():
        if isinstance(module, BaseTunerLayer):
            if module.merged:
                raise ReticentError(
                    f"the adapter is merged into the layer {name!r}: save after unmerge_adapter(), or what "
                    "merge_and_unload() gives"
                )
            inner[name] = "base_layer"
        elif isinstance(module, AuxiliaryTrainingWrapper):
            inner[name] = "original_module"
    weights = {}
    for key, tensor in base.state_dict().items():
        original = _original(key, inner)
        if original is not None:
            weights[original] = tensor
    return weights


def _original(key: str, inner: Mapping[str, str]) -> str | None:
    """The name of a weight without the wrapping; None if it is of an adapter."""
    path, names = [], key.split(".")
    at = 0
    while at < len(names):
        path.append(names[at])
        at += 1
        wrapped = inner.get(".".join(names[:at]))
        if wrapped is not None:
            if at >= len(names) or names[at] != wrapped:
                return None
            at += 1
    return ".".join(path)
