"""What the files of a model would have imported or opened, read from its configs with nothing executed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from reticent.errors import ReticentError

_ROOTS = ("transformers", "peft")
"""Packages whose own classes a config may name."""

_WEIGHTS = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_VOCABULARIES = {"tokenizer.json", "vocab.json", "added_tokens.json"}


def named_code(directory: Path) -> list[str]:
    """What the configs in a directory say is to be imported, or fetched and run."""
    found: dict[str, None] = {}
    for file in sorted(directory.rglob("*.json")):
        if file.name not in _VOCABULARIES and not file.name.endswith(_INDEX):
            found.update(dict.fromkeys(_code(json.loads(file.read_text("utf-8")))))
    return list(found)


def _code(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _code(item)
    if not isinstance(value, Mapping):
        return
    for key, item in value.items():
        if key == "auto_map":
            yield from _texts(item)
        elif key == "custom_pipelines":
            yield from (text for text in _texts(item) if "." in text)
        elif "attn_implementation" in key:
            yield from (f"{text} (a kernel of the hub)" for text in _texts(item) if "/" in text)
        elif key == "use_pretrained_backbone" and item:
            yield f"{value.get('backbone')} (weights of the hub)"
        else:
            yield from _code(item)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def foreign(classes: Mapping[str, str]) -> list[str]:
    """Those of these classes that are not of Transformers."""
    return [name for name in classes.values() if str(name).partition(".")[0] not in _ROOTS]


def named_class(name: str, base: tuple[str, str]) -> Any:
    """The class of Transformers with this name or, if it is dotted, the class of any module: where it was trusted."""
    module, _, attribute = name.rpartition(".")
    if module.partition(".")[0] == "transformers_modules":
        raise ReticentError(
            f"{name} is code that came with a model of the hub, which is not run; import its class from a module of yours"
        )
    kind = getattr(import_module(module or "transformers"), attribute, None)
    expected = getattr(import_module(base[0]), base[1])
    if not isinstance(kind, type) or not issubclass(kind, expected):
        raise ReticentError(f"{module or 'transformers'} has no class {attribute!r} that is a {base[1]}")
    return kind


def checked_weights(directory: Path) -> None:
    """ReticentError or ValueError if something else than the weights in this directory's safetensors would be opened."""
    if (directory / "adapter_config.json").exists():
        raise ReticentError(f"{directory.name}/adapter_config.json says that the model is another one; remove the file")
    config = json.loads((directory / "config.json").read_text("utf-8"))
    if "transformers_weights" in config:
        raise ReticentError(f"{directory.name}/config.json names a file of weights; only {_WEIGHTS} is opened")
    if (directory / _WEIGHTS).is_file():
        return
    if not (directory / _INDEX).is_file():
        raise ReticentError(
            f"there is no {_WEIGHTS} in {directory.name!r}; other formats of weights are not opened: save the model with "
            "safe_serialization=True"
        )
    for name in set(json.loads((directory / _INDEX).read_text("utf-8"))["weight_map"].values()):
        # In the cache of the hub files are links to other places, so it is the name that counts.
        if Path(name).name != name or Path(name).suffix != ".safetensors":
            raise ReticentError(f"{_INDEX} names {name!r}, which is no file of safetensors beside it")


def weights_files(directory: Path) -> dict[str, Path]:
    """The files of safetensors in a directory that hold the weights, by the names of the weights."""
    from safetensors import safe_open

    if (directory / _INDEX).is_file():
        names = json.loads((directory / _INDEX).read_text("utf-8"))["weight_map"]
        return {weight: directory / name for weight, name in names.items()}
    if not (directory / _WEIGHTS).is_file():
        return {}
    with safe_open(directory / _WEIGHTS, "pt") as file:
        return dict.fromkeys(file.keys(), directory / _WEIGHTS)
