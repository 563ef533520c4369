"""What the flavour of Transformers does with models, configs and directories that are not as they should be."""

from __future__ import annotations

import copy
import json
import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file
from tests.contract import tiny_transformers as tiny

from reticent.errors import ReticentError
from reticent.models import find
from reticent.models.requirements import modules
from reticent_integrations.transformers.flavor import flavor


class TwiceAsSure(transformers.BertForSequenceClassification):
    """A class of the user's."""

    def forward(self, *args: Any, **options: Any) -> Any:
        outputs = super().forward(*args, **options)
        outputs.logits = 2 * outputs.logits
        return outputs


def saved(model: Any, directory: Path) -> dict[str, Any]:
    directory.mkdir(exist_ok=True)
    return flavor.save(model, directory)["transformers"]


def edit(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def predicted(model: Any, data: Any, **params: Any) -> Any:
    assert flavor.predict is not None
    return flavor.predict(model, data, params)


def imports(directory: Path, config: dict[str, Any]) -> list[str]:
    assert flavor.imports is not None
    return flavor.imports(directory, config)


# --- saving


def test_saving_changes_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = tiny.gpt2().train()
    model.transformer.h[0].eval()
    model.name_or_path = "somebody/something"
    before = copy.deepcopy(model.config.__dict__), copy.deepcopy(model.generation_config.__dict__)
    modes = [module.training for module in model.modules()]
    weights = {name: weight.clone() for name, weight in model.state_dict().items()}
    state = torch.get_rng_state()
    saved({"model": model, "tokenizer": tiny.tokenizer()}, tmp_path)
    assert (model.config.__dict__, model.generation_config.__dict__) == before
    assert model.name_or_path == "somebody/something"
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(weights[name], weight) for name, weight in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert "it/s" not in capfd.readouterr().err
    assert transformers.utils.logging.is_progress_bar_enabled()


def test_nothing_is_said_of_where_it_is_saved(tmp_path: Path) -> None:
    model, level, said = tiny.gpt2(), transformers.utils.logging.get_verbosity(), []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    transformers.utils.logging.set_verbosity_info()
    transformers.utils.logging.add_handler(handler)
    try:
        saved({"model": model, "tokenizer": tiny.tokenizer()}, tmp_path / "ours")
        assert said == []
        model.save_pretrained(tmp_path / "users")
    finally:
        transformers.utils.logging.remove_handler(handler)
        transformers.utils.logging.set_verbosity(level)
    assert any(str(tmp_path / "users") in line for line in said)


def test_nothing_is_pickled_and_tied_weights_are_stored_once(tmp_path: Path) -> None:
    model = tiny.gpt2()
    assert model.lm_head.weight is model.transformer.wte.weight
    config = saved(model, tmp_path)
    names = {file.name for file in tmp_path.rglob("*") if file.is_file()}
    assert names == {"model.safetensors", "config.json", "generation_config.json"}
    assert "lm_head.weight" not in load_file(tmp_path / "model" / "model.safetensors")
    loaded = flavor.load(tmp_path, config)
    assert loaded.lm_head.weight is loaded.transformer.wte.weight
    assert torch.equal(loaded.lm_head.weight, model.lm_head.weight)


def test_credentials_left_in_configs_are_not_saved(tmp_path: Path) -> None:
    secret = "hf_" + "AbCdEfGhIjKlMnOpQrStUvWxYz01234567"
    model = tiny.bert("text-classification")
    model.config.token = model.config.use_auth_token = secret
    model.config.parts = {"api_key": secret, "token": 5}
    tokenizer = tiny.tokenizer()
    tokenizer.init_kwargs["token"] = secret
    config = saved({"model": model, "tokenizer": tokenizer}, tmp_path)
    assert [file for file in tmp_path.rglob("*") if file.is_file() and secret.encode() in file.read_bytes()] == []
    assert model.config.token == secret  # the user's is as it was
    assert flavor.load(tmp_path, config)["model"].config.parts == {"token": 5}


def test_words_that_name_secrets_stay_in_the_vocabulary(tmp_path: Path) -> None:
    config = saved(tiny.pipeline("text-classification"), tmp_path)
    vocabulary = flavor.load(tmp_path, config).tokenizer.get_vocab()
    assert vocabulary == tiny.tokenizer().get_vocab()
    assert {"password", "secret", "token"} < set(vocabulary)


def test_large_models_are_in_several_files(tmp_path: Path) -> None:
    model = tiny.bert("model")
    config = saved(model, tmp_path)
    shutil.rmtree(tmp_path / "model")
    model.save_pretrained(tmp_path / "model", max_shard_size="5KB")
    assert not (tmp_path / "model" / "model.safetensors").exists()
    inputs = {"input_ids": tiny.IDS}
    assert np.array_equal(predicted(flavor.load(tmp_path, config), inputs), predicted(model, inputs))
    index = tmp_path / "model" / "model.safetensors.index.json"
    first = next(iter(json.loads(index.read_text())["weight_map"].values()))
    shutil.move(tmp_path / "model" / first, tmp_path / first)
    index.write_text(index.read_text().replace(first, f"../{first}"))
    with pytest.raises(ReticentError, match=r"names '\.\./model-.*no file of safetensors beside it"):
        flavor.load(tmp_path, config)


def test_what_a_pipeline_was_told_is_kept(tmp_path: Path) -> None:
    model = tiny.bert("token-classification")
    told = {"aggregation_strategy": "simple", "model": model, "tokenizer": tiny.tokenizer(), "device": -1}
    made = transformers.pipeline("token-classification", **told)
    flavors = flavor.save(made, tmp_path)
    loaded = flavor.load(tmp_path, flavors["transformers"])
    assert loaded(tiny.TEXTS) == made(tiny.TEXTS)
    assert "entity_group" in loaded(tiny.TEXTS)[0][0]
    assert flavors["python_function"]["config"]["aggregation_strategy"] == "simple"


def test_a_pipeline_needs_torch_too_and_an_adapter_peft() -> None:
    from peft import LoraConfig

    model = tiny.bert("model")
    assert "peft" not in modules({"model": model})
    model.add_adapter(LoraConfig(target_modules=["query"]))
    assert "peft" in modules({"model": model})
    assert {"torch", "transformers"} <= set(modules(tiny.pipeline("fill-mask")))
    assert {"torch", "transformers"} <= set(modules({"model": tiny.bert("model"), "tokenizer": tiny.tokenizer()}))


def test_other_modules_and_dicts_are_not_of_this_flavor() -> None:
    for other in ({}, {"model": 1}, {"model": tiny.bert("model"), "other": 1}, torch.nn.Linear(1, 1), "model", None):
        assert not flavor.handles(other)
    found = find({"model": tiny.bert("model")})
    assert found is not None
    assert found.name == "transformers"


# --- loading


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"auto_map": {"AutoModel": "evil.Model"}}, "evil.Model"),
        ({"text_config": {"auto_map": {"AutoConfig": "somebody/evil--config.Config"}}}, "somebody/evil--config.Config"),
        ({"custom_pipelines": {"task": {"impl": "evil.Pipeline"}}}, "evil.Pipeline"),
        ({"attn_implementation": "somebody/kernel"}, "somebody/kernel (a kernel of the hub)"),
        ({"backbone": "resnet", "use_pretrained_backbone": True}, "resnet (weights of the hub)"),
    ],
)
def test_code_that_a_config_names_is_told(tmp_path: Path, change: dict[str, Any], named: str) -> None:
    config = saved(tiny.bert("model"), tmp_path)
    assert imports(tmp_path, config) == []
    edit(tmp_path / "model" / "config.json", **change)
    assert imports(tmp_path, config) == [named]


