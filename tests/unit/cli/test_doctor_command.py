"""`reticent doctor`: what it finds, what it calls a problem, and that it gives no secret away."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import msgspec
import pytest

from reticent import autolog, couriers
from reticent.cli import doctor
from reticent.errors import SettingsError

from .conftest import Command


@pytest.fixture(autouse=True)
def _one_framework(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking at the real ones imports them, which takes seconds."""
    from reticent import inspection

    reports = [
        inspection.IntegrationReport("sklearn", "sklearn", "1.5.0", ">=1.4", True, [("sklearn.base:fit", True)]),
        inspection.IntegrationReport("old", "old", "0.1", ">=1", False, []),
        inspection.IntegrationReport("absent", "absent", None, ">=2", False, []),
        inspection.IntegrationReport("changed", "changed", "3", ">=2", True, [("changed:train", False)]),
    ]
    monkeypatch.setattr(inspection, "inspect_integrations", lambda: reports)


def line(text: str, word: str) -> str:
    return next(line for line in text.splitlines() if word in line.split())


def test_all_well(command: Command, root: Path) -> None:
    outcome = command("doctor")
    assert outcome.code == 0
    assert str(root) in line(outcome.out, "root")
    assert str(root / "reticent.db") in line(outcome.out, "database")
    assert "11 runs" in outcome.out
    assert "RETICENT_DIR" in line(outcome.out, "dir")
    assert "All is well." in outcome.out


