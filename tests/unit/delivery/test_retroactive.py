"""Today's policy on stored runs: nothing that it hides is left in any byte below the root, and everything else is."""

from __future__ import annotations

import hashlib
import shutil
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import reticent
from reticent import records, retroactive, rewriting, sessions
from reticent.models.load import load_model
from reticent.records import METRIC
from reticent.recovery import events
from reticent.retroactive import Outcome
from reticent.runlog import RunReader
from reticent.runlog.events import frame
from reticent.store import reindex

from .conftest import RULE, STAFF, Memory


def logged(run_id: str = "r", **params: Any) -> None:
    """A run in which everything that has text in it has the number of an employee in it."""
    with reticent.start_run(f"by {STAFF}", run_id=run_id, experiment=STAFF) as run:
        run.log_params({"customer": "acme", "lr": 0.1, f"of {STAFF}": 1, **params})
        run.set_tags({"owner": STAFF, "plain": "as it is"})
        for step in range(100):
            run.log_metric(f"loss of {STAFF}", step / 2, step)
        run.log_text(f"trained by {STAFF}\n", f"notes/{STAFF}/a.txt")
        run.log_text("nothing to hide", "notes/plain.txt")
        run.log_dataset("d", "train", digest="1", source=STAFF, schema={"columns": [STAFF]}, profile={})
        run.warn("odd", f"odd: {STAFF}")
    assert reticent.flush(60)


def applied(*run_ids: str, act: Callable[..., Outcome] = retroactive.apply, **policy: Any) -> Outcome:
    runs = sessions.current().root / "runs"
    deadline = time.monotonic() + 60
    while any(retroactive._is_written(run) for run in runs.iterdir()):  # the last delivery is noted in each log
        assert time.monotonic() < deadline
        time.sleep(0.01)
    reticent.configure(redact=policy or {"rules": [RULE], "deny": ["customer"]})
    return act(sessions.current(), run_ids or None, lambda: None)