def test_code_beside_a_model_is_never_run(tmp_path: Path) -> None:
    config = saved({"model": tiny.bert("model"), "tokenizer": tiny.tokenizer()}, tmp_path)
    mark = tmp_path / "ran"
    for place, name in (("model", "config.json"), ("components/tokenizer", "tokenizer_config.json")):
        (tmp_path / place / "evil.py").write_text(f"open({str(mark)!r}, 'w')\nclass Evil: pass\n")
        auto = ("AutoConfig", "AutoModel", "AutoTokenizer")
        edit(tmp_path / place / name, auto_map=dict.fromkeys(auto, "evil.Evil"), trust_remote_code=True)
    assert imports(tmp_path, config) == ["evil.Evil"]
    flavor.load(tmp_path, config)
    assert not mark.exists()


def test_code_is_told_wherever_the_model_is(tmp_path: Path) -> None:
    config = saved(tiny.bert("model"), tmp_path)
    edit(tmp_path / "model" / "config.json", auto_map={"AutoModel": "evil.Model"})
    (tmp_path / "model").rename(tmp_path / "pipeline")
    del config["model_binary"]
    assert imports(tmp_path, config) == ["evil.Model"]
    assert imports(tmp_path, {**config, "model_binary": None}) == ["evil.Model"]
    (tmp_path / "pipeline").rename(tmp_path / "model")
    (tmp_path / "pipeline").symlink_to("model")
    assert imports(tmp_path, config) == ["evil.Model"]
    edit(
        tmp_path / "model" / "config.json",
        auto_map={},
        configuration_files=["config.4.0.0.model.safetensors.index.json"],
    )
    other = tmp_path / "model" / "config.4.0.0.model.safetensors.index.json"
    other.write_text(json.dumps({"auto_map": {"AutoModel": "other.Model"}}))
    assert imports(tmp_path, config) == ["other.Model"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("vocab", "{file}"),
        ("vocab", "tokenizer.json"),
        ("merges", "{file}"),
        ("vocab_file", "{file}"),
        ("vocab_file", "../secret"),
        ("tokenizer_file", "absent.json"),
        ("fast_tokenizer_files", ["../secret"]),
        ("nested", {"emoji_file": "{file}"}),
        ("mecab_kwargs", {"mecab_option": "-d {file}"}),
    ],
)
def test_a_tokenizer_reads_no_file_from_elsewhere(tmp_path: Path, key: str, value: Any) -> None:
    secret = tmp_path / "components" / "secret"
    config = saved({"model": tiny.bert("model"), "tokenizer": tiny.tokenizer()}, tmp_path)
    secret.write_text("[UNK]\nsecret\n")
    told = json.loads(json.dumps(value).replace("{file}", str(secret)))
    place = tmp_path / "components" / "tokenizer"
    before = (place / "tokenizer_config.json").read_text()
    edit(place / "tokenizer_config.json", **{key: told})
    with pytest.raises(ReticentError, match="would be opened wherever it is; remove the key"):
        flavor.load(tmp_path, config)
    (place / "tokenizer_config.json").write_text(before)
    flavor.load(tmp_path, config)


