"""Which keys name a secret."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reticent_redact import Policy, Redactor
from reticent_redact.names import DENIED, KEPT, is_secret_file, judge, judge_by, names_secret_variable, words

CERTAIN = """
password passwd pwd db_pwd db_password dbPassword DB-PASSWORD mypassword user_passwords passphrase secret client_secret
clientSecret  SECRET_KEY secretKey AWS_SECRET_ACCESS_KEY access_key apikey api_key apiKey APIKey
OPENAI_API_KEY x-api-key api_keys  private_key ssh_private_key credentials credential auth_token authToken
use_auth_token hub_token HF_TOKEN access_token  refresh_token Authorization password_hash secret_key_base
api_key_2 smtp_pass
ssh_pass keystore_pass trust_store_pass SSHPASS MYPASS mypass REDIS_PW pw appsecret jwtsecret passkey
db_pw psk ansible_become_pass APIkey pAsSwOrD aPi_KeY FERNET_KEY dbpass
passwort Kennwort mot_de_passe contraseña senha wachtwoord hasło пароль ПАРОЛЬ 数据库密码 パスワード
"""
AMBIGUOUS = """
secret_id VAULT_SECRET_ID vaultSecretId relay_pass
token my_token WANDB_KEY auth session session_key jwt cookie signature pass
"""
PLAIN = """
num_tokens pad_token_id pad_token eos_token tokenizer_name tokenizer key_dim max_new_tokens author authors
monkey keyboard  tokens keys sort_key primary_key cache_key label_keys n_keys query_key_value secretary
n_pass n_pw num_passes pass_through train_pass
passing bypass compass bypass_cache  password_file secret_name api_key_id aws_access_key_id credentials_path
token_count token_issuer passwordless  forward_pass authority design signal solver learning_rate
secret_dim experiment_key 密码长度_max xAxis_label
"""


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("dbPassword", ["db", "password"]),
        ("db-password", ["db", "password"]),
        ("DB_PASSWORD", ["db", "password"]),
        ("spring.datasource.password", ["spring", "datasource", "password"]),
        ("HFToken", ["hf", "token"]),
        ("oauth2_token", ["oauth", "token"]),
        ("\uff21\uff30\uff29_\uff2b\uff25\uff39", ["api", "key"]),
        ("", []),
        ("42", []),
    ],
)
def test_a_key_is_its_words_however_it_is_written(key: str, expected: list[str]) -> None:
    assert words(key) == expected


@pytest.mark.parametrize("key", CERTAIN.split())
def test_a_strong_name_is_enough(key: str) -> None:
    verdict = judge(key)
    assert verdict is not None
    assert verdict.certain


@pytest.mark.parametrize("key", AMBIGUOUS.split())
def test_an_ambiguous_name_needs_its_value(key: str) -> None:
    verdict = judge(key)
    assert verdict is not None
    assert not verdict.certain


@pytest.mark.parametrize("key", PLAIN.split())
def test_plain_names(key: str) -> None:
    assert judge(key) is None


def test_the_policy_keeps_and_denies_names_and_globs_and_keep_wins() -> None:
    decide = judge_by(Policy(keep=("hub_token", "public_*"), deny=("internal_*", "public_secret")))
    assert decide("hub_token", "hub_token") is KEPT
    assert decide("HUB-TOKEN", "a.HUB-TOKEN") is KEPT
    assert decide("public_secret", "public_secret") is KEPT
    assert decide("internalName", "internalName") is DENIED
    assert decide("password", "password") not in (KEPT, DENIED, None)
    assert decide("solver", "solver") is None


@pytest.mark.parametrize(
    "name", ["DB_PASS", "MY_TOKEN", "SIGNING_KEY", "SENTRY_DSN", "DATABASE_URL", "SLACK_WEBHOOK_URL"]
)
def test_variables_are_judged_more_strictly(name: str) -> None:
    assert names_secret_variable(name, "abc")
    assert not names_secret_variable(name, "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SSL_KEY", "/etc/key.pem"),
        ("PUBLIC_KEY", "abc"),
        ("PAD_TOKEN", "abc"),
        ("TOKEN_COUNT", "abc"),
        ("PATH", "abc"),
        ("API_TOKEN", "7"),
        ("DB_PASS", "${SECRET}"),
    ],
)
def test_variables_that_hold_no_secret(name: str, value: str) -> None:
    assert not names_secret_variable(name, value)


@pytest.mark.parametrize("key", ["webhook_url", "databaseUrl", "DB_URI", "sentry_dsn", "connection_string", "webhook"])
def test_addresses_that_let_in_whoever_knows_them_are_secret_as_a_whole(key: str) -> None:
    verdict = judge(key)
    assert verdict is not None
    assert verdict.certain


@pytest.mark.parametrize(
    "text",
    [
        "SSHPASS=hunter2",
        "keystore_pass: hunter2",
        "pw=hunter2",
        "appsecret = 'hunter2'",
        'password="$(hunter2"',
        "secret_id: 5c4e8a1b-" + "0d2f-4b6a-9c8e-7f1a2b3c4d5e",
    ],
)
def test_they_are_found_in_text(text: str) -> None:
    assert "[REDACTED:key-" in Redactor().redact_text(text)


@pytest.mark.parametrize("text", ["pass=hunter2", "bypass=hunter2", "n_pass: two3", "pw = 0.25", "secret_id: prod/db"])
def test_these_stay_in_text(text: str) -> None:
    assert Redactor().redact_text(text) == text


@pytest.mark.parametrize("name", [".netrc", "home/.netrc", "keys/ID_RSA", "C:\\keys\\server.pfx"])
def test_files_that_are_credentials(name: str) -> None:
    assert is_secret_file(name)


@pytest.mark.parametrize("name", ["model.pkl", "id_rsa.pub", "netrc.md", "config.yaml"])
def test_files_that_are_not(name: str) -> None:
    assert not is_secret_file(name)


@given(st.text())
def test_any_text_may_be_a_key(key: str) -> None:
    judge(key)
