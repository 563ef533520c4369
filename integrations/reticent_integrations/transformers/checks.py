"""What the files of a model would have imported or opened, read from its configs with nothing executed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from reticent.errors import ReticentError
from reticent_integrations.transformers.patterns import not_simple

_ROOTS = ("transformers", "peft")
"""Packages whose own classes a config may name."""

_WEIGHTS = "model.safetensors"
_INDEX = "model.safetensors.index.json"
ADAPTER = "adapter_config.json"
_NO_CONFIGS = {"tokenizer.json", "vocab.json", "added_tokens.json", _INDEX}

_FILES = ("_file", "_files", "_path", "_dir", "_spm")
"""How keys end whose texts name files."""

_OPENED = {"vocab", "merges", "mecab_option"}
"""Keys whose texts are opened from where the process runs, not from beside the config."""


def named_code(directory: Path) -> list[str]:
    """What the configs in a directory say is to be imported, or fetched and run."""
    found: dict[str, None] = {}
    for file, config in _configs(directory):
        found.update(dict.fromkeys(_code(config)))
        if file.name == ADAPTER and isinstance(config, Mapping):
            found.update(dict.fromkeys(not_simple(config)))
    return list(found)


def _configs(directory: Path) -> Iterator[tuple[Path, Any]]:
    for file in sorted(directory.rglob("*.json")):
        if file.name in _NO_CONFIGS or not file.is_file():
            continue
        try:
            yield file, json.loads(file.read_text("utf-8"))
        except ValueError:  # nor can Transformers read it, whatever it is
            continue


def checked_component(directory: Path, kind: Any) -> None:
    """ReticentError if a tokenizer or processor would open a file that is not in its directory."""
    for file, config in _configs(directory):
        for key, name in _named_files(config):
            if key in _OPENED or Path(name).name != name or not (directory / name).is_file():
                raise ReticentError(
                    f"{file.name} has {key!r} with the text {name!r}, which would be opened wherever it is; remove the key"
                )
    names = _texts_of(getattr(kind, "vocab_files_names", {}))
    if names and not foreign({"": kind.__module__}) and not any((directory / name).is_file() for name in names):
        raise ReticentError(f"there is no vocabulary in {directory.name!r}: none of {', '.join(sorted(names))}")


def _named_files(value: Any) -> Iterator[tuple[str, str]]:
    """The texts in a config that name files, with their keys."""
    if isinstance(value, list):
        for item in value:
            yield from _named_files(item)
    if not isinstance(value, Mapping):
        return
    for key, item in value.items():
        if key in _OPENED or (key.endswith(_FILES) and not key.endswith("name_or_path")):
            yield from (
                (key, text) for text in (_texts_of(item) if key.endswith("_files") else [item]) if _is_text(text)
            )
        else:
            yield from _named_files(item)


def _texts_of(value: Any) -> list[str]:
    return [*_texts(value), "tokenizer.json"] if isinstance(value, Mapping) and value else list(_texts(value))


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


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
        elif "attn_implementation" in key or key.endswith("_implementation"):
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
    if (directory / ADAPTER).exists():
        raise ReticentError(f"{directory.name}/{ADAPTER} says that the model is another one; remove the file")
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