def test_what_is_captured_is_shown(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETICENT_CAPTURE", '{"git": false, "environment": ["MY_*"]}')
    shown = line(command("doctor").out, "capture")
    assert "git = false" in shown
    assert "environment = MY_*;" in shown
    assert "RETICENT_CAPTURE" in shown


def test_options_are_shown_and_where_they_are_from(
    command: Command, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = command("doctor").out
    assert "log_models = true, log_datasets = true" in line(out, "integration")
    assert line(out, "xgboost").split()[1:4] == ["importance_types", "=", "weight,"]
    monkeypatch.setenv("RETICENT_AUTOLOG", '{"keep": 3, "xgboost": {"every_n_steps": 7}, "sklearn": false}')
    out = command("doctor").out
    assert "keep = 3" in line(out, "integration")
    assert "RETICENT_AUTOLOG" in line(out, "integration")
    assert "every_n_steps = 7" in line(out, "xgboost")
    assert "keep" not in line(out, "xgboost")
    assert [text for text in out.splitlines() if text.split()[:2] == ["sklearn", "off"]]


def test_frameworks_are_told_apart(command: Command) -> None:
    out = command("doctor").out
    assert "1 patch" in line(out, "sklearn")
    assert "outside of >=1" in line(out, "old")
    assert "not installed" in line(out, "absent")
    assert "not found: changed:train" in line(out, "changed")


def test_a_wrong_setting_is_a_problem_and_the_rest_is_still_told(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETICENT_NONSENSE", "1")
    outcome = command("doctor")
    assert outcome.code == 1
    assert "RETICENT_NONSENSE: unknown setting" in outcome.out
    assert "sklearn" in outcome.out


@pytest.mark.parametrize(
    ("table", "key", "allowed"),
    [
        (
            '[autolog.sklearn]\nmax_children = "three"',
            "sklearn: Expected `int`, got `str` at `max_children`",
            "log_models",
        ),
        ("[autolog.sklearn]\nlog_model = true", "sklearn: Object contains unknown field `log_model`", "log_models"),
        ("[autolog]\nlog_model = true", "unknown integration or option 'log_model'", "log_models"),
        ("[autolog]\nxgboost = 3", "xgboost must be true, false or a table of options", ""),
    ],
)
def test_what_autolog_refuses_is_a_problem(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str, key: str, allowed: str
) -> None:
    (tmp_path / "reticent.toml").write_text(table)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RETICENT_AUTOLOG", '{"log_datasets": false}')
    outcome = command("doctor")
    assert outcome.code == 1
    found = line(outcome.out, "options")
    assert f"{tmp_path / 'reticent.toml'}, RETICENT_AUTOLOG: setting 'autolog': {key}" in found
    assert allowed in found
    assert "All is well" not in outcome.out
    with pytest.raises(SettingsError) as refused:
        autolog()
    assert str(refused.value) in found


def test_an_integration_that_cannot_be_loaded_does_not_hide_wrong_options(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "broken-1.0.dist-info"
    installed.mkdir()
    (installed / "entry_points.txt").write_text("[reticent.integrations]\nbroken = no_such_module:integration\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("RETICENT_AUTOLOG", '{"broken": {"anything": 1}, "log_models": "no"}')
    outcome = command("doctor")
    assert outcome.code == 1
    assert "RETICENT_AUTOLOG: setting 'autolog': Expected `bool`, got `str`" in line(outcome.out, "options")


def test_a_backend_whose_url_holds_a_password_is_refused(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("mlflow+https://user:hunter2pass@host/x", "sqlite://user:hunter2pass@host/x.db"):
        monkeypatch.setenv("RETICENT_BACKENDS", f"sqlite, {url}")
        outcome = command("doctor")
        assert outcome.code == 1
        assert "holds a password or a token" in outcome.out
        assert "hunter2pass" not in outcome.out + outcome.err


def test_a_backend_that_there_is_not_is_told(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETICENT_BACKENDS", "sqlite, nosuch")
    assert "no backend is called 'nosuch'; installed backends:" in command("doctor").out


def test_a_damaged_database_is_a_problem(command: Command, root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "runs", tmp_path / "root" / "runs")
    (tmp_path / "root" / "reticent.db").write_bytes(b"this is no database" * 1000)
    outcome = command("doctor", root=tmp_path / "root")
    assert outcome.code == 1
    assert "reticent reindex" in outcome.out


def test_a_root_that_is_a_file_is_a_problem(command: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    outcome = command("doctor", root=tmp_path / "file")
    assert outcome.code == 1
    assert "is a file" in outcome.out


def test_a_root_that_cannot_be_written_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(doctor.tempfile, "TemporaryFile", refuse)
    finding = next(doctor.place(tmp_path))
    assert finding.state == "bad"
    assert "Permission denied" in finding.why


def test_looking_leaves_no_trace(command: Command, tmp_path: Path) -> None:
    assert command("doctor", root=tmp_path / "none").code == 0
    assert list(tmp_path.iterdir()) == []


def test_the_policy_in_force_is_told(
    command: Command, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "built in, and no others" in command("doctor").out
    (tmp_path / "reticent.toml").write_text(
        '[redact]\ndeny = ["customer"]\nrules = [{id = "mine", pattern = "abc"}]\n[redact.backends.wandb]\nonly = ["lr"]\n'
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RETICENT_HASH_KEY", "hunter2-" * 4)
    outcome = command("doctor")
    assert outcome.code == 0
    assert line(outcome.out, "customer").split() == ["deny", "customer", str(tmp_path / "reticent.toml")]
    assert line(outcome.out, "mine").startswith("  rules")
    assert "no backend of this name is configured" in line(outcome.out, "wandb:")
    assert "its id in hashes is" in outcome.out
    assert "hunter2" not in outcome.out


def test_the_courier_is_shown(command: Command, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "runs").mkdir(parents=True)
    assert " courier " not in command("doctor", root=root).out
    couriers.announce(root, "host-a", {"sqlite": ""}, {})
    shown = line(command("doctor", root=root).out, "courier")
    assert f"process {os.getpid()} on host-a" in shown
    assert "delivers to sqlite" in shown
    couriers.announce(root, "host-a", {"jsonl": ""}, {"jsonl": "no such disk"})
    outcome = command("doctor", root=root)
    assert outcome.code == 0
    assert "jsonl: no such disk; does not deliver to sqlite" in line(outcome.out, "courier")
    os.utime(root / "courier.json", (1.0, 1.0))
    assert "has vanished" in line(command("doctor", root=root).out, "courier")


def test_who_a_courier_is(tmp_path: Path) -> None:
    assert couriers.living(tmp_path) is None
    (tmp_path / "courier.json").write_text("no JSON")
    assert couriers.living(tmp_path) is None
    couriers.announce(tmp_path, "host-a", {}, {})
    assert (tmp_path / "courier.json").stat().st_mode & 0o777 == 0o600
    me = couriers.living(tmp_path)
    assert me is not None
    assert me.is_this_process()
    before = msgspec.structs.replace(me, process_started=me.process_started - 60)  # its number is this one's by now
    (tmp_path / "courier.json").write_bytes(msgspec.json.encode(before))
    assert couriers.living(tmp_path) is None
    couriers.withdraw(tmp_path)
    assert couriers.announced(tmp_path) == before  # another one's word is not this one's to take back
