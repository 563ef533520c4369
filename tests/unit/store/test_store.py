"""The embedded store beside other processes, locks, damage; delivering to backends and building the store anew."""

from __future__ import annotations

import logging
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import reticent
from reticent import store
from reticent.backends.sqlite import schema
from reticent.backends.sqlite.stored import StoredRun
from reticent.errors import RunNotFoundError, SettingsError, StoreError
from reticent.records import Artifact
from reticent.sessions import current
from reticent.store import get_run, reindex, search_runs, sync

from .conftest import Append

Start = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def start(root: Path) -> Iterator[Start]:
    """Starts a script on the test's root; it goes on at `wait()` when the test writes a line, and answers with `print`."""
    processes: list[subprocess.Popen[str]] = []

    def begin(code: str) -> subprocess.Popen[str]:
        prelude = "import sys, reticent\ndef wait():\n    print('ready', flush=True)\n    sys.stdin.readline()\n"
        process = subprocess.Popen(
            [sys.executable, "-X", "dev", "-W", "error::ResourceWarning", "-c", prelude + textwrap.dedent(code)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


def answer(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "BUSY_S", 0.05)


def log(name: str = "a") -> str:
    with reticent.start_run(name) as run:
        run.log_param("name", name)
        run.log_metric("m", 1.0, 0)
        run.log_text(f"text of {name}", "notes.txt")
    return run.run_id


def damage(path: Path) -> None:
    """What a failing disk may leave: pages of noise in the middle, the header whole."""
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(random.Random(0).randbytes(path.stat().st_size - 4096))
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def garble(path: Path) -> None:
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    path.write_bytes(b"this is no database at all" * 1000)


def forget() -> None:
    """Have this process close its connections to the store."""
    current().sender("sqlite").close()
    store._shared = None


def test_another_writer_at_work_leaves_reading_what_is_there(
    root: Path, impatient: None, caplog: pytest.LogCaptureFixture
) -> None:
    log("before")
    assert [run.name for run in search_runs()] == ["before"]
    for mode in ("IMMEDIATE", "EXCLUSIVE"):
        with closing(sqlite3.connect(schema.database_path(root), isolation_level=None)) as other:
            other.execute(f"BEGIN {mode}")
            name = f"after {mode}"
            log(name)
            with caplog.at_level(logging.WARNING, "reticent"):
                assert name not in [run.name for run in search_runs()]
            assert get_run(search_runs()[-1].run_id).params == {"name": "before"}
        assert search_runs()[0].name == name
    assert [record.message for record in caplog.records if "cannot be brought up to date" in record.message][1:] == []
    assert "database is locked" in caplog.text
    assert len(search_runs()) == 3


def test_a_store_that_is_locked_against_reading_says_so(root: Path, impatient: None, start: Start) -> None:
    run_id = log()
    script = """
        import os, sqlite3
        connection = sqlite3.connect(os.environ["RETICENT_DIR"] + "/reticent.db", isolation_level=None)
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        wait()
        connection.close()
    """
    current().prepare_root()
    schema.connect(schema.database_path(root)).close()
    other = start(script)
    assert answer(other) == "ready"
    with pytest.raises(StoreError, match=r"is locked by another process.*reticent reindex"):
        get_run(run_id)
    go_on(other)
    assert other.wait() == 0
    assert get_run(run_id).metrics == {"m": 1.0}


def whole(run: StoredRun) -> dict[str, Any]:
    """All of a run, but for when it was delivered."""
    deliveries = [(one.backend, one.state, one.delivered) for one in run.deliveries()]
    assert deliveries[0][:2] == ("sqlite", "complete")
    return {**run.to_dict(), "deliveries": deliveries}


@pytest.mark.parametrize("spoil", [damage, garble])
def test_a_damaged_store_says_so_and_is_built_anew(root: Path, spoil: Callable[[Path], None]) -> None:
    runs = [log(f"r{number}") for number in range(50)]
    expected = {run.run_id: whole(run) for run in search_runs()}
    path = schema.database_path(root)
    forget()
    spoil(path)
    with pytest.raises(StoreError, match="reticent reindex"):
        get_run(log("one more")).to_dict()
    arrived = []
    assert reindex(arrived.append) == 51
    assert sum(arrived) > 51 * 4
    assert {run.run_id: whole(run) for run in search_runs() if run.name != "one more"} == expected
    assert get_run(runs[7]).artifact_path("notes.txt").read_text() == "text of r7"
    assert Path(f"{path}.old").exists()
    assert path.stat().st_mode & 0o777 == 0o600
    assert reindex() == 51


def test_reindex_without_a_store_or_without_runs(root: Path) -> None:
    assert reindex() == 0
    log()
    shutil.rmtree(root / "blobs", ignore_errors=True)
    schema.database_path(root).unlink()
    assert reindex() == 1
    assert search_runs()[0].artifact_path("notes.txt").read_text() == "text of a"


def test_reindex_that_cannot_write_says_so(root: Path) -> None:
    log()
    (root / "reticent.db.old").mkdir()
    with pytest.raises(StoreError, match="cannot be built anew"):
        reindex()
    assert len(search_runs()) == 1


def test_reindex_while_another_process_logs(root: Path, start: Start) -> None:
    """The other one's sender holds the old database, and goes on with the new one by itself."""
    script = """
        reticent.configure(backends=["sqlite"], deliver_s=0.01)
        run = reticent.start_run("theirs")
        run.log_metric("m", 0.0, 0)
        assert reticent.flush()
        print(run.run_id, flush=True)
        for step in range(1, 3):
            wait()
            run.log_metric("m", float(step), step)
            assert reticent.flush()
            print(reticent.get_run(run.run_id).metrics["m"], flush=True)
    """
    mine = log("mine")
    other = start(script)
    theirs = answer(other)
    for step in range(1, 3):
        assert answer(other) == "ready"
        assert reindex() == 2
        go_on(other)
        assert answer(other) == str(float(step))
        assert [point.step for point in get_run(theirs).metric_history("m")] == list(range(step + 1))
        assert get_run(mine).metrics == {"m": 1.0}
    assert other.wait() == 0
    with closing(sqlite3.connect(schema.database_path(root))) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_reading_goes_on_in_the_store_that_another_process_built_anew(root: Path, start: Start) -> None:
    first = log("first")
    stored = get_run(first)
    other = start("from reticent.store import reindex\nprint(reindex(), flush=True)")
    assert answer(other) == "1"
    assert other.wait() == 0
    assert get_run(first).metrics == {"m": 1.0}
    second = log("second")
    assert [run.run_id for run in search_runs()] == [second, first]
    assert stored.metric_history("m")[0].value == 1.0  # read from the old one, which is set aside and whole


def test_two_processes_log_and_read_at_once(root: Path, start: Start) -> None:
    script = """
        wait()
        for number in range(10):
            with reticent.start_run(f"r{number}") as run:
                for step in range(20):
                    run.log_metric("m", float(step), step)
            assert reticent.get_run(run.run_id).metrics == {"m": 19.0}
            reticent.search_runs("metrics.m > 3")
    """
    others = [start(script) for _ in range(3)]
    for other in others:
        assert answer(other) == "ready"
    for other in others:
        go_on(other)
    while any(other.poll() is None for other in others):
        search_runs("metrics.m > 3")
    assert [other.returncode for other in others] == [0, 0, 0]
    runs = search_runs()
    assert len(runs) == 30
    assert all(len(run.metric_history("m")) == 20 for run in runs)


def test_a_run_that_was_looked_at_before_its_first_record_is_found_later(root: Path) -> None:
    """As when one process makes the directory, another one delivers all there is, and then the first one goes on."""
    directory = root / "runs" / "early"
    directory.mkdir(parents=True)
    looked_at = directory.stat().st_mtime_ns
    search_runs()
    with reticent.start_run("late", run_id="early"):
        os.utime(directory, ns=(looked_at, looked_at + 1000))
    assert [run.name for run in search_runs()] == ["late"]


def test_a_killed_process_leaves_its_points_and_a_crashed_run(root: Path, start: Start) -> None:
    other = start("""
        run = reticent.start_run()
        for step in range(1000):
            run.log_metric("m", float(step), step)
        print(run.run_id, flush=True)
        wait()
    """)
    run_id = answer(other)
    assert answer(other) == "ready"
    assert get_run(run_id).status.value == "RUNNING"
    other.send_signal(signal.SIGKILL)
    other.wait()
    stored = get_run(run_id)
    assert len(stored.metric_history("m")) == 1000
    assert stored.status.value == "CRASHED"


def test_a_forked_child_reads_for_itself(root: Path, start: Start) -> None:
    other = start("""
        import os
        with reticent.start_run() as run:
            run.log_metric("m", 1.0)
        stored = reticent.get_run(run.run_id)
        child = os.fork()
        if not child:
            assert reticent.get_run(run.run_id).metrics == {"m": 1.0}
            with reticent.start_run("from the child") as of_child:
                of_child.log_metric("n", 2.0)
            assert reticent.get_run(of_child.run_id).metrics == {"n": 2.0}
            sys.exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert reticent.get_run(run.run_id).metric_history("m") == stored.metric_history("m")
        print([run.name for run in reticent.search_runs("metrics.n = 2")], flush=True)
    """)
    assert answer(other) == "['from the child']"
    assert other.wait() == 0


def test_threads_read_at_once(root: Path) -> None:
    run_ids = [log(str(number)) for number in range(10)]
    failures: list[BaseException] = []

    def read() -> None:
        try:
            for run_id in run_ids:
                assert len(search_runs("metrics.m = 1")) == 10
                assert get_run(run_id).to_dict()["metrics"]["m"][0]["value"] == 1.0
        except BaseException as error:  # whatever it is, it is told in the test's thread
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_second_connection_leaves_the_locks_of_the_first(root: Path, start: Start) -> None:
    """With its locks gone, another process that closes the database would delete the log that this one still writes."""
    path = schema.database_path(root)
    first = schema.connect(path)
    schema.connect(path).close()
    other = start("""
        import os, pathlib
        from reticent.backends.sqlite.schema import connect
        connection = connect(pathlib.Path(os.environ["RETICENT_DIR"], "reticent.db"))
        connection.execute("INSERT INTO experiment (name) VALUES ('theirs')")
        connection.close()
    """)
    assert other.wait() == 0
    first.execute("INSERT INTO experiment (name) VALUES ('mine')")
    with closing(sqlite3.connect(path)) as third:
        assert third.execute("SELECT name FROM experiment ORDER BY name").fetchall() == [("mine",), ("theirs",)]
    first.close()


def test_processes_that_make_the_database_at_once(root: Path, start: Start) -> None:
    for number in range(2):
        others = [
            start(f"""
                import os, pathlib
                from reticent.backends.sqlite.schema import connect
                wait()
                connect(pathlib.Path(os.environ["RETICENT_DIR"], "{number}", "reticent.db")).close()
            """)
            for _ in range(4)
        ]
        for other in others:
            assert answer(other) == "ready"
        for other in others:
            go_on(other)
        assert [other.wait() for other in others] == [0, 0, 0, 0]


def test_sync_tells_how_far_each_backend_got(root: Path, tmp_path: Path) -> None:
    runs = [log("a"), log("b")]
    (tmp_path / "file").write_text("")
    good, bad = f"sqlite://{tmp_path}/copy/runs.db", f"sqlite://{tmp_path}/file/runs.db"
    arrived: list[int] = []
    result = sync([bad, "nosuch://x", good], advance=arrived.append)
    assert (result[good].runs, result[good].error) == (2, None)
    assert result[good].records == sum(arrived) > 8
    assert result[bad].runs == result[bad].records == 0
    assert "NotADirectoryError" in (result[bad].error or "")
    assert "no backend is called 'nosuch'" in (result["nosuch://x"].error or "")
    with closing(sqlite3.connect(tmp_path / "copy" / "runs.db")) as copy:
        assert {run_id for (run_id,) in copy.execute("SELECT run_id FROM run")} == set(runs)
    again = sync([good])[good]
    assert (again.runs, again.records, again.error) == (0, 0, None)


def test_sync_of_some_runs_to_the_configured_backends(root: Path, tmp_path: Path) -> None:
    first, _ = log("a"), log("b")
    reticent.configure(backends=[f"sqlite://{tmp_path}/copy.db"])
    assert [synced.runs for synced in sync(run_ids=[first]).values()] == [1]
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("SELECT run_id FROM run").fetchall() == [(first,)]
    assert [synced.runs for synced in sync().values()] == [1]
    for odd in ("nosuch", "", "..", f"../runs/{first}", f"{root}/runs/{first}"):
        with pytest.raises(RunNotFoundError):
            sync(run_ids=[odd])


def test_a_url_that_holds_a_password_is_refused(root: Path) -> None:
    with pytest.raises(SettingsError, match="holds a password or a token") as refused:
        sync(["sqlite+https://user:" + "hunter2pass@host/x"])
    assert "hunter2pass" not in str(refused.value)


def test_an_error_while_delivering_loses_nothing(root: Path, tmp_path: Path) -> None:
    """What was read from the run log and not written is read again."""
    log()
    url = f"sqlite://{tmp_path}/copy.db"

    def interrupted(records: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sync([url], advance=interrupted)
    with closing(schema.connect(tmp_path / "copy.db")) as copy:
        copy.execute("CREATE TRIGGER refuse BEFORE INSERT ON metric BEGIN SELECT raise(ABORT, 'refused'); END")
        log("b")
        assert "refused" in (sync([url])[url].error or "")
        copy.execute("DROP TRIGGER refuse")
        assert sync([url])[url].error is None
        assert copy.execute("SELECT count(*) FROM metric").fetchone() == (2,)


def test_one_log_that_cannot_be_read_does_not_hide_the_others(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    log("good")
    (root / "runs" / "broken" / "x.events").mkdir(parents=True)
    os.utime(root / "runs" / "broken", (0, 0))  # the oldest, so the first to be read
    with caplog.at_level(logging.WARNING, "reticent"):
        assert [run.name for run in search_runs()] == ["good"]


def test_an_artifact_with_no_digest_is_rejected_and_the_rest_delivered(
    root: Path, append: Append, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("12345")
    with reticent.start_run("carried") as run:
        run.log_metric("m", 1.0)
        path = current().seal("t", "a.txt")
        append(run, Artifact(time=1.0, path=path, size=5, sha256="../../../secret"))
    stored = get_run(run.run_id)
    assert stored.metrics == {"m": 1.0}
    assert stored.artifacts() == []
