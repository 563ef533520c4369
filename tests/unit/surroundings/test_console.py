"""What is written to the console is kept without its secrets, and reaches the console as if nobody listened."""

from __future__ import annotations

import io
import json
import logging
import pprint
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

import pytest

import reticent
from reticent import records
from reticent.runlog import RunReader
from reticent.surroundings import console
from reticent.surroundings.tee import Tee

from .conftest import Find, Run

SECRET = "sk-" + "proj-" + "7Yb1Nc4P" * 6
BEGIN, END = "-----BEGIN " + "RSA PRIVATE KEY-----", "-----END " + "RSA PRIVATE KEY-----"
ON = json.dumps({"console": True, "git": False})


@pytest.fixture
def kept(root: Path) -> Iterator[None]:
    """The console is kept."""
    reticent.configure(capture={"console": True})
    yield
    assert type(sys.stdout) is not Tee
    assert type(sys.stderr) is not Tee


def written(run_id: str, stream: str = "stdout") -> str:
    """What the run's log has, once the background work is done."""
    assert reticent.flush(30)
    return "".join(one.text for one in reticent.get_run(run_id).console() if one.stream == stream)


def test_lines_of_both_streams_are_kept_while_a_run_is_open(kept: None, capsys: pytest.CaptureFixture[str]) -> None:
    print("before")
    with reticent.start_run() as run:
        print("one", 2, flush=True)
        print("to stderr", file=sys.stderr)
        sys.stdout.writelines(["a\n", "b\n"])
        assert sys.stdout.write("no end") == 6
    print("\nafter")
    assert written(run.run_id) == "one 2\na\nb\nno end\n"
    assert written(run.run_id, "stderr") == "to stderr\n"
    assert capsys.readouterr() == ("before\none 2\na\nb\nno end\nafter\n", "to stderr\n")


def test_it_is_off_unless_it_is_wanted(root: Path) -> None:
    before = sys.stdout
    with reticent.start_run() as run:
        assert sys.stdout is before
        print("hello")
    assert written(run.run_id) == ""


def test_secrets_are_hidden_also_in_pieces_in_colour_and_over_lines(kept: None, root: Path, find: Find) -> None:
    with reticent.start_run() as run:
        sys.stdout.write(SECRET[:20])
        run.kept_console.flush()  # type: ignore[union-attr] # as the thread does it between two writes
        sys.stdout.write(SECRET[20:] + "\n")
        print("api_key=\x1b[32m" + SECRET[8:] + "\x1b[0m")
        print("--password", SECRET[9:])
        for line in (BEGIN, "MIIEow" + "IBAAKC" * 10, "q9vX3" * 12, END, "after the key"):
            print(line)
            run.kept_console.flush()  # type: ignore[union-attr]
        print("\x1b[1mbold\x1b[0m", "\x1b]0;title")
        print("password:")
        run.kept_console.flush()  # type: ignore[union-attr]
        print("  end")
    text = written(run.run_id)
    assert find(SECRET[20:]) == []
    assert find(SECRET[:20]) == []
    assert find("q9vX3" * 2) == []
    assert "after the key\nbold \x1b]0;title\n" in text
    assert text.count("[REDACTED:") >= 4
    assert {one.channel for one in reticent.get_run(run.run_id).redactions()} == {"console"}


@pytest.mark.parametrize(
    "lines",
    [
        ["password: |", "  pass-w0rd", "  and pass-w0rd", "lr: 0.1"],
        ["password = '''", "pass-w0rd", "", "and pass-w0rd'''"],
        ['"password":', '"pass-w0rd"', "}"],
        ["- name: DB_PASSWORD", "  value: pass-w0rd", "- name: lr"],
        ["curl -u me:pass-w0rd \\", "  https://h/"],
    ],
)
def test_a_value_is_secret_under_a_key_that_came_long_before(kept: None, lines: list[str]) -> None:
    with reticent.start_run() as run:
        for line in ["before " * 2000, *lines, "after"]:
            print(line)
            run.kept_console.flush()  # type: ignore[union-attr] # as half a second later
    text = written(run.run_id)
    assert text.startswith("before before")
    assert text.endswith("after\n")
    assert "pass-w0rd" not in text
    assert "[REDACTED:" in text


