"""A module that only pickle can hold: everything but its tensors in a pickle, which refers to them by their names."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from reticent_integrations.torch.reading import read
from reticent_integrations.torch.tensors import TensorWriter, UnstorableError


def dump(model: Any, structure: Path, tensors: Path) -> None:
    """Raises what the model's classes raise if they cannot be pickled."""
    import cloudpickle
    import torch

    writer = TensorWriter()
    names = {id(tensor): name for name, tensor in [*model.named_parameters(), *model.named_buffers()]}

    class Pickler(cloudpickle.CloudPickler):  # type: ignore[misc]  # which has no types
        def persistent_id(self, part: Any) -> Any:
            if isinstance(part, torch.Tensor):
                try:
                    return "tensor", writer.add(part, names.get(id(part), "tensor"))
                except UnstorableError:
                    return None  # pickled as its class does it
            return ("nothing",) if _runs_training(part) else None

    with structure.open("xb") as file:
        Pickler(file, protocol=5).dump(model)
    writer.write(tensors)


def load(structure: Path, tensors: Path) -> Any:
    """The module again, by a pickle: only for who trusts it."""
    read_tensors = read(tensors)

    class Unpickler(pickle.Unpickler):
        def persistent_load(self, reference: Any) -> Any:
            return read_tensors[reference[1]] if reference[0] == "tensor" else None

    with structure.open("rb") as file:
        return Unpickler(file).load()


def _runs_training(part: Any) -> bool:
    """Whether it is Lightning's Trainer or Fabric, which hold the data, the callbacks and the loggers of a training."""
    names = {(base.__module__.partition(".")[0], base.__name__) for base in type(part).__mro__}
    return any(
        (package, name) in names
        for package in ("lightning", "pytorch_lightning", "lightning_fabric")
        for name in ("Trainer", "Fabric")
    )
