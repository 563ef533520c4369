"""Models of PyTorch and Lightning.

A module whose parts are plain values is published as a description and a file of tensors, which load with no pickle.
Of all others, what MLflow reads is published alone: a pickle, an exported program, or TorchScript.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from reticent.files import inside, share
from reticent.models import Flavor
from reticent.models.flavor import Config
from reticent.models.signature.tensors import is_a
from reticent_integrations.torch import modules, pickles, programs
from reticent_integrations.torch.inference import is_program, predict, to_onnx
from reticent_integrations.torch.reading import read
from reticent_integrations.torch.tensors import TensorWriter
from reticent_redact import pickle_imports

NAME = "pytorch"

_MODULE = "module.json"
_STRUCTURE = "structure.pkl"
_TENSORS = "model.safetensors"
_DATA = "data"
_PICKLE = "data/model.pth"
_PROGRAM = "data/model.pt2"
_PICKLER = "data/pickle_module_info.txt"

_PICKLE_MODULE = "mlflow.pytorch.pickle_module"
_FUNCTION = {
    "loader_module": "mlflow.pytorch",
    "data": _DATA,
    "pickle_module_name": _PICKLE_MODULE,
    "model_config": {"device": None},
}


def _save(model: Any, directory: Path) -> dict[str, Any]:
    import torch

    config: dict[str, Any] = {"pytorch_version": str(torch.__version__), "code": None}
    if is_program(model) or isinstance(model, torch.jit.ScriptModule):
        (directory / _DATA).mkdir()
        if is_program(model):
            torch.export.save(model, directory / _PROGRAM)
            config["model_class"] = "torch.export.ExportedProgram"
        else:
            torch.jit.save(model, directory / _PICKLE)
            _name_pickler(directory)
        return {NAME: {**config, "model_data": _DATA}, "python_function": _FUNCTION}

    model = _unwrapped(model)
    tensors = TensorWriter()
    try:
        described = modules.describe(model, tensors)
    except modules.UndescribableError:
        pickles.dump(model, directory / _STRUCTURE, directory / _TENSORS)
        config |= {"structure": _STRUCTURE, "tensors": _TENSORS, "serialization_format": "cloudpickle"}
        return {NAME: config}
    (directory / _MODULE).write_text(json.dumps(described), "utf-8")
    tensors.write(directory / _TENSORS)
    return {NAME: {**config, "module": _MODULE, "tensors": _TENSORS}}


def finish(saved: Path, finished: Path, flavors: dict[str, Any]) -> dict[str, Any]:
    """Make the pickle that MLflow reads."""
    import cloudpickle
    import torch

    config = flavors[NAME]
    if "tensors" not in config:
        for file in (saved / _DATA).iterdir():
            share(file, finished / _DATA / file.name)
        return flavors
    (finished / _DATA).mkdir()
    torch.save(_restored(saved, config), finished / _PICKLE, pickle_module=cloudpickle)
    _name_pickler(finished)
    config = {**config, "model_data": _DATA}
    if "module" in config:
        share(saved / _MODULE, finished / _MODULE)
        share(saved / _TENSORS, finished / _TENSORS)
        config["mlflow_only"] = [_PICKLE, _PICKLER]
    else:
        del config["structure"], config["tensors"]
    return {**flavors, NAME: config, "python_function": _FUNCTION}


def _load(directory: Path, config: Config) -> Any:
    model = _restored(directory, config)
    if is_program(model):
        return model if config.get("model_class") else model.module()
    with suppress(NotImplementedError):  # of a module made from an exported program
        model.eval()
    return model


def _restored(directory: Path, config: Config) -> Any:
    """As it was saved, on the CPU."""
    import torch

    paths = _paths(directory, config)
    if "module" in paths:
        described = json.loads(paths["module"].read_text("utf-8"))
        return _at_home(modules.build(described, read(paths["tensors"])))
    if "structure" in paths:
        return _at_home(pickles.load(paths["structure"], paths["tensors"]))
    file = _data_file(directory, config)
    if file.suffix == ".pt2":
        return torch.export.load(file)
    if programs.is_torchscript(file):
        return torch.jit.load(file, map_location="cpu")
    return _at_home(torch.load(file, map_location="cpu", weights_only=False))


def _imports(directory: Path, config: Config) -> list[str]:
    paths = _paths(directory, config)
    found: list[str] = []
    if "module" in paths:
        found += modules.classes(json.loads(paths["module"].read_text("utf-8")))
    elif "structure" in paths:
        with paths["structure"].open("rb") as file:
            found += pickle_imports(file)
    else:
        found += programs.imports(_data_file(directory, config))
    return sorted(set(found))


def _paths(directory: Path, config: Config) -> dict[str, Path]:
    """ValueError if one leads out of the directory."""
    keys = ("module", "structure", "tensors", "model_data")
    return {key: inside(directory, config[key]) for key in keys if config.get(key)}


def _data_file(directory: Path, config: Config) -> Path:
    data = config["model_data"]
    pickled = inside(directory, f"{data}/{Path(_PICKLE).name}")
    return pickled if pickled.exists() else inside(directory, f"{data}/{Path(_PROGRAM).name}")


def _name_pickler(directory: Path) -> None:
    (directory / _PICKLER).write_text(_PICKLE_MODULE, "utf-8")


def _unwrapped(model: Any) -> Any:
    """The user's own module, out of what it was compiled or parallelised by."""
    while True:
        if is_a(model, "torch._dynamo.eval_frame", "OptimizedModule"):
            model = model._orig_mod
        elif is_a(model, "torch.nn.parallel", "DataParallel") or is_a(
            model, "torch.nn.parallel", "DistributedDataParallel"
        ):
            model = model.module
        else:
            return model


def _at_home(model: Any) -> Any:
    """Modules of Lightning and torchmetrics note which device they are on, which is now the CPU."""
    import torch

    for part in model.modules():
        if isinstance(vars(part).get("_device"), torch.device):
            part._device = torch.device("cpu")
    return model


def _is_torch(model: object) -> bool:
    names = {(base.__module__, base.__name__) for base in type(model).__mro__}
    return bool(names & {("torch.nn.modules.module", "Module"), ("torch.export.exported_program", "ExportedProgram")})


flavor = Flavor(
    NAME,
    handles=_is_torch,
    save=_save,
    load=_load,
    predict=predict,
    imports=_imports,
    finish=finish,
    to_onnx=to_onnx,
)
