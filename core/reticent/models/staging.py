"""Staging: a snapshot of a model on the training thread, in milliseconds, with all that publishing will need.

What is staged is raw. It lies in the run's staging, which only its owner can read, and only `publish` takes it from there.
"""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from reticent import artifacts, values
from reticent.files import make_directory
from reticent.models import code, description, example
from reticent.models.batches import first_batch
from reticent.models.description import Description
from reticent.models.finish import make_private
from reticent.models.flavor import Flavor, find
from reticent.models.requirements import modules
from reticent.models.signature.infer import signature as infer
from reticent.models.signature.schema import Signature


@dataclass(frozen=True, slots=True)
class Snapshot:
    token: str
    """For `records.Staged`."""
    flavor: Flavor


def stage(
    directory: Path,
    model: Any,
    *,
    flavor: Flavor | None = None,
    signature: Any = None,
    signature_inputs: Any = None,
    signature_outputs: Any = None,
    input_example: Any = None,
    params: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    code_paths: Sequence[str | os.PathLike[str]] = (),
) -> Snapshot:
    """Snapshot a model into the staging of the run in `directory`.

    `signature` is one of MLflow's, and is else made of `signature_inputs` (else `input_example`) and `signature_outputs`,
    data as the model takes and gives it; of `input_example` the first rows are kept. `params` are the defaults of params
    of inference. `code_paths` are files and directories with the user's own modules that the model needs, which are
    published with it. TypeError if no flavour handles the model or a param is of a type that MLmodel does not have,
    OSError if the disk is full.
    """
    if metadata is not None and not isinstance(metadata, Mapping):
        raise TypeError(f"metadata must be a mapping, not {type(metadata).__name__}")
    flavor = flavor or find(model)
    if flavor is None:
        kind = type(model)
        raise TypeError(
            f"no flavor handles a model of type {kind.__module__}.{kind.__qualname__}; log the model itself, not its state "
            "or name, or pass flavor=reticent.models.Flavor(...)"
        )
    given = _inputs(input_example)
    token, staging = artifacts.stage_directory(directory)
    try:
        files = staging / description.FILES
        make_directory(files)
        flavors = flavor.save(model, files)
        if code_paths:
            code.copy(code_paths, files)
            flavors = code.noted(flavors, flavor.name)
        described = describe(
            model,
            flavor,
            flavors,
            signature=_given(signature)
            if signature is not None
            else infer(given if signature_inputs is None else _inputs(signature_inputs), signature_outputs, params),
            example=example.take(given),
            expected=example.predictions(signature_outputs),
            metadata=values.plain(metadata or {}),
        )
        make_private(files)
        description.write(staging, described)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    return Snapshot(token, flavor)


def _inputs(data: Any) -> Any:
    """Data as the model takes it: of a DataLoader or dataset the inputs of its first batch; of what is read once nothing."""
    if isinstance(data, Iterator):
        return None
    batch, _ = first_batch(data)
    if batch is None:
        return data
    return batch[0] if isinstance(batch, (tuple, list)) and len(batch) == 2 else batch  # inputs and targets


def _given(signature: Any) -> dict[str, str | None]:
    """A signature of MLflow's, or what an MLmodel file has of one."""
    written = signature.to_dict() if hasattr(signature, "to_dict") else signature
    if not isinstance(written, Mapping) or Signature.parse(written) is None:
        raise TypeError(
            f"a signature must be as mlflow.models.infer_signature makes it, not {type(signature).__name__}"
        )
    return {name: written.get(name) for name in ("inputs", "outputs", "params")}


def describe(model: Any, flavor: Flavor, flavors: dict[str, Any], **told: Any) -> Description:
    """What is said of a model that a flavour has saved, and what it said of it itself."""
    python = platform.python_version()
    return Description(
        flavor=flavor.name,
        flavors=flavors,
        utc_time=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S.%f"),
        python_version=python,
        modules=modules(model),
        **told,
    )