def test_a_tokenizer_has_its_vocabulary_beside_it(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("[UNK]\n[PAD]\n[CLS]\n[SEP]\n[MASK]\ncat\n")
    made = {"model": tiny.bert("model"), "tokenizer": transformers.BertTokenizer(str(tmp_path / "vocab.txt"))}
    config = saved(made, tmp_path / "saved")
    place = tmp_path / "saved" / "components" / "tokenizer"
    assert flavor.load(tmp_path / "saved", config)["tokenizer"].get_vocab() == made["tokenizer"].get_vocab()
    edit(place / "tokenizer_config.json", vocab=str(tmp_path / "vocab.txt"))
    for file in place.glob("*"):
        if file.name != "tokenizer_config.json":
            file.unlink()
    with pytest.raises(ReticentError, match="would be opened wherever it is"):
        flavor.load(tmp_path / "saved", config)
    edit(place / "tokenizer_config.json", vocab=None)
    with pytest.raises(ReticentError, match="no vocabulary in 'tokenizer'"):
        flavor.load(tmp_path / "saved", config)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("pipeline_model_type", "os.PathLike"),
        ("pipeline_model_type", "AutoModel"),
        ("pipeline_model_type", "Nothing"),
        ("tokenizer_type", "BertModel"),
        ("instance_type", "PipelineException"),
    ],
)
def test_only_classes_of_transformers_are_taken(tmp_path: Path, key: str, value: str) -> None:
    config = saved(tiny.pipeline("text-classification"), tmp_path)
    with pytest.raises(ReticentError, match="has no class"):
        flavor.load(tmp_path, {**config, key: value})


