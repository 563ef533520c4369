"""Modules are described with nothing in the description that runs, and a description of others runs nothing either."""

from __future__ import annotations

import json
import sys
from collections import OrderedDict
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from tests.contract.torch_models import Net, Tied
from torch import nn

from reticent_integrations.torch.flavor import finish, flavor
from reticent_integrations.torch.modules import classes

ROWS = torch.randn(3, 4)


def saved(model: Any, directory: Path) -> dict[str, Any]:
    directory.mkdir()
    return dict(flavor.save(model, directory)["pytorch"])


def again(model: Any, directory: Path) -> Any:
    config = saved(model, directory)
    assert (directory / "module.json").exists(), "not described"
    return flavor.load(directory, config)


LAYERS = {
    "sequential": lambda: nn.Sequential(OrderedDict(a=nn.Linear(4, 4), b=nn.Softmax(dim=-1))),
    "lists": lambda: nn.ModuleList([nn.Linear(4, 4), nn.ParameterList([torch.randn(2)])]),
    "dicts": lambda: nn.ModuleDict({"x": nn.ParameterDict({"y": nn.Parameter(torch.randn(2))})}),
    "lstm": lambda: nn.LSTM(4, 3, num_layers=2, bidirectional=True),
    "gru": lambda: nn.GRU(4, 3),
    "attention": lambda: nn.MultiheadAttention(4, 2),
    "encoder": lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8), 2),
    "transformer": lambda: nn.Transformer(4, 2, 1, 1, 8, activation="gelu"),
    "convolution": lambda: nn.Sequential(nn.Conv2d(3, 4, 3, padding="same"), nn.BatchNorm2d(4), nn.MaxPool2d(2)),
    "embedding": lambda: nn.Sequential(nn.Embedding(5, 4, padding_idx=0), nn.LayerNorm(4)),
    "upsampling": lambda: nn.Upsample(scale_factor=2, mode="bilinear"),
    "loss": lambda: nn.CrossEntropyLoss(weight=torch.ones(3)),
    "half": lambda: nn.Linear(4, 4).to(torch.bfloat16),
    "empty": lambda: nn.Sequential(),
}


@pytest.mark.parametrize("kind", LAYERS)
def test_layers_of_torch_need_no_trust(kind: str, tmp_path: Path) -> None:
    model = LAYERS[kind]().eval()
    loaded = again(model, tmp_path / "m")
    assert repr(loaded) == repr(model)
    assert flavor.imports(tmp_path / "m", {"module": "module.json", "tensors": "model.safetensors"}) == []
    state, other = model.state_dict(), loaded.state_dict()
    assert list(state) == list(other)
    assert all(torch.equal(value, other[name]) for name, value in state.items())
    own, others = ({name: set(vars(part)) for name, part in one.named_modules()} for one in (model, loaded))
    assert own == others


def test_recurrent_layers_run_on_the_weights_they_were_given(tmp_path: Path) -> None:
    loaded = again(nn.LSTM(4, 3), tmp_path / "m")
    assert loaded._flat_weights[0] is loaded.weight_ih_l0
    with torch.no_grad():
        for parameter in loaded.parameters():
            parameter.zero_()
    assert loaded(ROWS)[0].count_nonzero() == 0


def test_plain_attributes_come_back_as_they_were(tmp_path: Path) -> None:
    model = Net()
    model.nested = [1, (2, [3.5, float("-inf")]), {"a": {None: True}}, frozenset({"x"}), OrderedDict(b=1), 1 + 2j]
    model.of_torch = (torch.float16, torch.device("cpu"), torch.Size([1, 2]), torch.nn.functional.gelu, torch.tanh)
    model.first.weight.requires_grad_(False)
    loaded = again(model, tmp_path / "m")
    for name in ("nested", "of_torch", "width", "sizes", "options"):
        assert getattr(loaded, name) == getattr(model, name)
    assert isinstance(loaded.nested[4], OrderedDict)
    assert isinstance(loaded.of_torch[2], torch.Size)
    assert [parameter.requires_grad for parameter in loaded.parameters()] == [False, True, True, True]
    assert list(loaded.state_dict()) == list(model.state_dict())  # without the buffer that is not persistent
    assert torch.equal(loaded.shift, model.shift)


