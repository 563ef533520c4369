"""Saving a module leaves it as it was and takes no second copy of it; what can be made of it later is safe to make."""

from __future__ import annotations

import copy
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.contract.torch_models import Net
from torch import nn

from reticent_integrations.torch.flavor import finish, flavor

MEMORY = """
import sys
from pathlib import Path

import psutil
import torch
from torch import nn

from reticent_integrations.torch.flavor import finish, flavor

directory, action = Path(sys.argv[1]), sys.argv[2]
process = psutil.Process()


def peak():
    text = Path("/proc/self/status").read_text()
    return int(text.split("VmHWM:")[1].split()[0]) * 1024


def reset():
    Path("/proc/self/clear_refs").write_text("5")


if action == "save":
    model = nn.Sequential(*(nn.Linear(2500, 2500) for _ in range(16)))
    if sys.argv[3] == "hooked":
        model.register_forward_hook(lambda *_: None)
    flavor.save(nn.Linear(1, 1), directory / "warm")  # imports what it needs
    reset()
    before = process.memory_info().rss
    flavor.save(model, directory / "saved")
    print(peak() - before)
else:
    config = {"module": "module.json", "tensors": "model.safetensors"}
    flavor.load(directory / "warm", config)
    reset()
    before = process.memory_info().rss
    if action == "load":
        flavor.load(directory / "saved", config)
    else:
        (directory / "finished").mkdir()
        finish(directory / "saved", directory / "finished", {"pytorch": config})
    print(peak() - before)
"""


def measured(*arguments: str) -> int:
    done = subprocess.run([sys.executable, "-c", MEMORY, *arguments], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_400_mb_are_saved_in_no_memory_and_loaded_in_one_copy(tmp_path: Path) -> None:
    size = 16 * 2501 * 2500 * 4
    for name in ("warm", "saved"):
        (tmp_path / name).mkdir()
    assert measured(str(tmp_path), "save", "plain") < 0.1 * size
    assert measured(str(tmp_path), "load") < 1.2 * size
    assert measured(str(tmp_path), "finish") < 1.2 * size


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_nor_does_a_pickle_take_a_copy(tmp_path: Path) -> None:
    for name in ("warm", "saved"):
        (tmp_path / name).mkdir()
    assert measured(str(tmp_path), "save", "hooked") < 0.1 * 16 * 2501 * 2500 * 4


MODELS = {
    "described": Net,
    "recurrent": lambda: nn.LSTM(4, 3),
    "frozen in part": lambda: nn.Sequential(nn.BatchNorm1d(4).eval(), nn.Linear(4, 2).requires_grad_(False)),
    "hooked": lambda: _hooked(nn.Linear(4, 2)),
}


def _hooked(model: Any) -> Any:
    model.register_forward_hook(lambda module, inputs, output: output)
    return model


@pytest.mark.parametrize("kind", MODELS)
def test_the_model_is_as_it_was(kind: str, tmp_path: Path) -> None:
    model = MODELS[kind]()
    outputs = model(torch.randn(3, 4))
    (outputs[0] if isinstance(outputs, tuple) else outputs).sum().backward()
    before = {name: dict(vars(part)) for name, part in model.named_modules()}
    tensors = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    gradients = {name: copy.deepcopy(parameter.grad) for name, parameter in model.named_parameters()}
    random = torch.get_rng_state()
    flavor.save(model, tmp_path)
    assert {name: dict(vars(part)) for name, part in model.named_modules()} == before
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in model.state_dict().items())
    for name, parameter in model.named_parameters():
        assert (parameter.grad is None) == (gradients[name] is None)
        assert parameter.grad is None or torch.equal(parameter.grad, gradients[name])
        assert torch.equal(tensors[name], parameter)
    assert torch.equal(torch.get_rng_state(), random)


@pytest.mark.parametrize("under", [torch.no_grad, torch.inference_mode, lambda: torch.device("meta")])
def test_it_is_saved_whatever_it_is_called_under(under: Any, tmp_path: Path) -> None:
    model = Net()
    with under():
        config = flavor.save(model, tmp_path)["pytorch"]
    assert torch.equal(flavor.load(tmp_path, config).first.weight, model.first.weight)


def test_what_torch_saved_long_ago_asks_for_trust_too(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    torch.save(nn.Linear(4, 2), tmp_path / "data" / "model.pth", _use_new_zipfile_serialization=False)
    imports = flavor.imports(tmp_path, {"model_data": "data"})
    assert "torch.nn.modules.linear.Linear" in imports
    assert isinstance(flavor.load(tmp_path, {"model_data": "data"}), nn.Linear)


def test_an_archive_that_seems_to_import_nothing_asks_for_trust_too(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    torch.save({"a": 1}, tmp_path / "data" / "model.pth")
    assert flavor.imports(tmp_path, {"model_data": "data"}) == ["the pickle in model.pth"]


def test_a_program_that_calls_what_is_no_operator_says_so(tmp_path: Path) -> None:
    """The path of a call may lead anywhere from torch."""
    program = torch.export.export(nn.Linear(4, 2), (torch.randn(3, 4),))
    config = flavor.save(program, tmp_path)["pytorch"]
    file = tmp_path / "data" / "model.pt2"
    assert flavor.imports(tmp_path, config) == ["the program in model.pt2"]
    with zipfile.ZipFile(file) as archive:
        records = {record.filename: archive.read(record) for record in archive.infolist()}
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in records.items():
            archive.writestr(name, content.replace(b"torch.ops.aten.linear.default", b"torch.os.system"))
    assert flavor.imports(tmp_path, config) == ["the program in model.pt2", "torch.os.system"]


def test_what_mlflow_alone_reads_is_never_opened(tmp_path: Path) -> None:
    (tmp_path / "saved").mkdir()
    (tmp_path / "finished").mkdir()
    flavors = finish(tmp_path / "saved", tmp_path / "finished", flavor.save(nn.Linear(4, 2), tmp_path / "saved"))
    config = flavors["pytorch"]
    assert config["mlflow_only"] == ["data/model.pth", "data/pickle_module_info.txt"]
    for name in config["mlflow_only"]:
        (tmp_path / "finished" / name).unlink()
    assert flavor.imports(tmp_path / "finished", config) == []
    assert isinstance(flavor.load(tmp_path / "finished", config), nn.Linear)
