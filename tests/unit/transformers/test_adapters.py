"""Adapters and their base models: what is saved of them, and where the base comes from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, PeftModel, TaskType, get_peft_model
from safetensors.torch import load_file
from tests.contract import tiny_transformers as tiny
from transformers import BertForSequenceClassification

from reticent.errors import ReticentError
from reticent_integrations.transformers.flavor import flavor

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def adapted(base: Any) -> PeftModel:
    torch.manual_seed(1)
    config = LoraConfig(r=2, target_modules=["query", "value"], task_type=TaskType.SEQ_CLS, init_lora_weights=False)
    return get_peft_model(base, config)


def saved(model: Any, directory: Path) -> dict[str, Any]:
    directory.mkdir()
    return flavor.save(model, directory)["transformers"]


def predicted(model: Any) -> Any:
    assert flavor.predict is not None
    return flavor.predict(model, {"input_ids": tiny.IDS}, {})


@pytest.fixture(params=["one file", "several files"])
def of_hub(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A base model as it was fetched from the hub, where its files are links, and nothing can be fetched now."""
    cache = tmp_path / "cache"
    snapshot = cache / "models--somebody--tiny" / "snapshots" / COMMIT
    size = "5GB" if request.param == "one file" else "5KB"
    tiny.bert("text-classification").save_pretrained(snapshot, max_shard_size=size)
    blobs = snapshot.parent.parent / "blobs"
    blobs.mkdir()
    for number, file in enumerate(list(snapshot.iterdir())):
        file.rename(blobs / str(number))
        file.symlink_to(Path("..", "..", "blobs", str(number)))
    (cache / "models--somebody--tiny" / "refs").mkdir()
    (cache / "models--somebody--tiny" / "refs" / "main").write_text(COMMIT)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return BertForSequenceClassification.from_pretrained("somebody/tiny", local_files_only=True)


def test_the_base_is_saved_under_the_names_that_it_had(tmp_path: Path) -> None:
    base = tiny.bert("text-classification")
    weights = {name: weight.clone() for name, weight in base.state_dict().items()}
    model = adapted(base).train()
    modes = [module.training for module in model.modules()]
    before = dict(model.peft_config["default"].__dict__)
    config = saved(model, tmp_path / "model")
    assert [module.training for module in model.modules()] == modes
    assert model.peft_config["default"].__dict__ == before
    stored = load_file(tmp_path / "model" / "model" / "model.safetensors")
    assert stored.keys() == weights.keys()
    assert all(torch.equal(weights[name], stored[name]) for name in weights)
    assert np.array_equal(predicted(flavor.load(tmp_path / "model", config)), predicted(model))
    assert not (tmp_path / "model" / "peft" / "README.md").exists()


def test_a_base_of_the_hub_is_named(tmp_path: Path, of_hub: Any) -> None:
    model = adapted(of_hub)
    config = saved({"model": model, "tokenizer": tiny.tokenizer()}, tmp_path / "saved")
    assert (config["source_model_name"], config["source_model_revision"]) == ("somebody/tiny", COMMIT)
    assert (config["tokenizer_name"], config["tokenizer_revision"]) == ("somebody/tiny", COMMIT)
    assert not (tmp_path / "saved" / "model").exists()
    loaded = flavor.load(tmp_path / "saved", config)
    assert np.array_equal(predicted(loaded["model"]), predicted(model))


def test_a_missing_base_is_named_by_the_error(tmp_path: Path, of_hub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    config = saved(adapted(of_hub), tmp_path / "saved")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "empty"))
    with pytest.raises(
        ReticentError, match=f"needs the base model 'somebody/tiny' at revision '{COMMIT}'.*hf download"
    ):
        flavor.load(tmp_path / "saved", config)
    elsewhere = {**config, "source_model_revision": None, "local_base_model_path": "/models/llama"}
    with pytest.raises(ReticentError, match="not with it: it was at '/models/llama'"):
        flavor.load(tmp_path / "saved", elsewhere)


def test_code_beside_a_base_of_the_hub_is_told(tmp_path: Path, of_hub: Any) -> None:
    config = saved(adapted(of_hub), tmp_path / "saved")
    assert flavor.imports is not None
    assert flavor.imports(tmp_path / "saved", config) == []
    [file] = (tmp_path / "cache").rglob("config.json")
    file.write_text(json.dumps({**json.loads(file.read_text()), "auto_map": {"AutoModel": "evil.Model"}}))
    assert flavor.imports(tmp_path / "saved", config) == ["evil.Model"]


def _resized(base: Any) -> None:
    base.resize_token_embeddings(30)


def _trained(base: Any) -> None:
    with torch.no_grad():
        for weights in base.parameters():
            weights.add_(1)


@pytest.mark.parametrize("change", [_resized, _trained])
def test_a_base_that_was_changed_is_saved(tmp_path: Path, of_hub: Any, change: Callable[[Any], None]) -> None:
    change(of_hub)
    model = adapted(of_hub)
    config = saved(model, tmp_path / "saved")
    assert "source_model_revision" not in config
    shutil.rmtree(tmp_path / "cache")
    assert np.array_equal(predicted(flavor.load(tmp_path / "saved", config)), predicted(model))


def test_a_base_of_an_unknown_commit_is_saved(tmp_path: Path, of_hub: Any) -> None:
    [snapshot] = (tmp_path / "cache").glob("*/snapshots/*")
    shutil.copytree(snapshot, snapshot.with_name("f" * 40))
    assert "source_model_revision" not in saved(adapted(of_hub), tmp_path / "saved")


