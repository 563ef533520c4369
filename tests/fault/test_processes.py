"""Forks, children of every kind, two processes on one root: nothing is mixed, nothing is lost, nobody waits for ever."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fault.conftest import Start

import reticent
from reticent.records import RunStatus


def test_two_processes_on_one_root(root: Path, start: Start) -> None:
    code = """
        import reticent, sys
        for number in range(5):
            with reticent.start_run("run", tags={{"process": "{who}"}}):
                for step in range(1000):
                    reticent.log_metric("loss", float(step), step=step)
    """
    processes = [start(code.format(who=who), wait=False) for who in "ab"]
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (0, "")
    runs = reticent.search_runs()
    assert sorted(run.tags["process"] for run in runs) == ["a"] * 5 + ["b"] * 5
    assert all(len(run.metric_history("loss")) == 1000 for run in runs)


@pytest.mark.parametrize("ending", ["os._exit(0)", "sys.exit(0)", "pass"])
def test_a_forked_child_logs_to_the_run_in_files_of_its_own(ending: str, root: Path, start: Start) -> None:
    process = start(
        f"""
        import os, reticent, sys
        def main():
            with reticent.start_run("r", run_id="r"):
                for step in range(100):
                    reticent.log_metric("parent", float(step), step=step)
                child = os.fork()
                for step in range(100, 200):
                    reticent.log_metric("parent" if child else "child", float(step), step=step)
                if child == 0:
                    reticent.log_param("from_child", 1)
                    {ending}
                    return
                os.waitpid(child, 0)
                reticent.log_param("from_parent", 1)
        main()
        """,
        wait=False,
    )
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    run = reticent.get_run("r")
    assert run.status is RunStatus.FINISHED
    assert [metric.step for metric in run.metric_history("parent")] == list(range(200))
    assert [metric.step for metric in run.metric_history("child")] == list(range(100, 200))
    assert set(run.params) == {"from_child", "from_parent"}
    assert len(list((root / "runs" / "r").glob("*.events"))) == 2


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_runs_of_multiprocessing_children_end_and_arrive(method: str, root: Path, start: Start) -> None:
    process = start(
        f"""
        import multiprocessing, reticent
        def train(number):
            reticent.start_run(f"child {{number}}")
            reticent.log_metric("loss", float(number), step=0)
        if __name__ == "__main__":
            context = multiprocessing.get_context("{method}")
            children = [context.Process(target=train, args=(number,)) for number in range(3)]
            for child in children:
                child.start()
            for child in children:
                child.join()
                assert child.exitcode == 0
        """,
        wait=False,
    )
    _, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, "")
    runs = reticent.search_runs()
    assert sorted((run.name, run.status.value) for run in runs) == [(f"child {n}", "FINISHED") for n in range(3)]


POOLS = {
    "spawn": "multiprocessing.get_context('spawn').Pool(2)",
    "forkserver": "multiprocessing.get_context('forkserver').Pool(2)",
    "fork, before the run": "multiprocessing.get_context('fork').Pool(2)",
    "futures": "concurrent.futures.ProcessPoolExecutor(2, mp_context=multiprocessing.get_context('spawn'))",
    "loky": "joblib.externals.loky.get_reusable_executor(max_workers=2)",
}


@pytest.mark.parametrize("pool", POOLS.values(), ids=POOLS)
def test_what_workers_log_belongs_to_the_run_that_is_open_where_they_were_started(
    pool: str, root: Path, start: Start
) -> None:
    """The same workers work for one run after the other, then for none."""
    process = start(
        f"""
        import concurrent.futures, joblib, multiprocessing, os, reticent
        def work(number):
            reticent.log_metric("m", float(number), step=number)
            if number == 9:
                with reticent.start_run("explicit"):
                    pass
        if __name__ == "__main__":
            pool = {pool}
            for name in "ab":
                with reticent.start_run(name, run_id=name, experiment="of " + name):
                    with reticent.start_run("inner", run_id=name * 2):
                        list(pool.map(work, range(10)))
            list(pool.map(work, range(10)))
            if hasattr(pool, "shutdown"):
                pool.shutdown()
            else:
                pool.close()
                pool.join()
        """,
        wait=False,
    )
    _, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, "")
    runs = reticent.search_runs()
    assert {run.status for run in runs} == {RunStatus.FINISHED}
    for outer, experiment in (("aa", "of a"), ("bb", "of b"), (None, "default")):
        inside = [run for run in runs if run.parent_id == outer and run.run_id not in ("a", "b")]
        assert sum(run.name == "explicit" for run in inside) == 1
        points = [point.step for run in inside for point in run.metric_history("m")]
        assert sorted(points) == list(range(10))
        assert {run.experiment for run in inside} == {experiment}
    assert not list((root / "open").iterdir())


def test_workers_of_a_process_with_unrelated_runs_take_none_of_them(root: Path, start: Start) -> None:
    process = start(
        """
        import contextvars, multiprocessing, reticent
        def work():
            reticent.log_metric("m", 1.0)
        if __name__ == "__main__":
            for name in "ab":
                contextvars.Context().run(reticent.start_run, name)
            worker = multiprocessing.get_context("spawn").Process(target=work)
            worker.start()
            worker.join()
        """,
        wait=False,
    )
    _, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, "")
    runs = reticent.search_runs()
    assert len(runs) == 3
    assert [run.parent_id for run in runs] == [None] * 3


def test_a_program_that_a_run_starts_is_no_worker(root: Path, start: Start) -> None:
    process = start(
        """
        import reticent, subprocess, sys
        with reticent.start_run():
            subprocess.run([sys.executable, "-c", "import reticent; reticent.log_metric('m', 1.0)"], check=True)
        """,
        wait=False,
    )
    assert process.communicate(timeout=60)[1] == ""
    assert [run.parent_id for run in reticent.search_runs()] == [None, None]


def test_what_one_process_left_the_next_one_delivers(root: Path, start: Start) -> None:
    left = start(
        "import reticent\nwith reticent.start_run('left', run_id='left'):\n reticent.log_metric('m', 1.0)",
        wait=False,
        RETICENT_BACKENDS="",
    )
    left.communicate(timeout=60)
    database = root / "reticent.db"
    assert not database.exists()
    following = start("import reticent\nreticent.start_run('next').end()\nassert reticent.flush(20)", wait=False)
    assert following.communicate(timeout=60)[1] == ""
    import sqlite3

    connection = sqlite3.connect(database)
    names = connection.execute("SELECT name FROM run ORDER BY name").fetchall()
    connection.close()
    assert names == [("left",), ("next",)]


def test_threads_share_the_only_open_run(root: Path) -> None:
    import threading

    with reticent.start_run("r") as run:
        threads = [
            threading.Thread(target=lambda n=n: [reticent.log_metric("m", float(s), step=s) for s in range(n, 4000, 4)])
            for n in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    (stored,) = reticent.search_runs()
    assert stored.run_id == run.run_id
    assert [metric.step for metric in stored.metric_history("m")] == list(range(4000))


def test_the_exit_code_of_a_child_is_its_own(root: Path, start: Start) -> None:
    process = start(
        """
        import os, reticent, sys
        reticent.start_run("r", run_id="r")
        child = os.fork()
        if child == 0:
            sys.exit(5)
        _, status = os.waitpid(child, 0)
        sys.exit(os.waitstatus_to_exitcode(status) + 1)
        """,
        wait=False,
    )
    process.communicate(timeout=60)
    assert process.returncode == 6
    assert reticent.get_run("r").status is RunStatus.KILLED


FORKS = {
    "process": """
            process = multiprocessing.get_context("fork").Process(target=work)
            process.start()
            process.join()
    """,
    "executor": """
            context = multiprocessing.get_context("fork")
            with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as executor:
                executor.submit(work).exception()
    """,
    "os.fork": """
            child = os.fork()
            if child == 0:
                work()
                sys.exit(0)
            os.waitpid(child, 0)
    """,
    "process of a process": """
            def between():
                inner = multiprocessing.get_context("fork").Process(target=work)
                inner.start()
                inner.join()
            process = multiprocessing.get_context("fork").Process(target=between)
            process.start()
            process.join()
    """,
    "os.fork in a process": """
            def between():
                child = os.fork()
                if child == 0:
                    work()
                    sys.exit(0)
                os.waitpid(child, 0)
            process = multiprocessing.get_context("fork").Process(target=between)
            process.start()
            process.join()
    """,
}


@pytest.mark.parametrize("fork", FORKS.values(), ids=FORKS)
@pytest.mark.parametrize("parent", ["open", "ended"])
def test_a_forked_child_of_a_process_that_has_logged_ends_as_one_of_its_own(
    parent: str, fork: str, root: Path, start: Start
) -> None:
    """Its run that nobody has ended ends, and what waits to be sealed, of its parent's run too, is."""
    process = start(
        f"""
        import concurrent.futures, multiprocessing, os, reticent, sys
        from reticent import closing, sessions

        def told(sessions, original=closing.close):
            with open({str(root / "closed")!r}, "a") as file:
                file.write(f"{{os.getpid()}} ")
            original(sessions)
        closing.close = told

        LARGE = "line\\n" * 300_000 + "password=Kz9-only-here-1!"

        def work():
            reticent.log_text(LARGE, "of the parent.txt")
            reticent.start_run("child", run_id="child", nested=False)
            reticent.log_text(LARGE, "large.txt")
            reticent.log_metric("m", 1.0)

        if __name__ == "__main__":
            outer = reticent.start_run("parent", run_id="parent")
            if {parent == "ended"}:
                outer.end()
            # What its parent does not look at, before that one ends as well.
            {fork}
            assert not list(sessions.current().root.glob("runs/*/staging/*"))
            assert sessions.current().root.joinpath("runs/child/artifacts/large.txt").exists()
            outer.end()
        """,
        wait=False,
    )
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    child = reticent.get_run("child")
    assert (child.status, child.metrics) == (RunStatus.FINISHED, {"m": 1.0})
    assert [one.path for one in child.artifacts()] == ["large.txt"]
    assert reticent.get_run("parent").status is RunStatus.FINISHED
    assert len(set((root / "closed").read_text().split())) == len((root / "closed").read_text().split()) >= 2