def test_what_was_one_is_one_again(tmp_path: Path) -> None:
    model = Tied()
    model.others = [model]  # in a circle
    loaded = again(model, tmp_path / "m")
    assert loaded.again is loaded.one
    assert loaded.two.weight is loaded.one.weight
    assert loaded.others[0] is loaded
    with torch.no_grad():
        loaded.one.weight.fill_(5)
    assert (loaded.three.weight == 5).all()
    assert (loaded.part == 5).all()


def test_a_loaded_model_is_in_evaluation_mode(tmp_path: Path) -> None:
    assert not any(part.training for part in again(Net().train(), tmp_path / "m").modules())


class _Quoted(nn.Linear):
    def __reduce__(self) -> Any:
        return (nn.Linear, (1, 1))


def _with(**attributes: Any) -> Any:
    model = nn.Linear(4, 2)
    for name, value in attributes.items():
        setattr(model, name, value)
    return model


LOOP: list[Any] = []
LOOP.append(LOOP)

UNDESCRIBED = {
    "a hook": lambda: _hooked(nn.Linear(4, 2)),
    "an object": lambda: _with(path=Path("/")),
    "a function": lambda: _with(call=print),
    "a class": lambda: _with(kind=int),
    "bytes": lambda: _with(data=b"x"),
    "a list in itself": lambda: _with(loop=LOOP),
    "a parameter with attributes": lambda: _noted(nn.Linear(4, 2)),
}


def _hooked(model: Any) -> Any:
    model.register_forward_pre_hook(print)
    return model


def _noted(model: Any) -> Any:
    model.weight.note = "mine"
    return model


@pytest.mark.parametrize("kind", UNDESCRIBED)
def test_what_is_not_plain_is_left_to_pickle(kind: str, tmp_path: Path) -> None:
    model = UNDESCRIBED[kind]()
    config = saved(model, tmp_path / "m")
    assert "module" not in config
    assert not (tmp_path / "m" / "module.json").exists()
    assert flavor.imports(tmp_path / "m", config)
    assert torch.equal(flavor.load(tmp_path / "m", config).weight, model.weight)
    (tmp_path / "finished").mkdir()
    finished = finish(tmp_path / "m", tmp_path / "finished", {"pytorch": config})["pytorch"]
    assert sorted(path.name for path in (tmp_path / "finished" / "data").iterdir()) == [
        "model.pth",
        "pickle_module_info.txt",
    ]
    assert any("torch" in name for name in flavor.imports(tmp_path / "finished", finished))
    assert torch.equal(flavor.load(tmp_path / "finished", finished).weight, model.weight)


def test_a_class_that_is_pickled_in_its_own_way_is_left_to_it(tmp_path: Path) -> None:
    config = saved(_Quoted(4, 2), tmp_path / "m")
    assert flavor.load(tmp_path / "m", config).in_features == 1


def test_a_model_that_cannot_be_pickled_says_why(tmp_path: Path) -> None:
    model = torch.nn.utils.parametrizations.weight_norm(nn.Linear(4, 2))
    with pytest.raises(RuntimeError, match="parametrized"):
        saved(model, tmp_path / "m")


def test_the_module_within_what_runs_it_is_saved(tmp_path: Path) -> None:
    model = Net()
    for number, wrapped in enumerate(
        (nn.DataParallel(model), torch.compile(model), torch.compile(nn.DataParallel(model)))
    ):
        assert type(again(wrapped, tmp_path / str(number))) is Net


# --- classes that are not here, and descriptions of unknown origin


def test_a_missing_class_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("for_a_while")
    exec("from torch import nn\nclass Mine(nn.Linear): pass", vars(module))
    monkeypatch.setitem(sys.modules, "for_a_while", module)
    config = saved(module.Mine(4, 2), tmp_path / "m")
    assert flavor.imports(tmp_path / "m", config) == ["for_a_while.Mine"]
    del module.Mine
    with pytest.raises(ValueError, match="for_a_while has no class Mine"):
        flavor.load(tmp_path / "m", config)
    monkeypatch.delitem(sys.modules, "for_a_while")
    with pytest.raises(ModuleNotFoundError, match="for_a_while"):
        flavor.load(tmp_path / "m", config)


