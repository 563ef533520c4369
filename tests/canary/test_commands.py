"""What the command line and errors of settings print: nothing that is secret, whoever put it there."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import reticent
from reticent import cli, settings
from reticent.errors import ReticentError
from reticent.testing.canary import CANARY, VARIABLE, find

URL = f"sqlite+https://user:{CANARY.shaped}@host/?api_key={CANARY.keyed}"


Command = Callable[..., str]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """`command("show", "3f2a", NAME=value)` in a directory of its own: what is printed, on stdout and on stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, CANARY.known)

    def call(*arguments: str, **environment: str) -> str:
        for name, value in {"RETICENT_DIR": str(tmp_path / "root"), **environment}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["reticent", *arguments])
        settings.reset()
        with pytest.raises(SystemExit):
            cli.main()
        return "".join(capsys.readouterr())

    yield call
    monkeypatch.undo()
    settings.reset()


def leaks(*texts: str) -> list[str]:
    return [place for secret in CANARY.all() for place in find(secret, texts=texts)]


def test_doctor_with_secrets_in_the_settings(tmp_path: Path, command: Command) -> None:
    (tmp_path / "reticent.toml").write_text(
        f"experiment = {CANARY.known!r}\n[autolog]\nxgboost = {{ log_models = false }}\n"
    )
    printed = command("doctor")
    assert "experiment" in printed
    assert leaks(printed) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"RETICENT_BACKENDS": URL},
        {"RETICENT_BACKENDS": f"nosuch+https://user:{CANARY.shaped}@host/?api_key={CANARY.keyed}"},
        {"RETICENT_EXPERIMENT": "", "RETICENT_DELIVER_S": f"api_key={CANARY.keyed} {CANARY.shaped}"},
        {"RETICENT_BATCH_RECORDS": f'"{CANARY.shaped}"'},
        {"RETICENT_REDACT": f'{{"keep": "{CANARY.shaped}"}}'},
        {"RETICENT_CAPTURE": f"{{{CANARY.known}"},
    ],
)
@pytest.mark.parametrize("arguments", [["doctor"], ["runs"], ["sync"]])
def test_a_setting_that_is_wrong_is_told_without_its_value(
    wrong: dict[str, str], arguments: list[str], command: Command
) -> None:
    printed = command(*arguments, **wrong)
    assert "RETICENT_" in printed, "the place of the wrong setting is named"
    assert leaks(printed) == []


@pytest.mark.parametrize(
    "content", ["experiment = '{}", "deliver_s = '{}'", "[redact]\nkeep = {{ a = '{}' }}", "{} = 1 = 2"]
)
def test_a_file_of_settings_that_is_wrong_is_told_without_its_content(
    content: str, tmp_path: Path, command: Command
) -> None:
    (tmp_path / "reticent.toml").write_text(content.format(CANARY.shaped))
    for arguments in (["doctor"], ["runs"]):
        printed = command(*arguments)
        assert "reticent.toml" in printed
        assert leaks(printed) == []


@pytest.mark.parametrize(
    "wrong",
    [
        lambda secret: reticent.configure(deliver_s=secret),
        lambda secret: reticent.configure(redact={"keep": secret}),
        lambda secret: reticent.configure(backends=[f"nosuch://{secret}@host"]),
        lambda secret: reticent.autolog(xgboost={"log_models": secret}),
        lambda secret: reticent.autolog(log_models=secret),
        lambda secret: reticent.autolog(xgboost=secret),
    ],
)
def test_errors_of_settings_in_code_name_no_value(wrong: object, root: Path) -> None:
    for secret in (CANARY.shaped, CANARY.known):
        with pytest.raises(ReticentError) as raised:
            wrong(secret)  # type: ignore[operator]
        assert leaks(str(raised.value)) == []


def test_commands_about_runs_that_do_not_exist(command: Command) -> None:
    for arguments in (
        ["show", CANARY.shaped],
        ["runs", "-f", f"params.a = '{CANARY.shaped}' and"],
        ["sync", "--to", URL],
    ):
        printed = command(*arguments)
        assert printed
        assert leaks(printed) == []
