"""What was logged is read back: values, histories, files, health, and all of it as JSON."""

from __future__ import annotations

import contextlib
import gc
import json
import math
import os
import time
from pathlib import Path

import pytest

import reticent
from reticent.backends.sqlite import schema
from reticent.backends.sqlite.schema import database_path
from reticent.records import Console, Delivery, Lost, Metric, Redaction, Warned, Withheld
from reticent.sessions import current
from reticent.store import get_run, open_store, search_runs

from .conftest import Append


def test_times_error_parent_and_status(root: Path) -> None:
    before = time.time()
    with reticent.start_run("outer", experiment="e") as outer, reticent.start_run("first") as first:
        pass
    with pytest.raises(ZeroDivisionError), reticent.start_run("second", parent_run_id=outer.run_id) as second:
        raise ZeroDivisionError("no such luck")
    stored = get_run(second.run_id)
    assert (stored.status.value, stored.parent_id) == ("FAILED", outer.run_id)
    assert "ZeroDivisionError: no such luck" in (stored.error or "")
    assert stored.start_time is not None
    assert stored.end_time is not None
    assert before <= stored.start_time <= stored.end_time <= time.time()
    assert stored.duration_s == stored.end_time - stored.start_time
    assert [child.run_id for child in get_run(outer.run_id).children()] == [first.run_id, second.run_id]
    assert stored.children() == []


def test_the_console_of_each_process_in_its_order(root: Path, append: Append) -> None:
    seal = current().seal
    with reticent.start_run() as run:
        for moment, stream, text in ((3.0, "stdout", "c\n"), (1.0, "stdout", "a\n"), (2.0, "stderr", "b\n")):
            append(run, Console(time=moment, stream=stream, text=seal("console", text)))  # type: ignore[arg-type]
    stored = get_run(run.run_id)
    assert [(part.stream, part.text) for part in stored.console()] == [
        ("stdout", "a\n"),
        ("stderr", "b\n"),
        ("stdout", "c\n"),
    ]
    assert [part["text"] for part in stored.to_dict()["console"]] == ["a\n", "b\n", "c\n"]


def test_a_database_of_the_first_version_is_brought_up_to_date(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:1])
        schema.connect(database_path(root)).close()
    with reticent.start_run() as run:
        run.log_param("lr", 0.1)
    stored = get_run(run.run_id)
    assert (stored.params, stored.console()) == ({"lr": "0.1"}, [])


def test_a_run_that_goes_on_is_read_as_it_grows(root: Path) -> None:
    run = reticent.start_run()
    stored = get_run(run.run_id)
    assert (stored.status.value, stored.end_time, stored.duration_s) == ("RUNNING", None, None)
    for step in range(2000):
        run.log_metric("loss", float(step), step)
        if step % 1000 == 999:
            found = get_run(run.run_id)
            assert found.metrics == {"loss": step}
            assert len(found.metric_history("loss")) == step + 1
    run.end()
    assert get_run(run.run_id).status.value == "FINISHED"


def test_metrics(root: Path) -> None:
    with reticent.start_run() as run:
        for step, value in ((1, 5.0), (0, 3.0), (2, math.nan), (2, math.inf)):
            run.log_metric("loss", value, step)
        run.log_metric("nan", math.nan, 0)
        run.log_metric("ends in nan", 1.0, 0)
        run.log_metric("ends in nan", math.nan, 1)
    stored = get_run(run.run_id)
    history = stored.metric_history("loss")
    assert [(point.step, point.key) for point in history] == [(0, "loss"), (1, "loss"), (2, "loss"), (2, "loss")]
    assert isinstance(history[0], Metric)
    assert [str(point.value) for point in history] == ["3.0", "5.0", "nan", "inf"]
    assert stored.metric_summary("loss") == (4, 3.0, math.inf, 3.0, math.inf)
    assert stored.metric_keys() == ["ends in nan", "loss", "nan"]
    assert math.isnan(stored.metrics["nan"])
    assert math.isnan(stored.metrics["ends in nan"])
    assert all(math.isnan(value) for value in stored.metric_summary("nan")[1:])
    count, first, last, smallest, largest = stored.metric_summary("ends in nan")
    assert (count, first, smallest, largest) == (2, 1.0, 1.0, 1.0)
    assert math.isnan(last)
    assert stored.metric_history("missing") == []
    with pytest.raises(KeyError, match="no metric 'missing'"):
        stored.metric_summary("missing")