def holding(root: Path, secret: str = STAFF) -> list[str]:
    """The files and directories below the root with these bytes in their content or their name."""
    found = [path for path in root.rglob("*") if secret in path.name]
    found += [path for path in root.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    return [path.relative_to(root).as_posix() for path in found]


def tree(root: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_the_old_bytes_are_gone_and_everything_else_is_there(root: Path) -> None:
    logged()
    reticent.get_run("r")
    assert {Path(name).suffix for name in holding(root)} >= {".events", ".db", ".txt"}
    outcome = applied()
    assert holding(root) == []
    (done,) = outcome.runs
    assert done.state == "changed"
    assert done.files == ["notes/[REDACTED:staff-number]/a.txt"]
    assert outcome.blobs == 1
    run = reticent.get_run("r")
    assert (run.name, run.experiment) == ("by [REDACTED:staff-number]", "[REDACTED:staff-number]")
    assert run.params == {"customer": "[REDACTED:key-denied]", "lr": "0.1", "of [REDACTED:staff-number]": "1"}
    assert run.tags["owner"] == "[REDACTED:staff-number]"
    history = run.metric_history("loss of [REDACTED:staff-number]")
    assert [(point.step, point.value) for point in history] == [(step, step / 2) for step in range(100)]
    contents = {artifact.path: run.artifact_path(artifact.path).read_bytes() for artifact in run.artifacts()}
    assert contents == {
        "notes/[REDACTED:staff-number]/a.txt": b"trained by [REDACTED:staff-number]\n",
        "notes/plain.txt": b"nothing to hide",
    }
    for artifact in run.artifacts():
        assert hashlib.sha256(contents[artifact.path]).hexdigest() == artifact.sha256
        assert len(contents[artifact.path]) == artifact.size
    hidden = {(one.channel, one.rule): one.count for one in run.redactions()}
    assert hidden[("run name", "staff-number")] == hidden[("param", "key-denied")] == 1
    assert hidden == {(one.channel, one.rule): count for one, count in done.hidden.items()}


def test_a_second_time_changes_nothing(root: Path) -> None:
    logged()
    applied()
    before = tree(root / "runs")
    outcome = applied()
    assert [run.state for run in outcome.runs] == ["same"]
    assert (outcome.database, outcome.blobs) == (None, 0)
    assert tree(root / "runs") == before


def test_the_database_is_made_anew_where_it_alone_holds_what_is_hidden(root: Path) -> None:
    logged("r")
    logged("s")
    assert applied().database == 2
    assert applied().database is None
    assert applied(rules=[RULE], deny=["customer"], backends={"sqlite": {"deny": ["lr"]}}).database == 2
    assert reticent.get_run("r").params["lr"] == "[REDACTED:key-denied]"
    shutil.rmtree(root / "runs" / "s")
    assert applied().database == 1
    assert applied().database is None
    reindex()
    assert (root / "reticent.db.old").exists()
    assert applied().database == 1
    assert not (root / "reticent.db.old").exists()


def test_a_dry_run_says_the_same_and_changes_nothing(root: Path) -> None:
    logged()
    reticent.configure(redact={"rules": [RULE], "deny": ["customer"]})
    before = tree(root)
    outcome = applied(act=retroactive.preview)
    assert tree(root) == before
    done = applied()
    assert outcome.database is None
    assert [run.hidden for run in outcome.runs] == [run.hidden for run in done.runs]
    assert [run.state for run in outcome.runs] == ["changed"]


def test_only_the_runs_that_are_named(root: Path) -> None:
    logged("r")
    logged("s")
    assert [run.run_id for run in applied("s").runs] == ["s"]
    assert not [name for name in holding(root / "runs") if name.startswith("s/")]
    assert [name for name in holding(root / "runs") if name.startswith("r/")]
    with pytest.raises(reticent.ReticentError, match="'t'"):
        applied("t")


def test_a_binary_file_goes_to_quarantine(root: Path, tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(b"\0\xff" + STAFF.encode() + b"\0")
    with reticent.start_run("r", run_id="r") as run:
        run.log_artifact(tmp_path / "weights.bin", "models")
    assert reticent.flush(60)
    (done,) = applied().runs
    assert done.withheld == {"models/weights.bin": "staff-number"}
    assert holding(root) == ["runs/r/quarantine/models/weights.bin"]
    stored = reticent.get_run("r")
    assert [(file.path, file.rule) for file in stored.withheld()] == [("models/weights.bin", "staff-number")]
    assert stored.artifacts() == []


def test_what_lies_in_quarantine_is_told_and_removed_when_asked(root: Path, tmp_path: Path) -> None:
    (tmp_path / f"of-{STAFF}.bin").write_bytes(b"\0\xff" + ("ghp_" + "a1B2" * 9).encode() + b"\0")
    for run_id in ("r", "s"):
        with reticent.start_run("r", run_id=run_id) as run:
            run.log_artifact(tmp_path / f"of-{STAFF}.bin", "models")
            run.log_text("nothing to hide", "plain.txt")
    assert reticent.flush(60)
    assert len(list((root / "runs").rglob("quarantine/models/*.bin"))) == 2
    outcome = applied("r")
    assert [run.quarantined for run in outcome.runs] == [["models/of-[REDACTED:staff-number].bin"]]
    assert retroactive.delete_quarantined(sessions.current(), outcome) == 1
    assert [path.parts[-4] for path in (root / "runs").rglob("quarantine/models/*.bin")] == ["s"]
    assert [run.quarantined for run in applied("r").runs] == [[]]
    stored = reticent.get_run("r")
    assert [file.path for file in stored.withheld()] == ["models/of-[REDACTED:staff-number].bin"]
    assert [file.path for file in stored.artifacts()] == ["plain.txt"]


def test_a_model_can_still_be_loaded(root: Path) -> None:
    from sklearn.linear_model import LogisticRegression

    with reticent.start_run("r", run_id="r") as run:
        run.log_model(LogisticRegression().fit([[0.0], [1.0]], [0, 1]))
    assert reticent.flush(60)
    directory = root / "runs" / "r" / "artifacts" / "model"
    assert b"scikit-learn" in (directory / "requirements.txt").read_bytes()
    (done,) = applied(rules=[{"id": "mine", "pattern": "scikit-learn"}]).runs
    assert set(done.files) == {"model/MLmodel", "model/requirements.txt", "model/conda.yaml"}
    assert b"scikit-learn" not in (directory / "requirements.txt").read_bytes()
    model = load_model("runs:/r/model", trust=True)
    assert list(model.predict([[0.0], [1.0]])) == [0, 1]
    (stored,) = reticent.get_run("r").models()
    assert stored.mlmodel == (directory / "MLmodel").read_text()
    assert stored.size == sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


@pytest.mark.parametrize("steps", range(3))
def test_a_model_can_be_loaded_that_was_changed_in_two_goes(
    steps: int, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sklearn.linear_model import LogisticRegression

    with reticent.start_run("r", run_id="r") as run:
        run.log_model(LogisticRegression().fit([[0.0], [1.0]], [0, 1]))
    assert reticent.flush(60)
    left = iter(range(steps))
    replace = rewriting._replace

    def cut_off(*arguments: Any) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt
        replace(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(rewriting, "_replace", cut_off)
        with pytest.raises(KeyboardInterrupt):
            applied(rules=[{"id": "mine", "pattern": "scikit-learn"}])
    applied(rules=[{"id": "mine", "pattern": "scikit-learn"}])
    assert holding(root, "scikit-learn") == []
    assert list(load_model("runs:/r/model", trust=True).predict([[0.0], [1.0]])) == [0, 1]


def test_params_that_are_not_listed_any_more_are_gone(root: Path) -> None:
    logged(batch_size=8)
    applied(only=["lr", "batch_*"])
    assert reticent.get_run("r").params == {"lr": "0.1", "batch_size": "8"}
    assert holding(root, "acme") == []


def test_what_cannot_be_read_is_left_out_and_told(root: Path) -> None:
    logged()
    (path,) = (root / "runs" / "r").glob("*.events")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(
        b"".join([*lines[:3], b"damaged " + STAFF.encode() + b"\n", *lines[3:], b"torn " + STAFF.encode()])
    )
    applied()
    assert holding(root) == []
    reader = RunReader(root / "runs" / "r")
    told = [record.message for record in events(reader) if isinstance(record, records.Warned)]
    assert any(f"{8 + len(STAFF) + 1 + 5 + len(STAFF)} bytes of the run log could not be read" in text for text in told)
    assert reader.skipped == []
    assert len(reticent.get_run("r").metric_history("loss of [REDACTED:staff-number]")) == 100


def test_a_log_of_a_newer_version_is_left_as_it_is(root: Path) -> None:
    logged()
    (path,) = (root / "runs" / "r").glob("*.events")
    record = records.Lost(time=1.0, what="x", count=1, reason=sessions.current().seal("warning", "y"))
    line = frame(record).replace(b'"lost"', b'"news"')
    path.write_bytes(path.read_bytes() + b"%08x %s" % (zlib.crc32(line[9:-1]), line[9:]))
    before = tree(root / "runs")
    (done,) = applied().runs
    assert done.state == "failed"
    assert "does not know" in done.error
    assert tree(root / "runs") == before


def test_a_run_with_links_in_it_is_left_as_it_is(root: Path, tmp_path: Path) -> None:
    logged()
    outside = tmp_path / "outside.txt"
    outside.write_text(STAFF)
    (root / "runs" / "r" / "artifacts" / "link.txt").symlink_to(outside)
    (done,) = applied().runs
    assert (done.state, "symbolic link" in done.error) == ("failed", True)
    assert outside.read_text() == STAFF


def test_what_other_backends_have_is_told_and_replaced(memory: type[Memory], root: Path) -> None:
    logged()
    assert f"trained by {STAFF}\n".encode() in memory.files.values()
    outcome = applied()
    assert outcome.beyond_recall() == {"hoard": ["r"]}
    memory.written.clear()
    assert reticent.sync(["hoard"])["hoard"].error is None
    assert STAFF not in repr(memory.written)
    assert len([record for record in memory.written if isinstance(record, records.Param)]) == 3
    assert memory.files["notes/[REDACTED:staff-number]/a.txt"] == b"trained by [REDACTED:staff-number]\n"
    assert applied().beyond_recall() == {}


def test_metric_files_are_not_touched(root: Path) -> None:
    logged()
    (path,) = (root / "runs" / "r").glob("*.metrics")
    before = path.read_bytes()
    assert len(before) > 100 * METRIC.size
    applied()
    assert path.read_bytes() == before
