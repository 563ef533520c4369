"""A wrong setting is an error that names its place, its key and what is allowed; a right one says where it came from."""

from __future__ import annotations

from pathlib import Path

import pytest

import reticent
from reticent import settings
from reticent.errors import SettingsError


def load(directory: Path, **environment: str) -> settings.Source:
    return settings.load(directory, environment, {})


def test_defaults(tmp_path: Path) -> None:
    source = load(tmp_path)
    assert source.settings.backends == ("sqlite",)
    assert set(source.origin.values()) == {"default"}


def test_the_nearest_file_counts_and_the_environment_wins(tmp_path: Path) -> None:
    (tmp_path / "reticent.toml").write_text('experiment = "far"\nexit_timeout_s = 3\n')
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert load(inner).settings.experiment == "far"
    (inner.parent / "pyproject.toml").write_text('[tool.reticent]\nexperiment = "near"\n')
    source = load(inner, RETICENT_BACKENDS="sqlite, sqlite:///other.db", RETICENT_EXIT_TIMEOUT_S="0.5")
    assert source.settings.experiment == "near"
    assert source.settings.exit_timeout_s == 0.5
    assert source.settings.backends == ("sqlite", "sqlite:///other.db")
    assert source.origin["experiment"] == f"{inner.parent / 'pyproject.toml'} [tool.reticent]"
    assert source.origin["backends"] == "RETICENT_BACKENDS"


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("experimnt = 1", ["reticent.toml", "'experimnt'", "known settings", "exit_timeout_s"]),
        ("exit_timeout_s = -1", ["reticent.toml", "'exit_timeout_s'", "`float` >= 0.0"]),
        ("exit_timeout_s = 'soon'", ["reticent.toml", "'exit_timeout_s'", "`float`", "`str`"]),
        ("backends = 'sqlite'", ["reticent.toml", "'backends'", "`array`"]),
        ("backends = ['sqlight']", ["reticent.toml", "'backends'", "'sqlight'", "installed backends: ", "sqlite"]),
        ("[redact]\nkeap = []", ["reticent.toml", "'redact'", "keap", "keep, deny"]),
        ("[capture]\ngits = true", ["reticent.toml", "'capture'", "gits", "argv, git, git_diff"]),
        ("[capture]\nconsole_mb = 0", ["reticent.toml", "'capture'", "`float` > 0.0", "console_mb"]),
        ("[capture]\nenvironment = 'RANK'", ["reticent.toml", "'capture'", "`array`", "environment"]),
        ("= nonsense", ["reticent.toml", "not valid TOML"]),
    ],
)
def test_a_wrong_file_is_told(content: str, parts: list[str], tmp_path: Path) -> None:
    (tmp_path / "reticent.toml").write_text(content)
    with pytest.raises(SettingsError) as error:
        load(tmp_path)
    for part in parts:
        assert part in str(error.value)


def test_of_a_table_what_a_later_place_leaves_out_stays(tmp_path: Path) -> None:
    (tmp_path / "reticent.toml").write_text("[capture]\ngit = false\nconsole_mb = 2\n")
    environment = {"RETICENT_CAPTURE": '{"console": true, "console_mb": 3}'}
    capture = settings.load(tmp_path, environment, {"capture": {"environment": ["MY_*"]}}).settings.capture
    assert (capture.git, capture.console, capture.console_mb) == (False, True, 3.0)
    assert capture.environment == ("MY_*",)


def test_a_wrong_variable_is_told_without_its_value(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as error:
        load(tmp_path, RETICENT_EXIT_TIMEOUT_S="hunter2")
    assert "RETICENT_EXIT_TIMEOUT_S" in str(error.value)
    assert "hunter2" not in str(error.value)
    with pytest.raises(SettingsError, match="RETICENT_EXPERIMNT: unknown setting"):
        load(tmp_path, RETICENT_EXPERIMNT="a")


def test_configure_refuses_and_changes_nothing(root: Path) -> None:
    with pytest.raises(SettingsError, match="configure: unknown setting 'backend'"):
        reticent.configure(backend="sqlite", experiment="other")
    assert settings.current().settings.experiment == "default"
    reticent.configure(experiment="other")
    assert settings.current().origin["experiment"] == "configure"


def test_the_root_is_beside_the_project(tmp_path: Path) -> None:
    inner = tmp_path / "src" / "deep"
    inner.mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text("")
    assert settings.root(settings.Settings(), inner) == tmp_path / ".reticent"
    assert settings.root(settings.Settings(dir="logs"), inner) == inner / "logs"