NESTED = {"db": {"password": {"by": "x", "value": "pass-w0rd"}}, "secrets": [{"a": {"b": "pass-w0rd"}}]}


@pytest.mark.parametrize(
    "pieces",
    [
        ["password:\n", "pass-w0rd\n"],
        ["password:\n", "\n", "passphrase-of-words\n"],
        ["DB_PASSWORD=\n", "pa#ss=w0rd\n"],
        ["password=\\\n", "pass-w0rd\n"],
        ["tool --password \\\n", "   pass-w0rd --lr 1\n"],
        ["password=\rpass-w0rd\n"],
        ["x: 1\rpassword: \x1b[0m\r", "\r", "pass-w0rd", "\n"],
        json.dumps(NESTED, indent=2).splitlines(keepends=True),
        json.dumps(NESTED, indent=2).replace("\n", "\n\n").splitlines(keepends=True),
        pprint.pformat(NESTED, width=1).splitlines(keepends=True),
    ],
)
def test_a_value_is_secret_apart_from_its_key(kept: None, pieces: list[str]) -> None:
    with reticent.start_run() as run:
        for piece in [*pieces, "\n", "after\n"]:
            sys.stdout.write(piece)
            run.kept_console.flush()  # type: ignore[union-attr] # as half a second later
    text = written(run.run_id)
    assert not any(secret in text for secret in ("pass-w0rd", "of-words", "pa#ss"))
    assert "[REDACTED:" in text
    assert text.endswith("after\n")


def test_what_follows_a_colon_is_kept_as_it_is(kept: None) -> None:
    lines = ["loss:", "0.25", "tokens:", "12 of them", "path = \\", "  to/it", "password:", "", "- [INFO (no end"]
    with reticent.start_run() as run:
        for line in lines:
            print(line)
            run.kept_console.flush()  # type: ignore[union-attr]
        print("Epoch 1:\r10% of it\rEpoch 1:\r37%")
    assert written(run.run_id) == "\n".join([*lines, "Epoch 1:37%", ""])


def test_what_may_go_on_is_held_back_until_a_line_follows(kept: None) -> None:
    with reticent.start_run() as run:
        print('"password": [')
        run.kept_console.flush()  # type: ignore[union-attr]
        print('"pass-w0rd"')
        run.kept_console.flush()  # type: ignore[union-attr]
        assert run.kept_console._lines["stdout"] == ['"pass-w0rd"']  # type: ignore[union-attr]
        print("], and so on")
        run.kept_console.flush()  # type: ignore[union-attr]
        assert run.kept_console._lines["stdout"] == []  # type: ignore[union-attr]
        print("the last one:")
    assert written(run.run_id).endswith("], and so on\nthe last one:\n")


def test_of_a_progress_bar_the_last_state_is_kept(kept: None) -> None:
    with reticent.start_run() as run:
        for percent in range(0, 101, 10):
            sys.stderr.write(f"\r{percent}%")
            run.kept_console.flush()  # type: ignore[union-attr]
        sys.stderr.write("\n")
        sys.stderr.write("10%\r20%\r30%\r\n")
    assert written(run.run_id, "stderr") == "100%\n30%\n"


def test_a_line_without_end_is_not_kept_and_memory_is_bounded(kept: None) -> None:
    with reticent.start_run() as run:
        for _ in range(100):
            sys.stdout.write("x" * 1000)
            run.kept_console.flush()  # type: ignore[union-attr]
        assert max(map(len, run.kept_console._unfinished.values())) <= console.BATCH + 1  # type: ignore[union-attr]
        print("\nnext")
    assert written(run.run_id) == f"[a line of more than {console.BATCH} characters]\nnext\n"