def described(tmp_path: Path, content: Any) -> dict[str, str]:
    config = saved(nn.Linear(4, 2), tmp_path / "m")
    (tmp_path / "m" / "module.json").write_text(json.dumps(content))
    return config


def module(kind: Any = "torch.nn.modules.linear.Linear", **state: Any) -> dict[str, Any]:
    return {"module": {"class": kind, "path": "", "state": state}}


OUTSIDE = [
    "os.system",
    "builtins.eval",
    "torch.fx.graph_module.GraphModule",
    "torch.jit._script.RecursiveScriptModule",
    "torch.nn.utils.rnn.PackedSequence",
    "torch.nn.modulesx.Linear",
    "",
]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("deep", [False, True])
def test_every_class_that_is_not_a_layer_of_torch_asks_for_trust(name: str, deep: bool, tmp_path: Path) -> None:
    content = module(name)
    if deep:
        content = module(_modules={"a": module(note={"dict": [["k", {"tuple": [content]}]]})})
    assert flavor.imports(tmp_path / "m", described(tmp_path, content)) == [name]
    assert list(classes(content)) == [name]


NOT_LAYERS = [
    "torch.nn.modules.module.torch.fx.GraphModule",
    "torch.nn.modules.module.torch.load",
    "torch.nn.modules.module.warnings.sys.exit",
    "torch.nn.modules.module.Any",
    "torch.nn.modules.module.OrderedDict",
    "torch.nn.modules.linear.init.torch.hub.load",
    "torch.nn.modules.linear.",
    "torch.nn.modules..linear",
    "torch.nn.modules.not_there.Linear",
    "torch.nn.modules.linear.Linear.__init__",
    "torch.nn.modules.linear.Linear.forward.__globals__",
    ["torch.nn.modules.linear.Linear"],
    None,
    3,
]


@pytest.mark.parametrize("name", NOT_LAYERS, ids=str)
def test_no_way_leads_from_the_layers_to_anything_else(name: Any, tmp_path: Path) -> None:
    config = described(tmp_path, module(name))
    with pytest.raises((ValueError, ImportError, TypeError, AttributeError)):
        flavor.load(tmp_path / "m", config)


def test_what_a_module_of_torch_has_imported_is_not_a_layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nn.modules.linear, "Imported", torch.fx.GraphModule, raising=False)
    config = described(tmp_path, module("torch.nn.modules.linear.Imported"))
    with pytest.raises(ValueError, match="not the name of a class"):
        flavor.load(tmp_path / "m", config)


HOSTILE = {
    "a function of others": module(forward={"functional": "handle_torch_function"}),
    "a function of torch": module(forward={"function": "load"}),
    "a dtype that is none": module(x={"dtype": "load"}),
    "a device that is none": module(x={"device": "here"}),
    "a value of no kind": module(x={"eval": "1"}),
    "two kinds": module(x={"tuple": [], "list": []}),
    "a tensor of no name": module(x={"tensor": "nowhere"}),
    "a module of no path": module(x={"same": "nowhere"}),
    "an object of a class": module(x={"class": "collections.OrderedDict", "items": []}),
    "no module": {"tuple": [1]},
    "a number": 3,
    "a list": [],
    "a class alone": {"module": {"class": "torch.nn.modules.linear.Linear"}},
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_description_is_an_error(kind: str, tmp_path: Path) -> None:
    config = described(tmp_path, HOSTILE[kind])
    with pytest.raises((ValueError, KeyError, TypeError, RuntimeError)):
        flavor.load(tmp_path / "m", config)


def test_a_description_without_end_is_an_error(tmp_path: Path) -> None:
    config = described(tmp_path, 0)
    (tmp_path / "m" / "module.json").write_text('{"tuple":[' * 50_000 + "]}" * 50_000)
    for read in (flavor.imports, flavor.load):
        with pytest.raises(RecursionError):
            read(tmp_path / "m", config)


def test_an_attribute_replaces_no_method(tmp_path: Path) -> None:
    """It can only be a plain value, so that nothing of the file is ever called."""
    config = described(tmp_path, module(forward=3, __class__="os.system", training=False))
    loaded = flavor.load(tmp_path / "m", config)
    assert type(loaded) is nn.Linear
    with pytest.raises(TypeError):
        loaded(ROWS)