def test_a_curve_has_the_mean_of_each_span_of_steps(root: Path) -> None:
    with reticent.start_run() as run:
        for step in (*range(50, 100), *range(50)):
            run.log_metric("line", float(step), step)
        for step, value in ((0, 1.0), (1, math.nan), (2, math.inf), (2, -math.inf), (3, math.inf), (3, 4.0)):
            run.log_metric("odd", value, step)
        for step, value in ((-(2**63), 1.0), (2**63 - 1, 2.0)):
            run.log_metric("far", value, step)
        for value in (1.0, 3.0):
            run.log_metric("at once", value, 7)
    stored = get_run(run.run_id)
    assert stored.metric_curve("line", 4) == [12.0, 37.0, 62.0, 87.0]
    assert stored.metric_curve("line", 1000) == [float(step) for step in range(100)]
    assert [str(mean) for mean in stored.metric_curve("odd", 24)] == ["1.0", "nan", "nan", "4.0"]
    assert stored.metric_curve("far", 24) == [1.0, 2.0]
    assert stored.metric_curve("at once", 24) == [2.0]
    assert stored.metric_curve("missing", 24) == []


def test_params_keep_their_versions_and_origins(root: Path) -> None:
    with reticent.start_run() as run:
        run.log_params({"lr": 0.1}, origin="default")
        run.log_params({"lr": 0.2}, origin="explicit")
        run.log_param("depth", 3)
    stored = get_run(run.run_id)
    assert stored.params == {"lr": "0.2", "depth": "3"}
    assert stored.param_origins == {"lr": "explicit", "depth": None}
    versions = stored.param_versions("lr")
    assert [(version.value, version.origin) for version in versions] == [("0.1", "default"), ("0.2", "explicit")]
    assert versions[0].time < versions[1].time
    assert stored.param_versions("missing") == []


def test_files_lie_under_their_digest(root: Path) -> None:
    with reticent.start_run() as run:
        run.log_text("first", "a/notes.txt")
        run.log_text("later", "a/notes.txt")
        run.log_text("other", "b.txt")
    stored = get_run(run.run_id)
    assert [(file.path, file.size) for file in stored.artifacts()] == [("a/notes.txt", 5), ("b.txt", 5)]
    path = stored.artifact_path("a/notes.txt")
    assert path.read_text() == "later"
    assert path.name == stored.artifacts()[0].sha256
    with pytest.raises(FileNotFoundError, match="no artifact"):
        stored.artifact_path("../a")
    path.unlink()
    with pytest.raises(FileNotFoundError, match="not in the store"):
        stored.artifact_path("a/notes.txt")


def test_content_is_never_kept_under_the_digest_of_other_content(root: Path) -> None:
    """Two versions of one size, both logged before the first delivery: only the second is there to be kept."""
    with reticent.start_run() as run:
        run.log_text("first", "notes.txt")
        run.log_text("later", "notes.txt")
    search_runs()
    with reticent.start_run() as another:
        another.log_text("first", "a.txt")
    assert get_run(run.run_id).artifact_path("notes.txt").read_text() == "later"
    assert get_run(another.run_id).artifact_path("a.txt").read_text() == "first"


def test_datasets_and_redactions(root: Path) -> None:
    with reticent.start_run() as run:
        run.log_dataset("churn", "train", digest="d1", source="file.csv", schema={"a": "int"}, profile={"rows": 3})
        run.log_params({"api_key": "very-secret-1", "password": "very-secret-2"})
        run.log_param("api_key", "very-secret-3")
    stored = get_run(run.run_id)
    assert [(data.name, data.context, data.digest) for data in stored.datasets()] == [("churn", "train", "d1")]
    hidden = stored.redactions()
    assert all(isinstance(one, Redaction) for one in hidden)
    assert sum(one.count for one in hidden) == 3
    assert len({(one.channel, one.rule, one.action) for one in hidden}) == len(hidden) == 2
    assert stored.to_dict()["datasets"][0]["profile"] == {"rows": 3}
    assert "very-secret" not in json.dumps(stored.to_dict())