def test_a_class_of_the_users_is_told_and_loaded(tmp_path: Path) -> None:
    model = TwiceAsSure(tiny.bert_config(num_labels=3)).eval()
    flavors = flavor.save(model, tmp_path)
    config = flavors["transformers"]
    assert list(flavors) == ["transformers"]  # MLflow cannot load it
    assert imports(tmp_path, config) == [f"{__name__}.TwiceAsSure"]
    inputs = {"input_ids": tiny.IDS}
    assert np.array_equal(predicted(flavor.load(tmp_path, config), inputs), predicted(model, inputs))
    assert type(flavor.load(tmp_path, config)) is TwiceAsSure


def test_pickles_are_not_opened(tmp_path: Path) -> None:
    model = tiny.bert("model")
    config = saved(model, tmp_path)
    (tmp_path / "model" / "pytorch_model.bin").write_bytes(b"never read")
    assert torch.equal(flavor.load(tmp_path, config).pooler.dense.weight, model.pooler.dense.weight)
    (tmp_path / "model" / "model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / "model" / "pytorch_model.bin")
    with pytest.raises(ReticentError, match=r"no model\.safetensors in 'model'"):
        flavor.load(tmp_path, config)


def test_no_other_model_is_loaded_in_its_place(tmp_path: Path) -> None:
    config = saved(tiny.bert("model"), tmp_path)
    adapter = tmp_path / "model" / "adapter_config.json"
    adapter.write_text(json.dumps({"peft_type": "LORA", "base_model_name_or_path": "somebody/else"}))
    with pytest.raises(ReticentError, match="says that the model is another one"):
        flavor.load(tmp_path, config)
    adapter.unlink()
    edit(tmp_path / "model" / "config.json", transformers_weights="pytorch_model.bin")
    with pytest.raises(ReticentError, match="names a file of weights"):
        flavor.load(tmp_path, config)


def test_missing_and_truncated_weights_are_no_random_ones(tmp_path: Path) -> None:
    config = saved(tiny.bert("model"), tmp_path)
    edit(tmp_path / "model" / "config.json", num_hidden_layers=3)
    with pytest.raises(ReticentError, match=r"16 weights of the model are not in 'model', 'encoder\.layer\.2"):
        flavor.load(tmp_path, config)
    weights = tmp_path / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(Exception, match=r"(?i)incomplete|invalid|safetensor"):
        flavor.load(tmp_path, config)


def test_a_hostile_config_of_a_pipeline_runs_no_code(tmp_path: Path) -> None:
    config = saved(tiny.pipeline("text-generation"), tmp_path)
    evil = {"custom_generate": str(tmp_path), "trust_remote_code": True}
    with pytest.raises(ReticentError, match="runs code from elsewhere"):
        flavor.load(tmp_path, {**config, "options": {"_forward_params": evil}})
    with pytest.raises(ReticentError, match="no options 'model'"):
        flavor.load(tmp_path, {**config, "options": {"model": {}}})
    with pytest.raises(ReticentError, match="runs code from elsewhere"):
        predicted(flavor.load(tmp_path, config), tiny.TEXTS, **evil)


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """Code as `generate` takes it from a directory; it leaves a mark."""
    place = tmp_path / "code" / "custom_generate"
    place.mkdir(parents=True)
    mark = tmp_path / "ran"
    (place / "generate.py").write_text(f"open({str(mark)!r}, 'w')\ndef generate(model, **more): return None\n")
    return tmp_path / "code"


@pytest.mark.parametrize("key", ["generate_kwargs", "forward_params", "tokenizer_encode_kwargs"])
def test_nested_parameters_run_no_code(tmp_path: Path, code: Path, key: str) -> None:
    made = tiny.pipeline("text-generation")
    config = saved(made, tmp_path / "saved")
    evil = {key: {"custom_generate": str(code), "trust_remote_code": True}}
    for told in (evil, {key: [evil]}):
        with pytest.raises(ReticentError, match="custom_generate is refused: it runs code from elsewhere"):
            predicted(made, tiny.TEXTS, **told)
        with pytest.raises(ReticentError, match="custom_generate is refused: it runs code from elsewhere"):
            flavor.load(tmp_path / "saved", {**config, "options": {"_forward_params": told}})
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"assistant_model": "somebody/else"}, "none of a pipeline that is known"),
        ({"images": "http://127.0.0.1:9/"}, "none of a pipeline that is known"),
        ({"tesseract_config": "--tessdata-dir /etc"}, "none of a pipeline that is known"),
        ({"generate_kwargs": {"auto_map": {}}}, "runs code from elsewhere"),
        ({"cache_implementation": "../cache"}, "could be a path"),
        ({"return_type": ["http://127.0.0.1:9/"]}, "could be a path"),
        ({"max_new_tokens": object()}, "only numbers, texts and lists"),
        ({"hypothesis_template": "{0.__class__}"}, "only braces"),
    ],
)
def test_only_known_parameters_with_plain_values_are_taken(told: dict[str, Any], message: str) -> None:
    with pytest.raises(ReticentError, match=message):
        predicted(tiny.pipeline("text-generation"), tiny.TEXTS, **told)


