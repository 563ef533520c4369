"""Runs: what is logged is there, whatever it is; what cannot be logged is told, never raised."""

from __future__ import annotations

import logging
import math
import os
import threading
from pathlib import Path
from typing import Any

import numpy
import pytest

import reticent
from reticent import guard, rewriting
from reticent.records import RunStatus
from reticent.store import reindex
from reticent_redact import Policy, Redactor


@pytest.fixture
def lenient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors of ours are swallowed, as they are for users."""
    monkeypatch.setattr(guard, "strict", False)
    monkeypatch.setattr(guard, "_told", set())


def test_a_run_has_what_was_logged(root: Path) -> None:
    with reticent.start_run("first", experiment="e", tags={"team": "a"}) as run:
        reticent.log_param("lr", 0.1)
        reticent.log_params({"layers": [1, 2], "name": "x"})
        for step in range(3):
            reticent.log_metric("loss", 1.0 / (step + 1), step=step)
        reticent.log_metrics({"a": 1, "b": 2}, step=7)
        reticent.set_tag("note", "hello")
        reticent.log_text("some text", "notes/a.txt")
        reticent.log_dict({"a": [1, math.inf]}, "d.json")
    stored = reticent.get_run(run.run_id)
    assert (stored.name, stored.experiment, stored.status) == ("first", "e", RunStatus.FINISHED)
    assert stored.params == {"lr": "0.1", "layers": "[1, 2]", "name": "x"}
    assert stored.metrics == {"loss": 1 / 3, "a": 1.0, "b": 2.0}
    assert [(metric.step, metric.value) for metric in stored.metric_history("loss")] == [(0, 1.0), (1, 0.5), (2, 1 / 3)]
    assert stored.tags["team"] == "a"
    assert stored.tags["note"] == "hello"
    assert sorted(artifact.path for artifact in stored.artifacts()) == ["d.json", "notes/a.txt"]
    assert stored.artifact_path("notes/a.txt").read_text() == "some text"
    assert stored.health.state == "ok"


def test_nested_runs_are_children(root: Path) -> None:
    with reticent.start_run("outer", experiment="e") as outer:
        with reticent.start_run("inner") as inner:
            reticent.log_metric("m", 1.0)
        with reticent.start_run("apart", nested=False) as apart:
            pass
        reticent.log_metric("m", 2.0)
    assert reticent.get_run(inner.run_id).parent_id == outer.run_id
    assert reticent.get_run(inner.run_id).experiment == "e"
    assert reticent.get_run(apart.run_id).parent_id is None
    assert reticent.get_run(outer.run_id).metrics == {"m": 2.0}
    assert [child.run_id for child in reticent.get_run(outer.run_id).children()] == [inner.run_id]


@pytest.mark.parametrize(("name", "nested", "told"), [(None, None, 1), ("b", None, 1), ("b", True, 0), ("b", False, 0)])
def test_a_run_that_nests_in_one_that_was_left_open_is_told(
    name: str | None, nested: bool | None, told: int, root: Path, lenient: None, caplog: pytest.LogCaptureFixture
) -> None:
    outer = reticent.start_run("a")
    with caplog.at_level(logging.WARNING, "reticent"):
        reticent.start_run(name, nested=nested).end()
    outer.end()
    assert caplog.text.count("the new one is its child") == told


def test_a_run_is_resumed_by_the_beginning_of_its_id(root: Path) -> None:
    with reticent.start_run() as run:
        assert reticent.start_run(run_id=run.run_id[:8]) is run  # it is open
        reticent.end_run()
    assert reticent.active_run() is None
    with reticent.start_run(run_id=run.run_id[:8]) as again:
        assert again.run_id == run.run_id
    assert len(reticent.search_runs()) == 1


@pytest.mark.parametrize(("run_id", "told"), [("3f2a", 1), ("0" * 32, 1), ("trial-7", 0)])
def test_an_id_that_looks_like_one_of_ours_and_is_not_there_is_told(
    run_id: str, told: int, root: Path, lenient: None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "reticent"), reticent.start_run(run_id=run_id):
        pass
    assert caplog.text.count(f"there is no run {run_id}") == told
    with caplog.at_level(logging.WARNING, "reticent"), reticent.start_run(run_id=run_id) as again:
        assert again.run_id == run_id
    assert caplog.text.count("there is no run") == told


def test_a_resumed_run_goes_on(root: Path) -> None:
    with reticent.start_run("r", experiment="e") as run:
        reticent.log_param("lr", 0.1)
        reticent.log_metric("loss", 1.0)
        reticent.log_metric("loss", 0.5)
    with reticent.start_run(run_id=run.run_id) as again:
        assert (again.name, again.experiment) == ("r", "e")
        reticent.log_metric("loss", 0.25)
        reticent.log_param("more", 1)
    stored = reticent.get_run(run.run_id)
    assert [metric.step for metric in stored.metric_history("loss")] == [0, 1, 2]
    assert stored.params == {"lr": "0.1", "more": "1"}
    assert stored.status is RunStatus.FINISHED
    assert stored.health.state == "ok"


def test_without_a_run_one_is_started(root: Path) -> None:
    reticent.log_metric("m", 1.0)
    run = reticent.active_run()
    assert run is not None
    reticent.end_run()
    assert reticent.active_run() is None
    assert reticent.get_run(run.run_id).metrics == {"m": 1.0}


def test_a_param_with_another_value_is_a_new_version(root: Path) -> None:
    with reticent.start_run() as run:
        reticent.log_param("lr", 0.1)
        reticent.log_param("lr", 0.1)
        reticent.log_param("lr", 0.2)
    stored = reticent.get_run(run.run_id)
    assert stored.params == {"lr": "0.2"}
    assert [version.value for version in stored.param_versions("lr")] == ["0.1", "0.2"]
    assert stored.health.state == "degraded"


@pytest.mark.parametrize("key", ["a/b", "ä ö", "", "x" * 5000, "\x00\n\t", "../..", "[red]", "a'b\"c`d", "🙂", "%s{}"])
def test_keys_of_any_characters(key: str, root: Path) -> None:
    with reticent.start_run() as run:
        reticent.log_param(key, 1)
        reticent.log_metric(key, 2.0)
        reticent.set_tag(key, 3)
    stored = reticent.get_run(run.run_id)
    assert stored.params == {key: "1"}
    assert stored.metrics == {key: 2.0}
    assert stored.tags[key] == "3"


@pytest.mark.parametrize("key", [1, None, ("a", 1), [1]])
def test_keys_of_other_types(key: Any, root: Path) -> None:
    with reticent.start_run() as run:
        run.log_metric(key, 1.0, step=1)
        run.log_params({str(key): 1})
    assert len(reticent.get_run(run.run_id).metrics) == 1


def test_not_a_number_and_infinities(root: Path) -> None:
    with reticent.start_run() as run:
        for step, value in enumerate([math.nan, math.inf, -math.inf]):
            reticent.log_metric("m", value, step=step)
    values = [metric.value for metric in reticent.get_run(run.run_id).metric_history("m")]
    assert math.isnan(values[0])
    assert values[1:] == [math.inf, -math.inf]


def test_ten_thousand_params(root: Path) -> None:
    with reticent.start_run() as run:
        reticent.log_params({f"p{number}": number for number in range(10_000)})
    assert reticent.get_run(run.run_id).params == {f"p{number}": str(number) for number in range(10_000)}


def test_values_of_any_length_are_kept_whole(root: Path) -> None:
    with reticent.start_run() as run:
        reticent.log_param("long", "word " * 200_000)
    assert reticent.get_run(run.run_id).params["long"] == "word " * 200_000


def test_a_recursive_structure(root: Path) -> None:
    endless: list[Any] = []
    endless.append(endless)
    with reticent.start_run() as run:
        reticent.log_param("endless", endless)
        reticent.log_dict({"endless": endless}, "d.json")
    assert reticent.get_run(run.run_id).params == {"endless": "['...']"}


@pytest.mark.parametrize(
    "call",
    [
        lambda: reticent.log_metric("m", "high"),  # type: ignore[arg-type]
        lambda: reticent.log_metric("m", [1.0, 2.0]),  # type: ignore[arg-type]
        lambda: reticent.log_metric("m", 1.0, step="one"),  # type: ignore[arg-type]
        lambda: reticent.log_metric("m", 1.0, step=2**70),
        lambda: reticent.log_params(7),  # type: ignore[arg-type]
        lambda: reticent.log_metrics(None),  # type: ignore[arg-type]
        lambda: reticent.set_tags(["a"]),  # type: ignore[arg-type]
        lambda: reticent.log_artifact("/does/not/exist"),
        lambda: reticent.log_artifacts("/does/not/exist"),
        lambda: reticent.log_text("x", "../../etc/passwd"),
        lambda: reticent.log_text("x", "/etc/passwd"),
        lambda: reticent.log_text("x", ""),
        lambda: reticent.log_dict(object(), "\0"),  # type: ignore[arg-type]
        lambda: reticent.log_figure("no figure", "f.png"),
        lambda: reticent.log_model(object()),
    ],
)
def test_wrong_calls_are_told_and_never_raised(
    call: Any, root: Path, lenient: None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "reticent"), reticent.start_run() as run:
        call()
        call()
        reticent.log_metric("after", 1.0)
    stored = reticent.get_run(run.run_id)
    assert stored.metrics == {"after": 1.0}
    assert stored.status is RunStatus.FINISHED
    assert stored.health.state == "degraded"
    assert len([record for record in caplog.records if "not affected" in record.getMessage()]) == 1


def test_a_run_that_ends_with_no_status_of_ours_ends(
    root: Path, lenient: None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "reticent"):
        run = reticent.start_run()
        reticent.end_run("a status")
        assert reticent.active_run() is None
    stored = reticent.get_run(run.run_id)
    assert stored.status is RunStatus.FINISHED
    assert "a run ends as RUNNING, FINISHED" in caplog.text
    assert "a status" not in caplog.text + stored.warnings()[0].message


def test_files_are_taken_as_they_are_at_the_call(root: Path, tmp_path: Path) -> None:
    file = tmp_path / "weights.txt"
    file.write_text("before")
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "b.txt").write_text("b")
    with reticent.start_run() as run:
        reticent.log_artifact(file, "files")
        file.write_text("after!")
        reticent.log_artifact(folder)
        (folder / "deep" / "b.txt").unlink()
        reticent.log_artifacts(folder.parent, "all")
    stored = reticent.get_run(run.run_id)
    paths = sorted(artifact.path for artifact in stored.artifacts())
    assert paths == ["all/weights.txt", "files/weights.txt", "folder/deep/b.txt"]
    assert stored.artifact_path("files/weights.txt").read_text() == "before"
    assert stored.artifact_path("all/weights.txt").read_text() == "after!"
    assert not any((root / "runs" / run.run_id / "staging").iterdir())


def test_a_file_over_the_limit_is_referenced(root: Path, tmp_path: Path) -> None:
    reticent.configure(max_artifact_mb=0.001)
    file = tmp_path / "big.bin"
    file.write_bytes(bytes(5000))
    with reticent.start_run() as run:
        reticent.log_artifact(file)
    stored = reticent.get_run(run.run_id)
    assert stored.artifacts() == []
    assert [reference.path for reference in stored.references()] == ["big.bin"]


def test_a_secret_is_sealed_everywhere(root: Path, tmp_path: Path) -> None:
    token = "ghp_" + "a1B2" * 9
    file = tmp_path / "notes.txt"
    file.write_text(f"the token is {token}\n")
    binary = tmp_path / "weights.bin"
    binary.write_bytes(b"\x00\xff" + token.encode() + b"\x00")
    with reticent.start_run(f"run {token}", experiment=f"e {token}", tags={"t": token}) as run:
        reticent.log_params({"api_key": "some-thing", token: 1, "nested": {"a": [token], "password": "p4ss-w0rd!"}})
        reticent.log_metric(f"m {token}", 1.0)
        reticent.log_text(f"text {token}", f"{token}.txt")
        reticent.log_text("x " * 1_000_000 + token, "large.txt")
        reticent.log_dict({"hub_token": "another-one"}, "d.json")
        reticent.log_artifact(file)
        reticent.log_artifact(binary)
        run.log_dataset(token, "train", digest="0", source=token, schema={token: 1}, profile={"a": token})
        login = numpy.array([("me", "arr4y-w0rd!")], dtype=[("user", "U8"), ("password", "U16")])
        run.log_params({"array": login, "row": login[0], "rows": [login]})
        run.warn(f"test {token}", token)
        run.warn("password=p4ss-w0rd!", "m")
    assert reticent.flush(20)  # until then staging holds what was not scanned yet
    stored = reticent.get_run(run.run_id)
    files = [path for path in root.rglob("*") if path.is_file() and "quarantine" not in path.parts]
    everything = b"".join(path.read_bytes() for path in files)
    for secret in (token, "some-thing", "p4ss-w0rd!", "another-one", "arr4y-w0rd!"):
        assert secret.encode() not in everything
    assert [withheld.path for withheld in stored.withheld()] == ["weights.bin"]
    assert stored.redactions()
    assert stored.artifact_path("notes.txt").read_text().startswith("the token is [REDACTED:")


def test_a_file_that_is_withheld_is_told_once(
    root: Path, tmp_path: Path, lenient: None, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "weights.bin"
    file.write_bytes(b"\x00\xff" + b"ghp_" + b"a1B2" * 9 + b"\x00")
    with caplog.at_level(logging.WARNING, "reticent"), reticent.start_run() as run:
        run.log_artifact(file)
        run.log_artifact(file, "again")
    assert reticent.flush(20)
    assert caplog.text.count("weights.bin' is withheld, because of github-token") == 1


def test_names_that_are_the_same_without_their_secrets_are_told_apart(root: Path) -> None:
    tokens = ["ghp_" + letters * 9 for letters in ("a1B2", "c3D4", "e5F6")]
    with reticent.start_run() as run:
        for number, token in enumerate((*tokens, tokens[0])):
            reticent.log_param(f"of {token}", token == tokens[0])
            reticent.log_metric(f"loss of {token}", float(number), number)
            reticent.log_metric(f"loss of {token}", float(number), number + 10)
            reticent.set_tag(f"of {token}", number)
        run.log_param("plain", 1)
    stored = reticent.get_run(run.run_id)
    names = [f"of [REDACTED:github-token]{number}" for number in ("", "-2", "-3")]
    values = dict(zip(names, ("True", "False", "False"), strict=True))
    assert {key: value for key, value in stored.params.items() if key != "plain"} == values
    assert not [warning for warning in stored.warnings() if warning.kind == "param changed"]
    assert [stored.tags[name] for name in names] == ["3", "1", "2"]
    steps = [[point.step for point in stored.metric_history(f"loss {name}")] for name in names]
    assert steps == [[0, 3, 10, 13], [1, 11], [2, 12]]
    written = b"".join(path.read_bytes() for path in root.rglob("*") if path.is_file())
    assert not any(token.encode() in written or str(hash(f"of {token}")).encode() in written for token in tokens)


def test_files_whose_names_are_the_same_without_their_secrets_are_all_there(root: Path) -> None:
    tokens = ["ghp_" + letters * 9 for letters in ("a1B2", "c3D4", "e5F6")]
    with reticent.start_run() as run:
        for token in (*tokens, tokens[0]):
            reticent.log_text(f"of {token[4:8]}", f"notes/{token}.txt")
    stored = reticent.get_run(run.run_id)
    names = ["notes/2-[REDACTED:github-token].txt", "notes/3-[REDACTED:github-token].txt"]
    assert sorted(artifact.path for artifact in stored.artifacts()) == [*names, "notes/[REDACTED:github-token].txt"]
    assert stored.artifact_path(names[0]).read_text() == "of c3D4"


def test_figures(root: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure()
    figure.subplots().plot([1, 2])
    with reticent.start_run() as run:
        reticent.log_figure(figure, "plots/a.png")
        reticent.log_figure(figure, "plots/a.svg")
    stored = reticent.get_run(run.run_id)
    assert stored.artifact_path("plots/a.png").read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in stored.artifact_path("plots/a.svg").read_bytes()


def test_a_record_after_the_end_arrives(root: Path) -> None:
    with reticent.start_run() as run:
        run.log_metric("m", 1.0, step=1)
    assert reticent.flush(20)
    run.log_metric("m", 2.0, step=2)
    run.log_metric("late", 3.0, step=1)
    run.set_tag("late", "yes")
    stored = reticent.get_run(run.run_id)
    assert stored.metrics == {"m": 2.0, "late": 3.0}
    assert stored.tags["late"] == "yes"
    assert stored.status is RunStatus.FINISHED


def test_a_damaged_log_shows_in_the_health_of_its_run(root: Path) -> None:
    with reticent.start_run() as run:
        reticent.log_params({"before": 1, "hit": 2, "after": 3})
    assert reticent.flush(20)
    (file,) = (root / "runs" / run.run_id).glob("*.events")
    file.write_bytes(file.read_bytes().replace(b'"hit"', b'"h?t"'))
    reindex()
    stored = reticent.get_run(run.run_id)
    assert stored.params == {"before": "1", "after": "3"}
    assert stored.health.state == "degraded"
    assert "damaged event line" in stored.warnings()[0].message


def test_the_kind_of_a_stored_warning_is_redacted_again(root: Path) -> None:
    with reticent.start_run() as run:
        run.warn("customer=acme", "m")
    assert reticent.flush(20)
    directory = root / "runs" / run.run_id
    done = rewriting.rewrite(directory, Redactor(Policy(deny=("customer",))))
    assert done.changed
    assert b"acme" not in b"".join(path.read_bytes() for path in directory.rglob("*") if path.is_file())


def test_what_is_logged_where_something_is_being_removed_stays(root: Path) -> None:
    """In the order of the calls, though the removal is done in the background."""
    goes_on = threading.Event()
    with reticent.start_run() as run:
        reticent.log_text("old", "a.txt")
        reticent.log_text("old", "d/b.txt")
        run.in_background("something", lambda: goes_on.wait(60))
        run.remove_artifact("a.txt")
        run.remove_artifact("d")
        reticent.log_text("new", "a.txt")
        reticent.log_dict({"new": 1}, "d/c.json")
        goes_on.set()
    assert reticent.flush(60)
    paths = {one.path for one in reticent.get_run(run.run_id).artifacts()} - {"git/diff.patch"}
    assert paths == {"a.txt", "d/c.json"}
    directory = root / "runs" / run.run_id / "artifacts"
    assert (directory / "a.txt").read_text() == "new"
    assert not (directory / "d" / "b.txt").exists()


def test_text_with_half_a_character_is_logged_as_it_can_be_written(root: Path) -> None:
    """As names of files are that are no UTF-8, which Python hands over so."""
    undecodable = os.fsdecode(b"caf\xe9.csv")
    with reticent.start_run("half \ud83d") as run:
        run.log_params({"data": undecodable, "key \ud83d": [undecodable]})
        run.set_tag("note", undecodable)
        run.log_metric("loss \ud83d", 0.5, 0)
    found = reticent.get_run(run.run_id)
    assert found.name == "half \\ud83d"
    assert found.params == {"data": "caf\\udce9.csv", "key \\ud83d": "['caf\\udce9.csv']"}
    assert found.tags["note"] == "caf\\udce9.csv"
    assert found.metrics == {"loss \\ud83d": 0.5}
    assert found.health.state == "ok"
