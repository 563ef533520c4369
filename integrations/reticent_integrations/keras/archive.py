"""`.keras` files of unknown origin: what they hold, and what loading them would run, read with nothing executed."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reticent.files import safe_relative

NOWHERE = "?"
"""The module of what a config does not say the module of, as of a class of a script."""

_MAX_CONFIG = 1 << 26
_BOMB_FLOOR, _BOMB_RATIO = 1 << 24, 100
"""Keras stores without compression; what is larger than this and shrank so much was made to fill memory or disk."""

# What Keras makes of a config by itself; everything else with a class name is looked up.
_PLAIN = {"__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__"}
# Where Keras has functions that a config refers to by their names alone.
_FUNCTIONS = ("activations", "constraints", "initializers", "losses", "metrics", "optimizers", "regularizers")
# Keras' own layers that run what their config holds or points to.
_RUNNING = {"Lambda", "TorchModuleWrapper", "TFSMLayer"}


@dataclass(frozen=True, slots=True)
class Named:
    """A class or function that a config refers to and that is not one of Keras."""

    module: str
    """`NOWHERE` where the config does not say."""
    name: str
    registered: str
    """The name that Keras has it registered under; that of the class if it is not registered."""


def check(path: Path) -> None:
    """ValueError if an archive would write outside of where it is unpacked, or fill the memory or the disk."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    names = [member.filename for member in members]
    if len(set(names)) < len(names):
        raise ValueError(f"{path.name} has two files of the same name")
    for member in members:
        try:
            safe_relative(member.filename)
        except ValueError:
            raise ValueError(f"{path.name} has a file that leads out of it: {member.filename!r}") from None
        if member.file_size > max(_BOMB_FLOOR, _BOMB_RATIO * member.compress_size):
            raise ValueError(f"{path.name} has a file of {member.file_size} bytes that fills {member.compress_size}")
    if sum(member.compress_size for member in members) > path.stat().st_size:
        raise ValueError(f"{path.name} has files that overlap")


def config_of(path: Path) -> Any:
    """The config of the model in a `.keras` file, or in a directory of the same layout."""
    if path.is_dir():
        with (path / "config.json").open("rb") as file:
            content = file.read(_MAX_CONFIG + 1)
    else:
        check(path)
        with zipfile.ZipFile(path) as archive, archive.open("config.json") as member:
            content = member.read(_MAX_CONFIG + 1)
    if len(content) > _MAX_CONFIG:
        raise ValueError(f"the config in {path.name} has more than {_MAX_CONFIG} bytes")
    return json.loads(content)  # as Keras reads it


def imports(config: Any) -> list[str]:
    """What a config has executed that is not of Keras, as "module.name"."""
    found = {f"{named.module}.{named.name}" for named in custom(config)}
    for part in _parts(config):
        name = part["class_name"]
        if name == "__lambda__":
            found.add("marshal.loads (the code of a lambda)")
        elif name in _RUNNING:
            found.add(f"keras.layers.{name}")
        elif isinstance(part.get("config"), dict) and isinstance(part["config"].get("vocabulary"), str):
            found.add(f"keras.layers.{name} (reads a file of this machine)")
    return sorted(found)


def custom(config: Any) -> list[Named]:
    """The user's classes and functions that a config refers to."""
    found = {}
    for part in _parts(config):
        name, module, registered = part["class_name"], part.get("module"), part.get("registered_name")
        if name in _PLAIN or name == "__lambda__":
            continue
        if name == "function":
            # Whatever function it is: of the modules that functions are in, only Keras' own are told.
            name, registered = str(part.get("config")), None
            module = NOWHERE if module == "builtins" else module
            builtin = _is_keras(module) or (module == NOWHERE and _is_function_of_keras(name))
        else:
            builtin = _is_keras(module)
        # A name it is registered under comes first: it may be a user's, whatever the module.
        if not builtin or registered not in (None, "", name):
            registered = str(registered or name)
            found[registered] = Named(str(module or NOWHERE), name.rpartition(">")[2], registered)
    return list(found.values())


def _is_function_of_keras(name: str) -> bool:
    import keras

    return any(hasattr(getattr(keras, kind), name) for kind in _FUNCTIONS)


def _is_keras(module: Any) -> bool:
    return isinstance(module, str) and module.partition(".")[0] == "keras"


def _parts(config: Any) -> Iterator[dict[str, Any]]:
    """Everything in a config that has the name of a class. Not by recursion: it may be nested as deep as it likes."""
    left = [config]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            if "class_name" in one:
                yield {**one, "class_name": str(one["class_name"])}
            left += one.values()
        elif isinstance(one, list):
            left += one
