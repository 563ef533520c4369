"""What a value under a secret's name looks like: a credential, a placeholder, code, a word."""

from __future__ import annotations

import pytest

from reticent_redact.plausible import is_code, is_filler, is_stand_in, is_word, looks_like_credential, says_nothing


@pytest.mark.parametrize(
    "value",
    ["a1B2c3D4e5F6g7H8", "3f2a9c1e-7b4d-4e2a-9f1b-0c8d7e6f5a4b", "0123456789abcdef" * 4, "dGhpc0lzQVNlY3JldDEyMw=="],
)
def test_what_looks_like_a_credential(value: str) -> None:
    assert looks_like_credential(value)


@pytest.mark.parametrize(
    "value",
    [
        "adam",
        "bert-base-uncased",
        "[SEP]",
        "</s>",
        "<|endoftext|>",
        "2026-11-23T12:00:01",
        "/data/run1/a1B2c3D4e5F6g7H8",
        "a b" * 9,
        "https://example.org/a1B2c3D4e5F6g7H8",
        "features_of_the_last_layer",
        "1234567890123456789",
        "model.layers.12.self_attn.q_proj",
    ],
)
def test_what_does_not(value: str) -> None:
    assert not looks_like_credential(value)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "None",
        "null",
        "true",
        "${DB_PASSWORD}",
        "${a.b.c}",
        "$(cat file",
        "<your-password>",
        "*****",
        "{{ x }}",
        "ENC[AES256_GCM,data:W3",
        "{Key}",
        "{cfg.password!r}",
        "${{ secrets.DB_PASSWORD }}",
        "${oc.env:DB_PASSWORD}",
        "Bearer {token}",
        "%(password)s",
        "your-api-key-here",
        "sqlite:///runs/file.db",
        ":memory:",
    ],
)
def test_what_says_nothing(value: str) -> None:
    assert says_nothing(value)
    assert not says_nothing("x1 y2 and " + value)


@pytest.mark.parametrize(
    "value",
    [
        "{Key",
        "$(" + "hunter22",
        "{hunter22}",
        "<hunter22>",
        "$HUNTER_2XQ9",
        "${A:-hunter22}",
        "sqlite://u:p@h/db",
        "%hunter2s",
    ],
)
def test_what_only_begins_like_a_placeholder(value: str) -> None:
    assert not says_nothing(value)


@pytest.mark.parametrize(
    "value", ["input" + "hunter22", "data." + "hunter22", "self.hunter22", "prompt-hunter22", "load(a"]
)
def test_what_only_begins_like_code(value: str) -> None:
    assert not is_code(value)


@pytest.mark.parametrize(
    "value",
    ["os.environ['X']", "str", "7", "var.db_password", "settings.key", "getpass()", "np.random.rand(3)", "tokens[i]"],
)
def test_what_is_code(value: str) -> None:
    assert is_code(value)


@pytest.mark.parametrize("value", ["ghp_" + "x" * 36, "AKIAIOSFODNN7" + "EXAMPLE", "0" * 35 + "TUV", "sk-******"])
def test_what_only_shows_a_form(value: str) -> None:
    assert is_filler(value)


def test_filler_with_more_than_letters_around_it_is_none() -> None:
    assert is_stand_in("ghp_" + "x" * 36)
    assert is_stand_in("sk-......")
    assert is_stand_in("AKIAIOSFODNN7" + "EXAMPLE")
    assert not is_stand_in("hunter" + "22......")
    assert not is_stand_in("EXAMPLE" + "hunter22")


@pytest.mark.parametrize(
    "value",
    [
        "Run_2024-01-15_ResNet50",
        "ResNet50_ImageNet1K_V2",
        "Qwen2.5-Coder-32B-Instruct",
        "models/2024-01-15/ResNet50_V1.bin",
        "Encoder.layers.10.SelfAttention2.weight",
    ],
)
def test_names_of_models_and_runs_are_no_credentials(value: str) -> None:
    assert not looks_like_credential(value)


def test_words_are_short() -> None:
    assert is_word("foo")
    assert is_word("api-key")
    assert not is_word("correcthorsebatterystaple")
    assert not is_word("hunter2")