def test_a_merged_adapter_is_refused(tmp_path: Path) -> None:
    model = adapted(tiny.bert("text-classification"))
    model.merge_adapter()
    with pytest.raises(ReticentError, match=r"adapter is merged into the layer .*query.*unmerge_adapter"):
        saved(model, tmp_path / "saved")


def test_a_model_with_an_added_adapter_is_as_before(tmp_path: Path) -> None:
    model = tiny.bert("text-classification")
    model.add_adapter(LoraConfig(r=2, target_modules=["query"], init_lora_weights=False), "own")
    before = predicted(model)
    config = saved(model, tmp_path / "saved")
    assert np.array_equal(predicted(model), before)
    assert model.active_adapters() == ["own"]
    assert model.config.__dict__ == tiny.bert("text-classification").config.__dict__
    assert isinstance(flavor.load(tmp_path / "saved", config), PeftModel)


def test_adapters_are_opened_from_safetensors_only(tmp_path: Path) -> None:
    model = adapted(tiny.bert("text-classification"))
    config = saved(model, tmp_path / "saved")
    peft = tmp_path / "saved" / "peft"
    (peft / "adapter_model.bin").write_bytes(b"never read")
    assert np.array_equal(predicted(flavor.load(tmp_path / "saved", config)), predicted(model))
    (peft / "adapter_model.safetensors").unlink()
    with pytest.raises(ReticentError, match=r"has no adapter_model\.safetensors"):
        flavor.load(tmp_path / "saved", config)


def test_an_adapter_leads_to_no_others(tmp_path: Path) -> None:
    config = saved(adapted(tiny.bert("text-classification")), tmp_path / "saved")
    file = tmp_path / "saved" / "peft" / "adapter_config.json"
    elsewhere = {"peft_type": "XLORA", "adapters": {"0": "somebody/else"}}
    file.write_text(json.dumps({**json.loads(file.read_text()), **elsewhere}))
    with pytest.raises(ReticentError, match="loads adapters from elsewhere"):
        flavor.load(tmp_path / "saved", config)
    for place in ("../elsewhere", "/etc"):
        with pytest.raises(ValueError, match="without"):
            flavor.load(tmp_path / "saved", {**config, "adapters": {"default": place}})


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"target_modules": "(([a-z_.0-9]+)+)+!"}, "(([a-z_.0-9]+)+)+! (a pattern in target_modules)"),
        ({"target_modules": ".*.*.*.*!"}, ".*.*.*.*! (a pattern in target_modules)"),
        ({"target_modules": "a|" * 2000}, f"{'a|' * 50} (a pattern in target_modules)"),
        ({"modules_to_save": ["(a|aa)+"]}, "(a|aa)+ (a pattern in modules_to_save)"),
        ({"rank_pattern": {"(.+)+": 4}}, "(.+)+ (a pattern in rank_pattern)"),
        ({"exclude_modules": "(a*)*"}, "(a*)* (a pattern in exclude_modules)"),
        ({"layers_pattern": ["(?=a)"]}, "(?=a) (a pattern in layers_pattern)"),
        ({"target_modules": "(.|.)" * 40}, f"{'(.|.)' * 20} (a pattern in target_modules)"),
        ({"target_modules": "(e|e)(n|n)"}, "(e|e)(n|n) (a pattern in target_modules)"),
        ({"target_modules": "(a|b)(a|b)(a|b)"}, "(a|b)(a|b)(a|b) (a pattern in target_modules)"),
        ({"target_modules": ".?.?.?.?"}, ".?.?.?.? (a pattern in target_modules)"),
        ({"megatron_config": {"a": 1}, "megatron_core": "evil"}, "evil"),
        ({"corda_config": {"cache_file": "/tmp/cache"}}, "/tmp/cache (opened by cache_file)"),
    ],
)
def test_what_an_adapter_would_search_forever_or_open_is_told(
    tmp_path: Path, change: dict[str, Any], named: str
) -> None:
    config = saved(adapted(tiny.bert("text-classification")), tmp_path / "saved")
    assert flavor.imports is not None
    assert flavor.imports(tmp_path / "saved", config) == []
    file = tmp_path / "saved" / "peft" / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    assert flavor.imports(tmp_path / "saved", config) == [named]


@pytest.mark.parametrize(
    "modules",
    [
        ["query", "attention.output.dense"], "all-linear", r".*\.(query|value)$",
        r"bert\.encoder\.layer\.\d+\..*(query|key)",
        r".*encoder.*(attention|output).*(?:query|value)$",
    ],
)  # fmt: skip
def test_adapters_as_they_are_made_need_no_trust(tmp_path: Path, modules: Any) -> None:
    chosen = LoraConfig(
        r=2, target_modules=modules, task_type=TaskType.SEQ_CLS, init_lora_weights=False,
        rank_pattern={"^bert.encoder.layer.0.attention.self.query": 3}, modules_to_save=["pooler"],
    )  # fmt: skip
    model = get_peft_model(tiny.bert("text-classification"), chosen)
    config = saved(model, tmp_path / "saved")
    assert flavor.imports is not None
    assert flavor.imports(tmp_path / "saved", config) == []
    assert np.array_equal(predicted(flavor.load(tmp_path / "saved", config)), predicted(model))