def test_parameters_of_generation_are_taken() -> None:
    told = {"max_new_tokens": np.int64(2), "stop_strings": ["</s>"], "do_sample": False, "bad_words_ids": [[7], [8]]}
    made = tiny.pipeline("text-generation")
    assert predicted(made, tiny.TEXTS, **{**told, "stop_strings": None}) != predicted(made, tiny.TEXTS)


# --- predicting


def test_the_mode_of_each_module_is_restored(tmp_path: Path) -> None:
    model = tiny.bert("text-classification").train()
    model.bert.encoder.layer[0].eval()
    modes = [module.training for module in model.modules()]
    inputs = {"input_ids": tiny.IDS}
    assert np.array_equal(predicted(model, inputs), predicted(model, inputs))  # no dropout
    assert [module.training for module in model.modules()] == modes
    made = {"model": model, "tokenizer": tiny.tokenizer()}
    assert predicted(made, tiny.TEXTS).equals(predicted(made, tiny.TEXTS))
    assert [module.training for module in model.modules()] == modes


def test_texts_come_in_any_form() -> None:
    import pandas as pd

    made = tiny.pipeline("text-classification")
    expected = predicted(made, tiny.TEXTS)
    assert list(expected.columns) == ["label", "score"]
    for data in (
        pd.DataFrame({"text": tiny.TEXTS}),
        pd.Series(tiny.TEXTS),
        np.array(tiny.TEXTS),
        np.array(tiny.TEXTS, dtype=object)[:, None],
        {"text": tiny.TEXTS},
        [{"text": text} for text in tiny.TEXTS],
    ):
        assert predicted(made, data).equals(expected)
    assert predicted(made, tiny.TEXTS[0])["label"].tolist() == expected["label"].tolist()[:1]
    pair = {"text": tiny.TEXTS[0], "text_pair": tiny.TEXTS[1]}
    assert predicted(made, pair).equals(predicted(made, pd.DataFrame([pair])))
    assert not predicted(made, pair)["score"].equals(expected["score"][:1])


def test_a_model_alone_takes_arrays_and_frames() -> None:
    import pandas as pd

    model = tiny.bert("text-classification")
    expected = predicted(model, {"input_ids": tiny.IDS})
    assert expected.shape == (2, 3)
    assert np.array_equal(predicted(model, tiny.IDS), expected)
    assert np.array_equal(predicted(model, tiny.IDS.tolist()), expected)
    assert np.array_equal(predicted(model, pd.DataFrame({"input_ids": tiny.IDS.tolist()})), expected)
    halved = predicted(tiny.bert("text-classification").to(torch.bfloat16), tiny.IDS)
    assert halved.dtype == np.float32


def test_no_path_and_no_address_is_opened_as_an_image(tmp_path: Path) -> None:
    made = tiny.pipeline("image-classification")
    for place in (str(tmp_path / "image.png"), "http://127.0.0.1:9/image.png"):
        with pytest.raises(ReticentError, match="not a path"):
            predicted(made, [place])
