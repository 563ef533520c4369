"""Finding runs: by id, by filter, in order, as a table; and nothing is made where nothing was logged."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import reticent
from reticent.backends.sqlite.query import search
from reticent.errors import FilterError, MissingExtraError, ReticentError, RunNotFoundError
from reticent.models import load_model
from reticent.sessions import current
from reticent.store import get_run, open_store, search_runs


def log(name: str, loss: float | None = None, **options: str) -> str:
    with reticent.start_run(name, **options) as run:
        run.log_param("name", name)
        if loss is not None:
            run.log_metric("loss", loss, 0)
    return run.run_id


def names(*arguments: str, **options: object) -> list[str]:
    return [run.name for run in search_runs(*arguments, **options)]  # type: ignore[call-overload]


def test_where_nothing_was_logged_nothing_is_found_and_nothing_made(root: Path) -> None:
    assert search_runs() == []
    assert not root.exists()
    with pytest.raises(RunNotFoundError, match="there are no runs under"):
        get_run("abcd")
    assert len(search_runs(output="pandas")) == 0


def test_filter_order_limit_and_experiments(root: Path) -> None:
    for name, loss, experiment in (("a", 0.3, "x"), ("b", 0.1, "y"), ("c", None, "x"), ("d", 0.2, "z")):
        log(name, loss, experiment=experiment)
    assert names() == ["d", "c", "b", "a"]
    assert names("metrics.loss < 0.25") == ["d", "b"]
    assert names(order_by=["metrics.loss"]) == ["b", "d", "a", "c"]
    assert names(order_by=["metrics.loss desc"]) == ["a", "d", "b", "c"]
    assert names(order_by=["attributes.experiment ASC", "metrics.loss DESC"]) == ["a", "c", "b", "d"]
    assert names(max_results=2) == ["d", "c"]
    assert names(max_results=0) == []
    assert names(max_results=None) == ["d", "c", "b", "a"]
    assert names(experiments=["x", "z"]) == ["d", "c", "a"]
    assert names(experiments="x") == ["c", "a"]
    assert names(experiments=[]) == []
    assert names("metrics.loss > 0 or metrics.loss is null", experiments=["x"]) == ["c", "a"]
    with pytest.raises(FilterError):
        search_runs("loss < 1")
    with pytest.raises(ValueError, match="negative"):
        search_runs(max_results=-1)
    with pytest.raises(ValueError, match="'list' or 'pandas'"):
        search_runs(output="json")  # type: ignore[call-overload]


def test_pages_have_every_run_once(root: Path) -> None:
    for number in range(7):
        log(str(number), 0.5)
    connection = open_store(current())
    pages = [search(connection, str, "", ["metrics.loss"], 3, None, offset) for offset in (0, 3, 6, 9)]
    assert [run.name for page in pages for run in page] == ["6", "5", "4", "3", "2", "1", "0"]
    with pytest.raises(ValueError, match="negative"):
        search(connection, str, offset=-1)


def test_as_many_statements_for_many_runs_as_for_one(root: Path) -> None:
    for number in range(20):
        log(str(number), 0.5)
    connection = open_store(current())
    counts = []
    for limit in (1, 20):
        statements: list[str] = []
        connection.set_trace_callback(statements.append)
        assert len(search(connection, str, max_results=limit)) == limit
        connection.set_trace_callback(None)
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 6


def test_a_run_by_its_id_or_the_beginning_of_it(root: Path) -> None:
    for run_id in ("abcd-1", "abcd-2", "abce-3", "q%_*"[:1], "unrelated"):
        with reticent.start_run(f"name of {run_id}", run_id=run_id):
            pass
    assert get_run("abcd-1").run_id == "abcd-1"
    assert get_run("abce").run_id == "abce-3"
    assert get_run("q").run_id == "q"
    with pytest.raises(RunNotFoundError, match="several runs begin with 'abcd': abcd-1, abcd-2"):
        get_run("abcd")
    with pytest.raises(RunNotFoundError, match="needs 4 characters"):
        get_run("unr")
    with pytest.raises(RunNotFoundError, match=r"near: abce-3 \(name of abce-3\)"):
        get_run("abce-4")
    with pytest.raises(RunNotFoundError, match="near: unrelated"):
        get_run("name of unrelated")
    for odd in ("", "%%%%", "____", "****", "ab'd", "ÿÿÿÿ\U0010ffff"):
        with pytest.raises(RunNotFoundError):
            get_run(odd)


def test_a_table_of_runs(root: Path) -> None:
    log("a", 0.5, experiment="x")
    with reticent.start_run("b", tags={"t": "1"}) as run:
        run.log_param("only b", 3)
        frame = search_runs(output="pandas")
    base = ["run_id", "name", "experiment", "parent_run_id", "status", "health", "start_time", "end_time", "duration_s"]
    assert list(frame.columns) == [*base, "metrics.loss", "params.name", "params.only b", "tags.source", "tags.t"]
    assert list(frame["name"]) == ["b", "a"]
    assert list(frame["status"]) == ["RUNNING", "FINISHED"]
    assert frame["metrics.loss"].isna().tolist() == [True, False]
    assert frame["duration_s"].isna().tolist() == [True, False]
    assert frame["duration_s"][1] == get_run(frame["run_id"][1]).duration_s
    assert frame["parent_run_id"].isna().all()
    assert list(frame["health"]) == ["ok", "ok"]
    assert frame["end_time"].isna().tolist() == [True, False]
    assert str(frame["start_time"].dt.tz) == "UTC"
    started = get_run(frame["run_id"][1]).start_time
    assert abs(frame["start_time"][1].timestamp() - (started or 0)) < 1e-5


def test_without_pandas_the_error_names_the_extra(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r"reticent\[pandas\]"):
        search_runs(output="pandas")


def test_what_is_read_from_cannot_be_written_to(root: Path) -> None:
    log("a")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        open_store(current()).execute("DELETE FROM run")


@pytest.mark.parametrize(
    "ask",
    [
        lambda _, secret: get_run(secret),
        lambda run_id, secret: get_run(f"{run_id}-{secret}"),
        lambda _, secret: reticent.sync(run_ids=[secret]),
        lambda _, secret: search_runs(secret),
        lambda _, secret: search_runs(f"tags.a = {secret}"),
        lambda _, secret: search_runs(f"metrics.a = '{secret}'"),
        lambda _, secret: search_runs(f"{'metrics.a = 1 and ' * 6}{secret[:8]} = '{secret}'"),
        lambda _, secret: search_runs(f"params.a = '{secret}"),
        lambda _, secret: search_runs(f"tags.a = '1' {secret}"),
        lambda _, secret: search_runs(f"tags.a like {secret}"),
        lambda _, secret: search_runs(f"{secret}.a = 1"),
        lambda _, secret: search_runs(order_by=[f"metrics.a {secret}"]),
        lambda _, secret: search_runs(output=secret),
        lambda run_id, secret: get_run(run_id).metric_summary(secret),
        lambda run_id, secret: get_run(run_id).artifact_path(secret),
        lambda _, secret: load_model(secret),
        lambda _, secret: load_model(f"runs:/{secret}"),
        lambda _, secret: load_model(f"runs:/{secret}/model"),
        lambda run_id, secret: load_model(f"runs:/{run_id}/{secret}"),
    ],
)
def test_an_error_does_not_repeat_the_secret_that_it_was_given(ask: Callable[[str, str], object], root: Path) -> None:
    run_id = log("a", 0.5)
    secret = "ghp_" + "R7mK2pQ9vT4xW1zBnC8dF3gH6jL5sYaE0uNi"
    with pytest.raises((FilterError, ReticentError, ValueError, KeyError, FileNotFoundError)) as caught:
        ask(run_id, secret)
    for error in (caught.value, caught.value.__cause__):
        assert all(secret[at : at + 8] not in str(error) for at in range(4, len(secret) - 8))


def test_an_error_still_says_what_is_wrong_and_shows_the_rest(root: Path) -> None:
    with pytest.raises(FilterError) as caught:
        search_runs("params.password = 'corr3ct-h0rse' and loss < 1")
    told = str(caught.value)
    assert "there is no attribute what stands there (position 38)" in told
    assert "corr3ct" not in told
    assert "and loss < 1" in told
