"""The MLmodel file and the files about the environment beside it: made when publishing, read when loading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from reticent.decoding import decodable
from reticent.errors import ReticentError

if TYPE_CHECKING:
    from reticent.models.description import Description

FILE = "MLmodel"
MOST_BYTES = 4 << 20
MOST_ALIASES = 10
MOST_DEPTH = 50


@decodable
class ModelFile(msgspec.Struct, frozen=True):
    """A file of a model as published. A list, not a table by name: no name may make its checksum look like a secret."""

    path: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class PublishedModel:
    """What loading needs of an MLmodel file. `files` is empty in one that we did not write."""

    uuid: str
    flavor: str
    flavors: dict[str, Any]
    files: list[ModelFile]
    signature: Mapping[str, Any] | None = None
    run_id: str = ""
    path: str = ""
    """Where in its run it was logged."""
    created: str = ""
    example: Mapping[str, Any] | None = None
    """What is said of the input example's file."""


def mlmodel(
    described: Description,
    signature: Mapping[str, str | None] | None,
    example: Mapping[str, str],
    *,
    path: str,
    run_id: str,
    model_uuid: str,
    files: Sequence[ModelFile],
    imports: Sequence[str],
) -> dict[str, Any]:
    """The content of a model's MLmodel file."""
    own: dict[str, Any] = {"flavor": described.flavor, "files": [msgspec.to_builtins(file) for file in files]}
    if imports:
        own["imports"] = list(imports)  # so that who reads this sees that the model is not safe to open
    content: dict[str, Any] = {
        "artifact_path": path,
        "flavors": _with_environment(described),
        "metadata": {**described.metadata, "reticent": own},
        "model_size_bytes": sum(file.size for file in files),
        "model_uuid": model_uuid,
        "run_id": run_id,
        "utc_time_created": described.utc_time,
    }
    if example:
        content["saved_input_example_info"] = dict(example)
    if signature is not None:
        content["signature"] = dict(signature)
    return content


def _with_environment(described: Description) -> dict[str, Any]:
    """The flavours, with what MLflow's generic one says for all of them."""
    function = described.flavors.get("python_function")
    if function is None:
        return described.flavors
    environment = {"conda": "conda.yaml", "virtualenv": "python_env.yaml"}
    told = {"env": environment, "python_version": described.python_version}
    return {**described.flavors, "python_function": {**told, **function}}


def published_model(text: str) -> PublishedModel:
    """What an MLmodel file says. Raises ReticentError if it cannot be understood."""
    import yaml

    try:
        content = _content(text)
        flavors = dict(content["flavors"])
        own = (content.get("metadata") or {}).get("reticent") or {"flavor": "", "files": []}
        files = msgspec.convert(own["files"], list[ModelFile])
        signature = content.get("signature")
        if signature is not None and not isinstance(signature, dict):
            raise TypeError("signature")
        example = content.get("saved_input_example_info")
        return PublishedModel(
            _text(content.get("model_uuid")),
            _text(own["flavor"]),
            flavors,
            files,
            signature,
            run_id=_text(content.get("run_id")),
            path=_text(content.get("artifact_path")),
            created=_text(content.get("utc_time_created")),
            example=example if isinstance(example, dict) else None,
        )
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ReticentError(f"the MLmodel file cannot be understood ({type(error).__name__})") from error


def _content(text: str) -> Any:
    """ValueError for what small text may make a lot of: aliases of aliases, and much depth."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    aliases = depth = 0
    for event in yaml.parse(text, Loader=loader):
        aliases += isinstance(event, yaml.AliasEvent)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if aliases > MOST_ALIASES or depth > MOST_DEPTH:
            raise ValueError("it is nested too deeply, or refers to itself")
    return yaml.load(text, Loader=loader)  # noqa: S506 - of the two safe loaders the faster one


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def relisted(text: str, changed: Mapping[str, tuple[int, str]]) -> str:
    """An MLmodel file's text after files of the model were changed: by the SHA-256 that a file had, the size and SHA-256
    that it has now. The text as it is if it lists none of them."""
    import yaml

    try:
        content = yaml.safe_load(text)
        files = content["metadata"]["reticent"]["files"]
        listed = [file for file in files if file["sha256"] in changed]
    except (yaml.YAMLError, KeyError, TypeError, ValueError):  # of another maker
        return text
    for file in listed:
        file["size"], file["sha256"] = changed[file["sha256"]]
    if not listed:
        return text
    content["model_size_bytes"] = sum(file["size"] for file in files)
    return yaml_text(content)


def environment_files(python_version: str, requirements: Sequence[str]) -> dict[str, str]:
    """The files that say how to make an environment for a model, by their names."""
    environment = {
        "python": python_version,
        "build_dependencies": ["pip", "setuptools", "wheel"],
        "dependencies": ["-r requirements.txt"],
    }
    conda = {
        "name": "model",
        "channels": ["conda-forge"],
        "dependencies": [f"python={python_version}", "pip", {"pip": list(requirements)}],
    }
    return {
        "requirements.txt": "".join(f"{requirement}\n" for requirement in requirements),
        "python_env.yaml": yaml_text(environment),
        "conda.yaml": yaml_text(conda),
    }


def yaml_text(content: Any) -> str:
    """YAML with every string in one line, so that a text is looked at whole when it is sealed."""
    import yaml

    return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=float("inf")))
