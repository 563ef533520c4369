"""Run directories from elsewhere, odd files and odd moments: nothing outside of the root is read, written or deleted, no
secret gets out, and the process's signals stay the user's."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import zlib
from pathlib import Path

import pytest
from tests.fault.conftest import Start

import reticent
from reticent import cli
from reticent.records import METRIC, RunStarted, SealedRecord, Staged, WriterStarted
from reticent.redaction import digest
from reticent.runlog.events import frame
from reticent.runlog.metrics import header
from reticent_redact import Policy, Redactor, SealedText

TOKEN = "ghp_" + "a1B2" * 9
BUILT_IN = digest(Policy(), b"")


def sealed(text: str) -> SealedText:
    return Redactor().seal(text, channel="test")


def forge(root: Path, token: str, kind: str, path: str = "stolen.txt", policy: str = BUILT_IN) -> Path:
    """A run of a machine that is gone, with a snapshot that waits to be published."""
    directory = root / "runs" / "forged"
    (directory / "staging").mkdir(parents=True)
    records: list[SealedRecord] = [
        WriterStarted(time=1.0, host=sealed("h"), machine="m", pid=1, process_started=1.0, byteorder="little"),
        RunStarted(time=1.0, run_id="forged", name=sealed("forged"), experiment=sealed("e")),
        Staged(time=1.0, token=token, path=sealed(path), kind=kind, policy=policy),  # type: ignore[arg-type]
    ]
    events = directory / "w.events"
    events.write_bytes(b"".join(map(frame, records)))
    os.utime(events, (1, 1))
    return directory


@pytest.mark.parametrize("policy", [BUILT_IN, "another"])
@pytest.mark.parametrize("kind", ["file", "model"])
@pytest.mark.parametrize("token", ["{victim}", "../../../../victim", "..", "a" * 32 + "/..", "a" * 32 + "/../../x"])
def test_a_forged_token_reaches_nothing(kind: str, token: str, policy: str, root: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "precious.txt").write_text(f"token = {TOKEN}")
    directory = forge(root, token.format(victim=victim / "precious.txt"), kind, policy=policy)
    reticent.search_runs()
    assert (victim / "precious.txt").read_text() == f"token = {TOKEN}"
    assert not list((directory / "artifacts").rglob("*")) if (directory / "artifacts").exists() else True


@pytest.mark.parametrize("place", ["staging", "artifacts", "quarantine", "staging/" + "a" * 32, "artifacts/deep"])
def test_symbolic_links_are_not_followed(place: str, root: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "precious.txt").write_text("precious")
    directory = forge(root, "a" * 32, "file", "deep/out.txt")
    if place != "staging" and not place.startswith("staging/"):
        (directory / "staging" / ("a" * 32)).write_text("payload")
    if place == "staging":
        (directory / "staging").rmdir()
    (directory / place).parent.mkdir(parents=True, exist_ok=True)
    (directory / place).symlink_to(victim)
    reticent.search_runs()
    assert [file.name for file in victim.iterdir()] == ["precious.txt"]
    assert (victim / "precious.txt").read_text() == "precious"


def test_pipes_hang_nobody(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reticent.guard, "strict", False)  # type: ignore[attr-defined]
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with reticent.start_run() as run:
        reticent.log_artifact(pipe)
    directory = forge(root, "a" * 32, "file")
    os.mkfifo(directory / "staging" / ("a" * 32))
    os.mkfifo(directory / "zz.events")
    found = {one.run_id: one for one in reticent.search_runs()}
    assert "no pipes" in found[run.run_id].warnings()[0].message


def absurd(root: Path, run_id: str, moment: float = 1e9, end: float = 1e9, count: int = 1, metric: float = 1e9) -> None:
    """A run whose log says what no clock and no disk says."""
    directory = root / "runs" / run_id
    directory.mkdir(parents=True)
    said: list[dict[str, object]] = [
        {"type": "writer", "host": "h", "machine": "m", "pid": 1, "process_started": 1.0, "byteorder": "little"},
        {"type": "run", "run_id": run_id, "name": "n\x1b[31m", "experiment": "e", "parent_id": "\x1b[2J"},
        {"type": "param", "key": "k", "value": "v"},
        {"type": "metric-key", "number": 1, "key": "loss"},
        {"type": "redaction", "channel": "c", "rule": "\x1b[2J", "action": "\x1b[2J", "count": count},
        {"type": "redaction", "channel": "c", "rule": "\x1b[2J", "action": "\x1b[2J", "count": count},
        {"type": "artifact", "path": "a.txt", "size": count, "sha256": "0" * 64},
        {"type": "end", "status": "FINISHED", "counts": {"x": count}, "time": end},
    ]
    lines = [json.dumps({"time": moment, **record}).encode() for record in said]
    (directory / "w.events").write_bytes(b"".join(b"%08x %s\n" % (zlib.crc32(line), line) for line in lines))
    steps = {2**63 - 1: 1e308, -(2**63): -1e308, 5: float("nan")}
    points = [METRIC.pack(metric, step, value, 1) for step, value in steps.items()]
    (directory / "w.000000.metrics").write_bytes(header(0) + b"".join(points))
    os.utime(directory / "w.events", (1, 1))


ABSURD = {
    "late": {"moment": 1e300, "end": 1e300},
    "early": {"moment": -1e300},
    "negative": {"moment": -5.0, "end": -5.0},
    "backwards": {"moment": 8e9, "end": 0.0},
    "much": {"count": 10**30},
    "more": {"count": 2**63 - 1},
    "less": {"count": -(2**63)},
    "nan": {"metric": float("nan")},
    "far": {"metric": -1e300},
    "steps": {},
}


@pytest.mark.parametrize("command", ["runs", "show", "compare"])
def test_tables_of_absurd_records_can_be_read(
    command: str, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, how in ABSURD.items():
        absurd(root, name, **how)  # type: ignore[arg-type]
    for arguments in ([command], [command, "--json"]):
        for name in ABSURD if command == "show" else [""]:
            about = {"runs": [], "show": [name], "compare": list(ABSURD)}[command]
            monkeypatch.setattr(sys, "argv", ["reticent", *arguments, *about])
            with pytest.raises(SystemExit) as ended:
                cli.main()
            out, errors = capsys.readouterr()
            assert (ended.value.code, errors) == (0, "")
            assert "\x1b" not in out
            if arguments == [command]:
                assert max(map(len, out.splitlines())) < 400
    found = {run.run_id: run for run in reticent.search_runs()}
    assert set(found) == set(ABSURD)
    assert len(found["steps"].metric_history("loss")) == 3
    assert found["steps"].health.state == "ok"
    for name in ("late", "early", "negative", "much", "more", "less", "nan", "far"):
        assert {warning.kind for warning in found[name].warnings()} == {"damaged run log"}


def test_directories_that_are_no_runs_are_ignored(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("x" * 200, "a b", "-dash", "new\nline", "caf\u00e9", ".hidden", "\x1b[31m", "\udcff"):
        absurd(root, name)
    absurd(root, "good")
    (root / "runs" / "file").write_text("no directory")
    for _ in range(2):
        assert [run.run_id for run in reticent.search_runs()] == ["good"]
        assert reticent.sync(to=["sqlite"])["sqlite"].error is None
    assert [record.getMessage() for record in caplog.records] == [
        f"reticent: a directory in {root}/runs has a name that no run can have; it is ignored"
    ]
    with pytest.raises(reticent.errors.RunNotFoundError):  # type: ignore[attr-defined]
        reticent.sync(run_ids=["a b"])


@pytest.mark.parametrize("how", ["kill", "configure", "by hand"])
def test_a_secret_by_name_in_a_model_never_gets_out(how: str, root: Path, start: Start) -> None:
    process = start(
        f"""
        import os, signal, reticent
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import FunctionTransformer
        def same(X, password=None):
            return X
        model = make_pipeline(FunctionTransformer(same, kw_args={{"password": "corr3ct-h0rse"}}), LogisticRegression())
        X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]
        if "{how}" == "by hand":
            with reticent.start_run():
                reticent.log_model(model.fit(X, y))
        else:
            reticent.autolog()
            if "{how}" == "configure":
                model.fit(X, y)
                reticent.configure(deliver_s=2.0)
            model.fit(X, y)
            if "{how}" == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
        assert reticent.flush(60)
        """,
        wait=False,
    )
    _, errors = process.communicate(timeout=100)
    assert process.returncode == (-signal.SIGKILL if how == "kill" else 0), errors
    reticent.search_runs()
    files = [path for path in root.rglob("*") if path.is_file() and "quarantine" not in path.parts]
    assert [path for path in files if b"corr3ct-h0rse" in path.read_bytes()] == []


def test_nothing_raw_is_left_beside_the_artifacts(root: Path, start: Start, tmp_path: Path) -> None:
    big = tmp_path / "big.log"
    big.write_text(f"a line\napi_key={TOKEN}\n" * 20_000)
    process = start(f"""
        import reticent, time
        reticent.start_run(run_id="r")
        reticent.log_artifact({str(big)!r})
        ready()
        time.sleep(60)
    """)
    while not list((root / "runs" / "r" / "staging").glob(".*")):  # the background has begun to seal it
        time.sleep(0.001)
    process.kill()
    process.wait()
    assert not list((root / "runs" / "r" / "artifacts").rglob(".*"))
    reticent.search_runs()
    assert not list((root / "runs" / "r" / "staging").iterdir())
    files = [path for path in root.rglob("*") if path.is_file()]
    assert [path for path in files if TOKEN.encode() in path.read_bytes()] == []


def test_a_handler_set_after_the_start_stays_in_forked_children_and_at_exit(root: Path, start: Start) -> None:
    process = start(
        """
        import atexit, os, reticent, signal, sys, time
        def at_the_very_end():
            os.kill(os.getpid(), signal.SIGTERM)
            print("handled", flush=True)
        atexit.register(at_the_very_end)
        reticent.start_run("r", run_id="r")
        signal.signal(signal.SIGTERM, lambda *_: print("mine", flush=True))
        child = os.fork()
        if child == 0:
            os.kill(os.getpid(), signal.SIGTERM)
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        """,
        wait=False,
    )
    output, errors = process.communicate(timeout=60)
    assert (output.split(), process.returncode, errors) == (["mine", "mine", "handled"], 0, "")


def test_a_faulthandler_of_the_users_stays(root: Path, start: Start) -> None:
    process = start(
        """
        import faulthandler, os, reticent, signal
        faulthandler.register(signal.SIGTERM, file=open(os.devnull, "w"), chain=False)
        with reticent.start_run("r"):
            os.kill(os.getpid(), signal.SIGTERM)
        """,
        wait=False,
    )
    process.communicate(timeout=60)
    assert process.returncode == 0


@pytest.mark.parametrize("text", ["line\\n{}", '{{"a": "\\t{}"}}', "token%3D{}", "\x1b[31m{}", "\\u0041{}"])
def test_escapes_before_a_secret_do_not_hide_it(text: str) -> None:
    assert TOKEN not in Redactor().redact_text(text.format(TOKEN))


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-32-le"])
def test_text_in_other_encodings_is_masked(encoding: str, root: Path, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_bytes(f"é clé: {TOKEN}\n".encode(encoding))
    with reticent.start_run() as run:
        reticent.log_artifact(file)
    assert reticent.flush(20)
    stored = reticent.get_run(run.run_id).artifact_path("notes.txt").read_bytes().decode(encoding)
    assert stored == "é clé: [REDACTED:github-token]\n"


def test_ids_cannot_be_secrets(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with reticent.start_run(run_id=TOKEN, parent_run_id=TOKEN) as run:
        run.log_dataset("d", TOKEN, digest=TOKEN, source="", schema={}, profile={})
    assert reticent.flush(20)
    assert [path for path in root.rglob("*") if TOKEN in path.name] == []
    assert [path for path in root.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()] == []
