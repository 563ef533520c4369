"""Two threads that use something first at the same instant: where one is just about to make it, the other one does."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from textwrap import dedent
from threading import Barrier, BrokenBarrierError, Event, Thread
from types import CodeType, FrameType, ModuleType, SimpleNamespace
from typing import Any
from weakref import WeakSet

import pytest

import reticent
from reticent import api, autologging, closing, files, forks, guard, sessions, settings, system
from reticent.background import Background
from reticent.delivery import Sender
from reticent.imports import when_imported
from reticent.models import flavor as flavors
from reticent.patching import light
from reticent.patching.integration import Integration, RegisteredHook
from reticent.run import Run
from reticent.runlog import LogWriter
from reticent.session import Session
from reticent.surroundings import console
from reticent.testing import captured
from reticent_redact import Redactor, known
from reticent_redact.literals import Literals
from reticent_redact.text import Scanner

WAITS_S = 0.3
"""The other thread gets so far until then; what is right has it wait for this one."""
SECRET = "kR7vQ2mX9pLw4ZtB"


@contextmanager
def meanwhile(job: Callable[[], object], code: CodeType, event: str = "call", name: str = "") -> Iterator[None]:
    """When this thread first comes to an event of a function (of a C function that it calls: `name`), another does `job`."""
    other = Thread(target=job)

    def hook(frame: FrameType, what: str, given: Any) -> None:
        if frame.f_code is code and what == event and (not name or given.__name__ == name):
            sys.setprofile(None)
            other.start()
            other.join(WAITS_S)

    sys.setprofile(hook)
    try:
        yield
    finally:
        sys.setprofile(None)
        other.join(60)  # fails if it was not started: the function was never called


@contextmanager
def within(job: Callable[[], object], code: CodeType, event: str = "call") -> Iterator[None]:
    """When this thread first comes to an event of a function, it does `job` there, as a signal's handler would."""

    def hook(frame: FrameType, what: str, given: Any) -> None:
        if frame.f_code is code and what == event:
            sys.setprofile(None)
            job()

    sys.setprofile(hook)
    try:
        yield
    finally:
        assert sys.getprofile() is None, "the function was never called"


def running(name: str) -> int:
    return sum(thread.name == name for thread in threading.enumerate())


def test_who_reads_settings_first_does_not_undo_what_another_sets(root: Path) -> None:
    settings.reset()
    with meanwhile(lambda: reticent.configure(experiment="set meanwhile"), settings.load.__code__, "return"):
        settings.current()
    assert settings.current().settings.experiment == "set meanwhile"


def test_of_two_that_set_something_neither_undoes_the_other(root: Path) -> None:
    with meanwhile(lambda: reticent.configure(experiment="set meanwhile"), settings.load.__code__, "return"):
        reticent.configure(deliver_s=7.0)
    found = settings.current().settings
    assert (found.experiment, found.deliver_s) == ("set meanwhile", 7.0)


def test_a_variable_that_goes_while_settings_are_read_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETICENT_EXPERIMENT", "gone")
    get = type(os.environ).__getitem__.__code__
    with meanwhile(lambda: os.environ.pop("RETICENT_EXPERIMENT"), get):
        found = settings.load(Path.cwd(), os.environ, {})
    assert found.settings.experiment == "default"


def test_one_sender_is_made_and_one_writer(root: Path) -> None:
    ours = sessions.current()
    found: list[object] = []
    with meanwhile(lambda: found.append(ours.sender("sqlite")), Sender.__init__.__code__, "return"):
        found.append(ours.sender("sqlite"))
    with meanwhile(lambda: found.append(ours.log_writer("a" * 32)), LogWriter.__init__.__code__, "return"):
        found.append(ours.log_writer("a" * 32))
    assert len(set(map(id, found))) == 2


def test_one_thread_works_in_the_background() -> None:
    work, before = Background(lambda: None, 3600.0), running("reticent-background")
    with meanwhile(work.start, Thread.__init__.__code__, "return"):
        work.start()
    assert running("reticent-background") == before + 1
    work.stop()