def test_much_is_kept_in_order_up_to_the_bound(kept: None) -> None:
    reticent.configure(capture={"console": True, "console_mb": 1.0})
    lines = [f"line {number} " + "." * 80 for number in range(20_000)]
    with reticent.start_run() as run:
        for line in lines:
            print(line)
    text = written(run.run_id)
    assert 0.9 * (1 << 20) < len(text) <= 1 << 20
    assert text.splitlines() == lines[: text.count("\n")]
    stored = reticent.get_run(run.run_id)
    assert ["console_mb, 1, keeps" in one.message for one in stored.warnings()] == [True]


def test_lines_go_to_the_threads_own_run_or_the_newest(kept: None) -> None:
    def train(name: str) -> None:
        with reticent.start_run(name, run_id=name):
            both.wait(30)
            for number in range(100):
                print(name, number)
            both.wait(30)

    both = threading.Barrier(3)
    threads = [threading.Thread(target=train, args=(name,)) for name in "ab"]
    with reticent.start_run("outer", run_id="outer"):
        for thread in threads:
            thread.start()
        both.wait(30)
        both.wait(30)
        for thread in threads:
            thread.join()
        with reticent.start_run("inner", run_id="inner"):
            other = threading.Thread(target=print, args=("from a thread without a run",))
            other.start()
            other.join()
        print("outer")
    for name in "ab":
        assert written(name) == "".join(f"{name} {number}\n" for number in range(100))
    assert written("inner") == "from a thread without a run\n"
    assert written("outer") == "outer\n"


