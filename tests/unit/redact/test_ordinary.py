"""What stands under a secret's name and is no secret: it is neither hidden nor looked for elsewhere."""

from __future__ import annotations

import os
import random
from base64 import b64encode
from pathlib import Path

import pytest

from reticent_redact import Redactor, ordinary
from reticent_redact.names import names_secret_variable

KEY = "/tYgj+" + "Zq3XbN8vKpLw2RtYuE5cHs9mDf7aGo1Bi4"
KNOWN = "[REDACTED:known-secret]"


@pytest.mark.parametrize(
    "path",
    [
        "/etc/ssl/key.pem",
        "/run/secrets/db_password",
        "~/.ssh/id_rsa",
        "./keys/server.key",
        "../conf/secret.yaml",
        "/home/u/.cache/hub/models--x/snapshots/" + "3f2a9c88" * 5 + "/config.json",
        "/data/ResNet50/Run_2024-01-15/model-00001-of-00002.safetensors",
        "C:\\keys\\server.pfx",
        "C:/Users/me/key.pem",
    ],
)
def test_a_path_is_words_in_segments(path: str) -> None:
    assert ordinary.is_path(path)
    assert not names_secret_variable("TLS_KEY", path)


def test_a_path_of_no_words_is_one_if_it_exists(tmp_path: Path) -> None:
    odd = tmp_path.parent / "x9Kq2Lw7Zt4Rv8Yb3Nm6Pc1Hd5Gf0Js-q7W2e9R4t6Y8"
    odd.write_text("")
    short = os.path.relpath(odd, "/")
    assert ordinary.is_path(f"/{short}")
    assert not ordinary.is_path("/x9Kq2Lw7Zt4Rv8Yb3Nm6Pc1Hd5Gf0Js")
    assert not ordinary.is_path("/\0")


def test_a_key_that_begins_with_a_slash_is_no_path() -> None:
    random_bytes = random.Random(1).randbytes
    keys = ["/" + b64encode(random_bytes(30)).decode()[1:] for _ in range(5000)]
    assert sum(map(ordinary.is_path, keys)) <= 2


@pytest.mark.parametrize("begin", ["/", "~", "./"])
def test_a_secret_variable_that_begins_like_a_path_is_known(begin: str) -> None:
    redactor = Redactor()
    redactor.know_process({"AWS_SECRET_ACCESS_KEY": begin + KEY[1:]})
    assert redactor.redact_text(f"using {begin}{KEY[1:]}") == f"using {KNOWN}"
    assert redactor.redact("token", "/o/hBK" + "9x2Lq7Zr4Tn8Wv3Yc6Md1") == "[REDACTED:key-token]"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("pwd", os.getcwd()),
        ("password_changed", "datetime64[ns]"),
        ("password", "datetime64[ns, Europe/Berlin]"),
        ("password", "float64"),
        ("secret", "torch.bfloat16"),
        ("checkpoint_key", "ViT-B-16-" + "laion2B-s34B-b88K"),
        ("scheduler_key", "linear-warmup-" + "x8f3K2m9Q4z7"),
        ("object_key", "runs/a1b2c3/" + "x8f3K2m9Q4z7"),
        ("db_uri", "sqlite:///mlruns.db"),
        ("redis_url", "redis://localhost:6379/0"),
        ("DATABASE_URL", "postgresql+psycopg2://db-1.internal:5432,db-2.internal/mlflow"),
        ("license_key", "MIT"),
        ("license_key", "apache-2.0"),
    ],
)
def test_what_says_nothing_secret_is_not_hidden_and_not_learned(key: str, value: str) -> None:
    redactor = Redactor()
    assert redactor.redact("config", {key: value}) == {key: value}
    assert redactor.redact_text(f"at {value}/x") == f"at {value}/x"
    assert not names_secret_variable(key, value)


def test_a_path_under_a_secret_key_is_hidden_there_only() -> None:
    redactor = Redactor()
    path = "/home/somebody/keys/server_1.pem"
    assert redactor.redact("private_key", path) == "[REDACTED:key-private-key]"
    redactor.redact_text(f'private_key="{path}"')
    assert redactor.redact_text(f'File "{path}", line 1') == f'File "{path}", line 1'


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("db_url", "redis://:hunter2@localhost:6379/0"),
        ("db_url", "postgresql://localhost/db?password=hunter2"),
        ("webhook_url", "https://hooks.example.com/T0/B0/abc"),
        ("pwd", "hunter2"),
        ("pwd", KEY),
        ("password", "/home/me"),
        ("license_key", "MITX-1234-ABCD"),
        ("password", "float64x"),
    ],
)
def test_what_only_looks_so_is_hidden(key: str, value: str) -> None:
    assert "[REDACTED" in Redactor().redact(key, value)