def test_one_thread_delivers(root: Path) -> None:
    sender, before = sessions.current().new_sender("sqlite", Sender), running("reticent-sqlite")
    with meanwhile(lambda: sender.start(3600.0), Thread.__init__.__code__, "return"):
        sender.start(3600.0)
    assert running("reticent-sqlite") == before + 1
    sender.stop()


def test_one_thread_keeps_the_console(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "_thread", None)
    before = running("reticent-console")
    reticent.configure(capture={"console": True})
    with reticent.start_run():
        with meanwhile(lambda: print("there"), Thread.__init__.__code__, "return"):
            print("here")
        assert running("reticent-console") == before + 1


def test_what_both_log_first_is_in_one_run(root: Path) -> None:
    with meanwhile(lambda: reticent.log_metric("there", 2.0, step=1), api.start_run.__code__):
        reticent.log_metric("here", 1.0, step=1)
    reticent.end_run()
    (run,) = captured(root)
    assert {"here", "there"} <= set(run.metrics)


def test_a_run_that_begins_while_settings_change_is_an_open_one(root: Path) -> None:
    def change() -> None:
        reticent.configure(experiment="another")
        sessions.current()

    with meanwhile(change, Run.__init__.__code__):
        run = reticent.start_run()
    assert run in sessions.open_runs()
    run.end()


def test_a_run_that_begins_while_the_first_session_is_made_is_an_open_one(root: Path) -> None:
    runs: list[Run] = []
    with within(lambda: runs.append(reticent.start_run()), Session.__init__.__code__, "return"):
        sessions.current()
    reticent.configure(experiment="another")
    with within(lambda: runs.append(reticent.start_run()), known.Known.inherit.__code__, "return"):
        sessions.current()
    assert {*runs} <= {*sessions.open_runs()}
    for run in runs:
        run.end()


def test_who_logs_to_the_open_run_waits_for_no_run_that_begins(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "_LOCK_S", 3600.0)
    with reticent.start_run() as run, sessions.current().beginning:
        other = Thread(target=lambda: reticent.log_metric("there", 1.0, step=1))
        other.start()
        other.join(60)
        assert "there" in run._log.keys


def test_what_is_learned_while_settings_change_is_no_error(root: Path) -> None:
    former = sessions.current().redactor
    former.register(SECRET)
    reticent.configure(experiment="another")
    with meanwhile(lambda: former.register(SECRET[::-1]), known._forms.__code__):
        assert SECRET in sessions.current().redactor.known


def test_nobody_seals_by_new_settings_who_does_not_know_the_secrets_known_before(root: Path) -> None:
    sessions.current().redactor.register(SECRET)
    reticent.configure(experiment="another")
    seen: list[bool] = []
    with meanwhile(lambda: seen.append(SECRET in sessions.current().redactor.known), known.Known.inherit.__code__):
        sessions.current()
    assert seen == [True]


def test_what_is_learned_while_a_text_is_looked_at_is_hidden_in_it_the_next_time() -> None:
    redactor = Redactor()

    def learn() -> None:
        redactor.seal(SECRET, channel="param", key="password")
        redactor.seal("another text", channel="param", key="comment")

    with meanwhile(learn, Scanner.spans.__code__, "return"):
        redactor.seal(f"kept in {SECRET}", channel="param", key="note")
    assert SECRET not in redactor.seal(f"kept in {SECRET}", channel="param", key="note")


def test_what_is_learned_while_known_values_are_made_an_automaton_is_found() -> None:
    values = known.Known()
    values.add([SECRET])
    later = [f"{number}{SECRET[::-1]}" for number in range(9)]

    def learn() -> None:
        values.add(later[:1])
        values.anchors()
        values.add(later[1:])

    with within(learn, Literals.__init__.__code__, "return"):
        values.anchors()
    assert [list(values.find(value)) for value in later] == [[(0, len(value))] for value in later]


def test_a_secret_whose_learning_was_interrupted_is_learned_the_next_time() -> None:
    def interrupt() -> None:
        raise TimeoutError

    values = known.Known()
    with pytest.raises(TimeoutError), within(interrupt, known._forms.__code__):
        values.add([SECRET])
    values.add([SECRET])
    assert list(values.find(SECRET)) == [(0, len(SECRET))]