@pytest.mark.parametrize("opens", ["", "reticent.start_run('parent', run_id='parent')"], ids=["none", "open"])
def test_the_error_that_ends_a_forked_child_is_that_of_its_run(opens: str, root: Path, start: Start) -> None:
    process = start(
        f"""
        import multiprocessing, os, reticent, sys
        def work():
            reticent.start_run("child", run_id="child")
            raise ValueError("no such layer")
        if __name__ == "__main__":
            reticent.start_run("before").end()
            {opens}
            process = multiprocessing.get_context("fork").Process(target=work)
            process.start()
            process.join()
            sys.exit(process.exitcode - 1)
        """,
        wait=False,
    )
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    child = reticent.get_run("child")
    assert child.status is RunStatus.FAILED
    assert (child.error or "").rstrip().endswith("ValueError: no such layer")
    assert {run.status for run in reticent.search_runs() if run.run_id != "child"} == {RunStatus.FINISHED}


def test_the_end_of_a_forked_child_that_logs_nothing_is_not_ours(root: Path, start: Start) -> None:
    process = start(
        """
        import multiprocessing, os, reticent
        def work():
            from reticent import closing
            closing.close = None
        if __name__ == "__main__":
            with reticent.start_run("parent"):
                process = multiprocessing.get_context("fork").Process(target=work)
                process.start()
                process.join()
        """,
        wait=False,
    )
    assert process.communicate(timeout=60)[1] == ""
