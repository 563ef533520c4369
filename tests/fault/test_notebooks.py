"""Plain loops in the cells of a notebook, whose errors IPython shows without ending the process."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fault.conftest import Start

import reticent
from reticent.backends.sqlite.stored import StoredRun
from reticent.records import RunStatus

pytest.importorskip("IPython", reason="IPython is not installed")

SHELL = """
    from IPython.core.interactiveshell import InteractiveShell
    shell = InteractiveShell.instance()

    def cell(code):
        shell.run_cell(code, store_history=True)

    cell('''
    import os, reticent, signal, torch
    reticent.autolog()

    def made():
        model = torch.nn.Linear(3, 2)
        return model, torch.optim.SGD(model.parameters(), lr=0.1)

    def loop(model, optimizer):
        for _ in range(3):
            optimizer.zero_grad()
            model(torch.ones(4, 3)).pow(2).mean().backward()
            optimizer.step()

    def fail():
        trained = made()
        loop(*trained)
        raise ValueError("no such layer")

    def stop():
        os.kill(os.getpid(), signal.SIGINT)
    ''')
"""


def runs(start: Start, *cells: str) -> list[StoredRun]:
    """What comes of these cells, the oldest first."""
    code = SHELL + "".join(f"    cell({cell!r})\n" for cell in cells)
    output, errors = start(code, wait=False, IPYTHONDIR="ipython").communicate(timeout=100)
    assert "Error in callback" not in output + errors
    return list(reversed(reticent.search_runs()))


def test_the_error_of_a_cell_is_that_of_its_loop(start: Start) -> None:
    failed, stopped, done, later = runs(
        start,
        "fail()",
        "trained = made()\nloop(*trained)\nstop()",
        "done = made()\nloop(*done)",
        "no_such_name",
        "import sys\nsys.exit(3)",
        "reticent.start_run('later')",
    )
    assert failed.status is RunStatus.FAILED
    assert failed.error is not None
    assert ", in fail\n" in failed.error
    assert failed.error.rstrip().endswith("ValueError: no such layer")
    assert (stopped.status, stopped.models()) == (RunStatus.KILLED, [])
    assert "KeyboardInterrupt" in (stopped.error or "")
    # The errors of other cells are none of this one's, nor does `sys.exit` end a notebook.
    assert (done.status, done.error, len(done.models())) == (RunStatus.FINISHED, None, 1)
    assert (later.status, later.parent_id) == (RunStatus.FINISHED, None)


def test_a_loop_that_was_stopped_goes_on_in_its_run_and_what_follows_does_not(start: Start) -> None:
    loop, again, fit = runs(
        start,
        "trained = made()\nloop(*trained)\nstop()",
        "loop(*trained)\nstop()",
        "loop(*trained)",
        "trained = made()\nloop(*trained)\nstop()",
        "loop(*trained)",
        "from sklearn.linear_model import LogisticRegression\nLogisticRegression().fit([[1], [2]], [0, 1])",
    )
    for run, steps in ((loop, "9"), (again, "6")):
        assert (run.status, run.params["steps"], len(run.models())) == (RunStatus.FINISHED, steps, 1)
    assert (fit.name, fit.parent_id) == ("LogisticRegression", None)


def test_the_error_of_a_script_that_a_cell_runs_is_that_of_its_loop(start: Start, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    loop = """
import sys, torch
model = torch.nn.Linear(3, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(3):
    model(torch.ones(4, 3)).pow(2).mean().backward()
    optimizer.step()
"""
    ends = ["sys.exit(0)", "raise ValueError('no such layer')", "sys.exit(3)"]
    for number, end in enumerate(ends):
        script.with_name(f"train_{number}.py").write_text(loop + end)
    done, failed, exited, after = runs(
        start,
        "no_such_name",  # before there is a run
        *(f"%run {script.with_name(f'train_{number}.py')}" for number in range(len(ends))),
        "trained = made()\nloop(*trained)",
    )
    assert failed.status is RunStatus.FAILED
    assert "train_1.py" in (failed.error or "")
    assert (failed.error or "").rstrip().endswith("ValueError: no such layer")
    assert exited.status is RunStatus.KILLED
    assert (done.status, after.status) == (RunStatus.FINISHED, RunStatus.FINISHED)


def test_another_ipython_is_not_in_the_way(start: Start) -> None:
    process = start(
        """
        import sys, types
        sys.modules["IPython"] = types.ModuleType("IPython")
        import reticent
        with reticent.start_run("r"):
            reticent.log_metric("loss", 0.5)
        """,
        wait=False,
    )
    assert process.communicate(timeout=60) == ("", "")
    (run,) = reticent.search_runs()
    assert (run.status, run.health.state) == (RunStatus.FINISHED, "ok")