def test_a_root_has_one_key(root: Path) -> None:
    ours, theirs = sessions.current(), Session(settings.current().settings)
    ours.prepare_root()
    theirs.prepare_root()
    with meanwhile(theirs.root_key, files.write_private.__code__):
        ours.root_key()
    assert ours.root_key() == theirs.root_key() == (root / "key").read_bytes()


def test_records_of_a_kind_are_all_counted(root: Path) -> None:
    with reticent.start_run() as run:
        with meanwhile(lambda: run.log_param("there", 2), Counter.__missing__.__code__):
            run.log_param("here", 1)
        assert run._recorder.captured["param"] == 2


def test_the_flavour_of_a_model_is_found_while_another_thread_loads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    sklearn = pytest.importorskip("sklearn.linear_model")
    monkeypatch.setattr(flavors, "_loaded", set())
    monkeypatch.setattr(flavors, "_flavors", {})
    found: list[Any] = []
    load = type(flavors._points()["sklearn"]).load.__code__  # of importlib_metadata, where something has imported that
    with meanwhile(lambda: found.append(flavors.find(sklearn.Ridge())), load):
        found.append(flavors.find(sklearn.Ridge()))
    assert [one and one.name for one in found] == ["sklearn", "sklearn"]


def test_the_hooks_for_uncaught_errors_are_looked_through_while_others_set_theirs(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions.current()
    closing.watch(root)
    monkeypatch.setattr(sys, "excepthook", lambda *_: None)
    with meanwhile(lambda: closing.watch(root), WeakSet.__iter__.__code__, "return"):
        closing.watch(root)


def test_what_is_to_follow_an_import_does_that_ends_just_then(place: Path) -> None:
    (place / "awaited_end.py").touch()
    seen: list[str] = []
    when_imported("awaited_other", lambda: None)  # so that imports are looked at
    with meanwhile(lambda: __import__("awaited_end"), when_imported.__code__, "c_return", "setdefault"):
        when_imported("awaited_end", lambda: seen.append("acted"))
    assert seen == ["acted"]


def test_what_is_to_follow_an_import_does_that_looks_for_the_module(place: Path) -> None:
    (place / "awaited_sought.py").touch()
    looks, may_go_on = Event(), Event()

    class Slow:
        @staticmethod
        def find_spec(name: str, path: Any = None, target: Any = None) -> None:
            if name == "awaited_sought":
                looks.set()
                may_go_on.wait(60)

    seen: list[str] = []
    when_imported("awaited_other", lambda: None)  # so that imports are looked at
    sys.meta_path.insert(1, Slow)
    imports = Thread(target=__import__, args=("awaited_sought",))
    waits = Thread(target=when_imported, args=("awaited_sought", lambda: seen.append("acted")))
    try:
        imports.start()
        assert looks.wait(60)
        waits.start()
        waits.join(WAITS_S)
        may_go_on.set()
        imports.join(60)
        waits.join(60)
    finally:
        sys.meta_path.remove(Slow)
    assert seen == ["acted"]


def test_an_integration_is_placed_once(place: Path) -> None:
    registry = ModuleType("awaited_registry")
    hooks: list[Any] = []

    def register(hook: Any) -> SimpleNamespace:
        hooks.append(hook)
        return SimpleNamespace(remove=lambda: hooks.remove(hook))

    vars(registry).update(__version__="1.0", register=register)
    sys.modules["awaited_registry"] = registry
    patch = RegisteredHook("awaited_registry:register", lambda *_: None)
    integration = Integration("awaited_registry", "awaited_registry", ">=1.0", (patch,))
    both, codes = Barrier(2), {functools.cache.__code__, light.registered.__code__}

    def hook(frame: FrameType, what: str, _: Any) -> None:
        if what == "call" and frame.f_code in codes:
            try:
                both.wait(WAITS_S)
            except BrokenBarrierError:
                both.reset()  # the other one has nothing to do there

    def enable() -> None:
        sys.setprofile(hook)
        autologging._enable([_Point(integration)])  # type: ignore[list-item] # all that is asked of one

    threads = [Thread(target=enable) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    try:
        assert len(hooks) == 1
    finally:
        autologging._disable("awaited_registry")


class _Point:
    name = "awaited_registry"

    def __init__(self, integration: Integration) -> None:
        self.integration = integration

    def load(self) -> Integration:
        return self.integration


IMPORT_AND_FORK = """
    import reticent.sessions  # which every process has that has such a thread
    import os, signal, sys, time
    from reticent.background import Background

    def imports():
        import loads_slowly

    work = Background(lambda: None, 3600.0)
    work.submit("import", imports, print)
    while "loads_slowly" not in sys.modules:
        time.sleep(0.001)
    if os.fork() == 0:
        signal.alarm(10)
        import loads_slowly
        os._exit(7)
    print(os.waitstatus_to_exitcode(os.wait()[1]))
"""


def test_a_forked_child_can_import_what_a_thread_of_ours_was_importing(tmp_path: Path) -> None:
    # `getLogger` needs a lock that Python's logging holds from before a fork on.
    (tmp_path / "loads_slowly.py").write_text("import logging, time; time.sleep(0.2); logging.getLogger('slow')")
    command = [sys.executable, "-c", dedent(IMPORT_AND_FORK)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("7\n", "")


def test_a_fork_waits_for_no_import_of_its_own_thread(place: Path) -> None:
    (place / "asks.py").write_text(
        "from reticent import forks; found = forks.importing(); ours = forks._imports_of_ours()"
    )
    other = Thread(target=lambda: import_module("asks"), name="reticent-asks")
    other.start()
    other.join(60)
    asked = import_module("asks")
    assert asked.found["asks"] == other.ident
    assert other.ident not in {thread for thread, _ in asked.ours}


def test_forks_wait_once_for_an_import_that_hangs(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "hangs.py").write_text("import threading; began, go_on = threading.Event(), threading.Event()\n")
    hangs = import_module("hangs")
    (place / "waits.py").write_text("import hangs; hangs.began.set(); hangs.go_on.wait()")
    other = Thread(target=lambda: import_module("waits"), name="reticent-waits", daemon=True)
    other.start()
    assert hangs.began.wait(60)
    monkeypatch.setattr(forks, "IMPORT_S", 0.01)
    forks.wait_for_imports()
    monkeypatch.setattr(forks, "IMPORT_S", 3600.0)
    forks.wait_for_imports()
    assert "waits" in forks.importing()
    hangs.go_on.set()
    other.join(60)


def has_load(run: Run) -> bool:
    """Whether the load of the machine is noted in a run, which may take a moment."""
    for _ in range(1000):
        if any(key.startswith("system/") for key in list(run._log.keys)):
            return True
        time.sleep(0.005)
    return False


def test_the_load_is_noted_in_a_run_that_begins_as_the_thread_ends_that_notes_it(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reticent.configure(capture={"system_s": 0.01})
    monkeypatch.setattr(system, "_thread", threading.current_thread())
    seen: list[bool] = []

    def train() -> None:
        with reticent.start_run() as run:
            seen.append(has_load(run))

    with meanwhile(train, system._runs.__code__, "return"):
        system._watch(sessions.current())
    assert seen == [True]


def test_the_load_is_noted_in_a_run_with_other_settings_than_an_open_one(root: Path) -> None:
    reticent.configure(capture={"system_s": 0.01})
    with reticent.start_run() as former:
        assert has_load(former)
        reticent.configure(experiment="another")
        with reticent.start_run(nested=False) as run:
            assert has_load(run)


def test_the_load_is_not_noted_in_a_run_whose_settings_do_not_want_it(root: Path) -> None:
    reticent.configure(capture={"system_s": 0.01})
    with reticent.start_run() as former:
        assert has_load(former)
        reticent.configure(capture={"system_s": 0})
        with reticent.start_run(nested=False) as run:
            enough = former._log.metric_count() + 2 * len(
                former._log.keys
            )  # of which the last round was after its start
            while former._log.metric_count() < enough:
                time.sleep(0.005)
            assert run._log.metric_count() == 0