def test_health_says_what_is_wrong(root: Path, append: Append) -> None:
    seal = current().seal
    with reticent.start_run("well") as well, reticent.start_run("ill") as ill:
        now = time.time()
        append(well, Delivery(time=now, backend="mlflow", state="pending", delivered=1))
        append(well, Delivery(time=now + 1, backend="mlflow", state="complete", delivered=9))
        append(ill, Warned(time=now, kind=seal("t", "k"), message=seal("t", "odd")))
        append(ill, Warned(time=now + 1, kind=seal("t", "k"), message=seal("t", "odd again")))
        append(ill, Lost(time=now, what="metrics", count=12, reason=seal("t", "full")))
        append(ill, Withheld(time=now, path=seal("t", "key.bin"), rule="private-key"))
        append(ill, Delivery(time=now, backend="mlflow", state="pending", delivered=1, rejected=1))
    assert get_run(well.run_id).health.state == "ok"
    stored = get_run(ill.run_id)
    assert stored.health.state == "degraded"
    assert sorted(stored.health.reasons) == [
        "1 file was withheld",
        "12 records were lost",
        "2 warnings about the logging",
        "mlflow has not got everything yet",
        "mlflow refused 1 record",
    ]
    assert [warning.message for warning in stored.warnings()] == ["odd", "odd again"]
    assert [loss.count for loss in stored.losses()] == [12]
    assert [file.rule for file in stored.withheld()] == ["private-key"]
    assert {row.backend: row.state for row in stored.deliveries()} == {"mlflow": "pending", "sqlite": "complete"}


def test_all_of_a_run_is_json(root: Path, append: Append) -> None:
    with reticent.start_run("outer", experiment="e"), reticent.start_run("r", tags={"t": "1"}) as run:
        run.log_param("lr", 0.1)
        for step, value in enumerate((1.0, math.nan, math.inf, -math.inf)):
            run.log_metric("loss", value, step)
        run.log_text("x", "a.txt")
        append(run, Lost(time=1.0, what="metrics", count=1, reason=current().seal("t", "full")))
    stored = get_run(run.run_id)
    text = json.dumps(stored.to_dict(), allow_nan=False)
    found = json.loads(text)
    assert found == stored.to_dict()
    assert [point["value"] for point in found["metrics"]["loss"]] == [1.0, "nan", "inf", "-inf"]
    assert [float(point["value"]) for point in found["metrics"]["loss"]][2] == math.inf
    assert [point["step"] for point in found["metrics"]["loss"]] == [0, 1, 2, 3]
    assert stored.to_dict(points=2)["metrics"] == {"loss": found["metrics"]["loss"][2:]}
    assert stored.to_dict(points=0)["metrics"] == {"loss": []}
    assert found["start_time"].endswith("+00:00")
    assert found["losses"] == [{"time": "1970-01-01T00:00:01+00:00", "what": "metrics", "count": 1, "reason": "full"}]
    assert found["parent_id"] == stored.parent_id
    assert set(found["artifacts"][0]) == {"time", "path", "size", "sha256"}
    assert found["health"]["state"] == "degraded"


def test_the_database_is_closed_with_the_last_run_that_was_read_from_it(root: Path) -> None:
    with reticent.start_run() as run:
        run.log_metric("m", 1.0)
    connection = open_store(current())
    assert open_store(current()) is connection
    del connection
    stored = get_run(run.run_id)
    database_path(root).rename(root / "elsewhere")  # the next read makes another one
    assert get_run(run.run_id).metrics == {"m": 1.0}
    assert "elsewhere" in _open_files()
    assert stored.metric_history("m")[0].value == 1.0
    del stored
    gc.collect()
    assert "elsewhere" not in _open_files()


def _open_files() -> set[str]:
    found = set()
    for descriptor in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the one that listed the directory
            found.add(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
    return found