def test_the_stream_is_what_it_was(kept: None, capfd: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout
    with reticent.start_run() as run:
        assert sys.stdout is not before
        assert isinstance(sys.stdout, type(before))
        for name in ("encoding", "errors", "buffer", "line_buffering", "closed", "name", "mode", "newlines"):
            assert getattr(sys.stdout, name) == getattr(before, name)
        assert sys.stdout.fileno() == before.fileno()
        assert sys.stdout.isatty() == before.isatty()
        assert repr(sys.stdout) == repr(before)
        sys.stdout.flush()
        sys.stdout.buffer.write(b"bytes\n")
        sys.stdout.buffer.flush()
        with pytest.raises(TypeError):
            sys.stdout.write(b"bytes")  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            sys.stdout.writelines(["a line\n", 1])  # type: ignore[list-item]
        with pytest.raises(AttributeError):
            sys.stdout.no_such_thing  # type: ignore[attr-defined] # noqa: B018
        sys.stdout.marked = True  # type: ignore[attr-defined]
    assert sys.stdout is before
    assert before.marked  # type: ignore[attr-defined]
    assert capfd.readouterr().out == "bytes\na line\n"
    assert written(run.run_id) == "a line\n"


def test_what_somebody_put_over_it_stays(kept: None) -> None:
    class Over:
        def __init__(self, below: object) -> None:
            self.below = below

        def __getattr__(self, name: str) -> object:
            return getattr(self.below, name)

    before = sys.stdout
    try:
        with reticent.start_run() as first:
            sys.stdout = over = Over(sys.stdout)  # type: ignore[assignment]
            print("first")
        assert sys.stdout is over
        print("between")
        with reticent.start_run() as second:
            print("second")
        assert sys.stdout is over
    finally:
        sys.stdout = before
    assert (written(first.run_id), written(second.run_id)) == ("first\n", "second\n")


def test_a_run_that_ends_while_stdout_is_redirected(kept: None) -> None:
    before = sys.stdout
    run = reticent.start_run()
    with redirect_stdout(io.StringIO()) as text:
        print("elsewhere")
        run.end()
    assert text.getvalue() == "elsewhere\n"
    assert type(sys.stdout) is Tee
    print("passes through")
    with reticent.start_run() as second:
        print("second")
    assert sys.stdout is before
    assert (written(run.run_id), written(second.run_id)) == ("", "second\n")


def test_a_handler_that_holds_the_stream_goes_on(kept: None, capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("of the training")
    with reticent.start_run() as run:
        handler = logging.StreamHandler()
        logger.addHandler(handler)
        logger.warning("within")
    logger.warning("after")
    logger.removeHandler(handler)
    assert written(run.run_id, "stderr") == "within\n"
    assert capsys.readouterr().err == "within\nafter\n"


def test_an_error_of_ours_does_not_reach_print(
    kept: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from reticent import guard

    def fail(*_: object) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr(guard, "strict", False)
    with reticent.start_run():
        monkeypatch.setattr(console.Kept, "add", fail)
        print("hello")
    assert capsys.readouterr().out == "hello\n"


def test_of_a_process_with_pipes_every_byte_arrives(script: Run, root: Path) -> None:
    code = """
        import os, subprocess, sys, reticent
        with reticent.start_run("r", run_id="r"):
            print("caf\\u00e9", flush=True)
            sys.stdout.buffer.write(b"\\xff\\n")
            sys.stdout.flush()
            subprocess.run(["echo", "from a child"], stdout=sys.stdout, check=True)
            print("odd \\udce9", file=sys.stderr)
            with sys.stdout as out:
                print("last", file=out)
        sys.exit(0 if sys.stdout.closed else 1)
    """
    done = script(code, capture=ON, PYTHONIOENCODING="utf-8:surrogateescape")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "café\n\\xff\nfrom a child\nlast\n"
    assert done.stderr == "odd \\udce9\n"
    assert written("r") == "café\nlast\n"
    assert written("r", "stderr") == "odd \\udce9\n"


def test_after_kill_9_all_but_the_last_moment_is_there(root: Path, script: Run) -> None:
    code = f"""
        import os, signal, time, reticent
        from reticent.records import Console
        from reticent.runlog import RunReader
        run = reticent.start_run("r", run_id="r")
        print("kept, with password={SECRET}")
        reader, seen = RunReader(run.directory), False
        while not seen:  # it comes without another line, and without an end
            seen = any(isinstance(entry.record, Console) for entry in reader.read()[0])
            time.sleep(0.01)
        print("begun ", end="")
        os.kill(os.getpid(), signal.SIGKILL)
    """
    assert script(code, capture=ON).returncode == -signal.SIGKILL
    assert written("r").startswith("kept, with password=[REDACTED:")


def test_a_forked_child_keeps_its_own_lines(root: Path, script: Run) -> None:
    code = """
        import os, sys, reticent
        with reticent.start_run("r", run_id="r"):
            sys.stdout.write("parent before, ")
            child = os.fork()
            if child == 0:
                print("child", flush=True)
                sys.exit(0)
            os.waitpid(child, 0)
            print("parent after")
    """
    done = script(code, capture=ON)
    assert (done.returncode, done.stderr) == (0, "")
    by_writer: dict[str, str] = {}
    for entry in RunReader(root / "runs" / "r").read()[0]:
        if isinstance(entry.record, records.Console):
            by_writer[entry.writer] = by_writer.get(entry.writer, "") + entry.record.text
    assert sorted(by_writer.values()) == ["child\n", "parent before, parent after\n"]


@pytest.mark.parametrize("way", ["/dev/full", "no root"])
def test_a_disk_that_refuses_leaves_the_console_alone(way: str, tmp_path: Path, script: Run) -> None:
    (tmp_path / "file").write_text("in the way")
    code = """
        import reticent
        with reticent.start_run("r", run_id="r"):
            for number in range(1000):
                print("line", number)
        print("trained")
    """
    place = str(tmp_path / "file" / "root") if way == "no root" else "/dev/full"
    done = script(code, capture=ON, RETICENT_DIR=place, RETICENT_BACKENDS="")
    assert done.returncode == 0
    assert done.stdout == "".join(f"line {number}\n" for number in range(1000)) + "trained\n"
    assert "cannot be written" in done.stderr
