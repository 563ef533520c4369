"""`reticent show`: one run, whole, literal, without its secrets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import reticent
from reticent.testing import isolated

from .conftest import SECRET, Command


@pytest.fixture
def shown(command: Command) -> str:
    outcome = command("show", "aaaa")
    assert outcome.code == 0
    return outcome.out


def test_the_header_says_what_run_this_is(shown: str) -> None:
    for text in ("search", "aaaa0001", "churn", "✓ finished"):
        assert text in shown


def test_values_that_look_like_markup_or_control_codes_are_literal(shown: str) -> None:
    assert "[red]x[/]" in shown
    assert "[bold]x[/]" in shown
    assert "\\x1b[31mred" in shown
    assert "a⏎b" in shown
    assert "\x1b" not in shown


def test_a_secret_shows_as_redacted_with_its_rule(shown: str) -> None:
    (line,) = [line for line in shown.splitlines() if line.strip().startswith("api_key")]
    assert "[REDACTED:" in line
    assert SECRET not in shown
    assert "Redacted" in shown


def test_defaults_are_marked(shown: str) -> None:
    (line,) = [line for line in shown.splitlines() if line.strip().startswith("solver")]
    assert line.split() == ["solver", "lbfgs", "(default)"]


def test_what_the_user_set_is_counted_apart_from_what_was_derived(shown: str) -> None:
    assert "Params  6 set, 1 derived, 1 defaults" in shown


def test_metrics_have_curves_also_with_nan_and_infinity(shown: str) -> None:
    loss, odd = (next(line for line in shown.splitlines() if line.split()[:1] == [key]) for key in ("val_loss", "odd"))
    assert "█" in loss
    assert loss.split()[-1] == "50"
    assert "▁\u00d7\u00d7█" in odd


def test_artifacts_and_children_are_listed(shown: str) -> None:
    assert "notes/a.txt" in shown
    assert "candidate-8" in shown


def test_a_failed_run_shows_its_traceback(command: Command) -> None:
    out = command("show", "cccc0001").out
    assert "✗ failed" in out
    assert "ValueError: bad [blue]value[/]" in out


def test_trouble_and_withheld_files_are_explained(command: Command) -> None:
    out = command("show", "dddd").out
    assert "Health" in out
    assert "logged again with another value" in out
    assert SECRET not in out


def test_a_withheld_file_is_seen(command: Command, tmp_path: Path) -> None:
    weights = tmp_path / "weights.bin"
    weights.write_bytes(bytes(range(256)) + SECRET.encode() + bytes(range(256)))
    with isolated(tmp_path / "withheld") as root, reticent.start_run("r", run_id="eeee0001") as run:
        run.log_artifact(weights, "checkpoints")
    assert (root / "runs" / "eeee0001" / "quarantine" / "checkpoints" / "weights.bin").exists()
    shown = command("show", "eeee", root=root).out
    assert "▲ logging degraded" in shown.split("Withheld files")[0]
    (line,) = [line for line in shown.splitlines() if "checkpoints/weights.bin" in line]
    assert line.split() == ["checkpoints/weights.bin", "openai-project-key"]
    assert "1 file was withheld" in shown.split("Health")[1]
    told = json.loads(command("show", "eeee", "--json", root=root).out)
    assert [(file["path"], file["rule"]) for file in told["withheld"]] == [tuple(line.split())]
    assert "▲" in command("runs", root=root).out
    assert "logging degraded" not in command("show", "cccc0001").out


def test_the_console_is_shown_literally(command: Command) -> None:
    out = command("show", "dddd", "--console").out
    assert out == "loss 0.5\n[red] \\x1b[31m key=[REDACTED:openai-project-key]\ncareful\n"
    parts = json.loads(command("show", "dddd", "--console", "--json").out)
    assert [part["stream"] for part in parts] == ["stdout", "stderr"]
    assert "capture.console" in command("show", "aaaa", "--console").out


def test_json_is_the_whole_run(command: Command) -> None:
    outcome = command("show", "aaaa0001", "--json")
    run = json.loads(outcome.out)
    assert run["run_id"] == "aaaa0001"
    assert len(run["metrics"]["val_loss"]) == 50
    assert SECRET not in outcome.out


def test_json_with_fewer_points(command: Command) -> None:
    metrics = json.loads(command("show", "aaaa0001", "--json", "--points", "2").out)["metrics"]
    assert [point["step"] for point in metrics["val_loss"]] == [48, 49]
    assert [point["value"] for point in metrics["odd"]] == ["inf", 2.0]
    assert json.loads(command("show", "aaaa0001", "--json", "--points", "0").out)["metrics"]["val_loss"] == []
    for arguments in (["--points", "2"], ["--console", "--json", "--points", "2"], ["--json", "--points", "-1"]):
        assert command("show", "aaaa0001", *arguments).code == 2


def test_an_unknown_run_is_exit_code_1_with_a_message(command: Command) -> None:
    outcome = command("show", "ffff0000")
    assert (outcome.code, outcome.out) == (1, "")
    assert "ffff0000" in outcome.err
    assert "Traceback" not in outcome.err


def test_no_run_given_is_a_usage_error(command: Command) -> None:
    assert command("show").code == 2
