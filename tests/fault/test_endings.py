"""However training ends, its run says so, and the process ends as it would have without us."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import msgspec
import pytest
from tests.fault.conftest import Start

import reticent
from reticent.backends.sqlite.stored import StoredRun
from reticent.records import RunStatus


def ended(process: subprocess.Popen[str]) -> tuple[int, str, StoredRun]:
    _, errors = process.communicate(timeout=60)
    (run,) = reticent.search_runs()
    return process.returncode, errors, run


WITH = """
    import reticent, sys, time
    with reticent.start_run("r"):
        reticent.log_metric("loss", 0.5, step=1)
        {body}
"""
PLAIN = """
    import reticent, sys, time
    reticent.start_run("r")
    reticent.log_metric("loss", 0.5, step=1)
    {body}
"""


@pytest.mark.parametrize("form", [WITH, PLAIN], ids=["with", "plain"])
@pytest.mark.parametrize(
    ("body", "code", "status"),
    [
        ("pass", 0, RunStatus.FINISHED),
        ("sys.exit(0)", 0, RunStatus.FINISHED),
        ("sys.exit(3)", 3, RunStatus.KILLED),
        ("raise ValueError('no such layer')", 1, RunStatus.FAILED),
        ("raise KeyboardInterrupt", -signal.SIGINT, RunStatus.KILLED),
    ],
)
def test_the_end_of_the_script_is_the_status(
    form: str, body: str, code: int, status: RunStatus, root: Path, start: Start
) -> None:
    returned, errors, run = ended(start(form.format(body=body), wait=False))
    assert (returned, run.status) == (code, status)
    assert run.metrics == {"loss": 0.5}
    assert run.end_time is not None
    if status is RunStatus.FAILED:
        assert "ValueError: no such layer" in errors
        assert run.error is not None
        assert "ValueError: no such layer" in run.error
    assert "reticent" not in errors.replace("reticent.start_run", "")


@pytest.mark.parametrize("form", [WITH, PLAIN], ids=["with", "plain"])
@pytest.mark.parametrize(
    "work",
    ["time.sleep(60)", "__import__('threading').Lock().__enter__() and __import__('ctypes').CDLL(None).sleep(60)"],
    ids=["python", "native"],
)
def test_sigterm_ends_at_once_with_its_own_status(form: str, work: str, root: Path, start: Start) -> None:
    process = start(form.format(body=f"ready(); {work}"))
    process.terminate()
    returned, errors, run = ended(process)
    assert returned == -signal.SIGTERM
    assert run.status is RunStatus.KILLED
    assert run.metrics == {"loss": 0.5}
    assert errors == ""


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize(
    ("body", "code", "status"),
    [
        ("raise ValueError('no such layer')", 1, RunStatus.FAILED),
        ("sys.exit(0)", 0, RunStatus.FINISHED),
        ("sys.exit(3)", 3, RunStatus.KILLED),
    ],
)
def test_the_end_of_a_worker_process_is_the_status(
    method: str, body: str, code: int, status: RunStatus, root: Path, start: Start
) -> None:
    script = f"""
    import multiprocessing, reticent, sys

    def work():
        reticent.start_run("r")
        reticent.log_metric("loss", 0.5, step=1)
        {body}

    if __name__ == "__main__":
        process = multiprocessing.get_context("{method}").Process(target=work)
        process.start()
        process.join()
        sys.exit(process.exitcode)
    """
    returned, _, run = ended(start(script, wait=False))
    assert (returned, run.status) == (code, status)
    assert ("ValueError: no such layer" in (run.error or "")) == (status is RunStatus.FAILED)
    assert (run.error is None) == (status is RunStatus.FINISHED)


LOOP = """
    import reticent, sys, threading, torch
    reticent.autolog()

    def train(error):
        model = torch.nn.Linear(3, 2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for step in range(5):
            optimizer.zero_grad()
            model(torch.ones(4, 3)).pow(2).mean().backward()
            optimizer.step()
            if step == 3:
                error()

    def fail():
        raise ValueError("no such layer")

    {body}
"""


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("train(fail)", 1),
        ("thread = threading.Thread(target=train, args=(fail,)); thread.start(); thread.join()", 0),
        (
            """try:
        train(fail)
    except Exception as error:
        print("failed:", error)
        sys.exit(4)""",
            4,
        ),
    ],
    ids=["script", "thread", "sys.exit in a handler"],
)
def test_the_error_that_ends_a_plain_loop_is_that_of_its_run(body: str, code: int, root: Path, start: Start) -> None:
    returned, _, run = ended(start(LOOP.format(body=body), wait=False))
    assert returned == code
    assert run.status is RunStatus.FAILED
    assert run.error is not None
    assert ", in train\n" in run.error
    assert run.error.rstrip().endswith("ValueError: no such layer")
    assert "loss" in run.metrics
    assert run.models() == []


def test_a_hook_for_threads_that_somebody_has_set_since_hides_no_error(root: Path, start: Start) -> None:
    body = """for _ in range(2):
        train(lambda: None)
        threading.excepthook = lambda args: print("theirs saw", args.exc_value)
    thread = threading.Thread(target=train, args=(fail,)); thread.start(); thread.join()"""
    process = start(LOOP.format(body=body), wait=False)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output, errors) == (0, "theirs saw no such layer\n", "")
    runs = sorted(reticent.search_runs(), key=lambda run: run.start_time)
    assert [run.status for run in runs] == [RunStatus.FINISHED, RunStatus.FINISHED, RunStatus.FAILED]
    assert (runs[-1].error or "").rstrip().endswith("ValueError: no such layer")


HOOKS = {
    "one that goes on to Python's": """
        def theirs(*args):
            print("theirs saw", args[1])
            sys.__excepthook__(*args)
        sys.excepthook = theirs
    """,
    "one that goes on to what it found": """
        def theirs(*args, found=sys.excepthook):
            print("theirs saw", args[1])
            found(*args)
        sys.excepthook = theirs
    """,
    "one that is set for every run": """
        def install():
            if sys.excepthook is not theirs:
                theirs.found = sys.excepthook
                sys.excepthook = theirs
        def theirs(*args):
            print("theirs saw", args[1])
            theirs.found(*args)
        install()
        reticent.start_run("between").end()
        install()
    """,
}


@pytest.mark.parametrize("hook", HOOKS.values(), ids=HOOKS)
def test_a_hook_that_somebody_has_set_since_is_called_once(hook: str, root: Path, start: Start) -> None:
    process = start(
        f"""
        import reticent, sys
        reticent.start_run("first").end()
        {hook}
        reticent.start_run("second").end()
        hook = sys.excepthook
        reticent.start_run("third").end()
        assert sys.excepthook is hook
        reticent.start_run("last", run_id="last")
        raise ValueError("no such layer")
        """,
        wait=False,
    )
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (1, "theirs saw no such layer\n")
    assert errors.count("Traceback") == errors.count("ValueError: no such layer") == 1
    assert reticent.get_run("last").status is RunStatus.FAILED


@pytest.mark.parametrize(
    "script",
    [WITH.format(body="ready(); sleep()"), LOOP.format(body="train(lambda: (ready(), sleep()))")],
    ids=["in a with block", "in a plain loop"],
)
def test_ctrl_c_in_training(root: Path, start: Start, script: str) -> None:
    process = start(script)
    process.send_signal(signal.SIGINT)
    returned, errors, run = ended(process)
    assert returned == -signal.SIGINT
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert "reticent" not in errors
    assert run.status is RunStatus.KILLED
    assert "loss" in run.metrics


def test_ctrl_c_after_a_training_whose_model_is_finished_at_the_end(root: Path, start: Start) -> None:
    """What is imported for that makes Python forget what its exit code is to be."""
    process = start("""
        import reticent
        reticent.autolog()
        from sklearn.linear_model import LogisticRegression
        LogisticRegression().fit([[1], [2]], [0, 1])
        ready()
        sleep()
    """)
    process.send_signal(signal.SIGINT)
    returned, errors, run = ended(process)
    assert returned == -signal.SIGINT
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert (run.status, len(run.models())) == (RunStatus.FINISHED, 1)


KERAS = """
    import numpy, reticent
    reticent.autolog()
    import keras
    X, Y = numpy.ones((8, 4), "float32"), numpy.ones((8, 1), "float32")

    class Waiting(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                ready()
                sleep()

    def train():
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        {body}

    train()
"""


@pytest.mark.parametrize("backend", ["tensorflow", "torch"])
@pytest.mark.parametrize(
    "body",
    [
        "model.fit(X, Y, epochs=4, verbose=0, callbacks=[Waiting()])",
        "model.train_on_batch(X, Y); model.train_on_batch(X, Y); ready(); sleep()",
    ],
    ids=["fit", "train_on_batch"],
)
def test_ctrl_c_in_a_training_of_keras(body: str, backend: str, root: Path, start: Start) -> None:
    process = start(KERAS.format(body=body), KERAS_BACKEND=backend, TF_CPP_MIN_LOG_LEVEL="3")
    process.send_signal(signal.SIGINT)
    returned, errors, run = ended(process)
    assert returned == -signal.SIGINT
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert run.status is RunStatus.KILLED
    assert run.error is not None
    assert ", in train\n" in run.error
    assert len(run.metric_history("loss")) == 2
    assert run.models() == []


def test_a_handler_of_the_users_for_sigterm_is_left_alone(root: Path, start: Start) -> None:
    process = start("""
        import reticent, signal, sys, time
        def handler(number, frame):
            sys.exit(7)
        signal.signal(signal.SIGTERM, handler)
        with reticent.start_run("r"):
            assert signal.getsignal(signal.SIGTERM) is handler
            ready()
            sleep()
    """)
    process.terminate()
    returned, errors, run = ended(process)
    assert (returned, errors, run.status) == (7, "", RunStatus.KILLED), errors


def test_a_secret_in_a_traceback_is_sealed(root: Path, start: Start) -> None:
    token = "ghp_" + "a1B2" * 9
    process = start(WITH.format(body=f"raise ValueError('denied for ' + '{token[:8]}' + '{token[8:]}')"), wait=False)
    _, errors, run = ended(process)
    assert token in errors
    assert run.error is not None
    assert "ValueError: denied for" in run.error
    assert token not in run.error
    assert token.encode() not in b"".join(file.read_bytes() for file in root.rglob("*") if file.is_file())


def test_a_traceback_leads_from_the_script_to_the_error(root: Path, start: Start) -> None:
    process = start(
        """
        import reticent
        reticent.autolog()
        from sklearn.linear_model import LogisticRegression

        def train():
            LogisticRegression().fit([[1], [2]], [1])

        try:
            train()
        except ValueError as first:
            with reticent.start_run("second"):
                raise RuntimeError("no way") from first
        """,
        wait=False,
    )
    _, errors = process.communicate(timeout=60)
    stored = {run.name: run.error or "" for run in reticent.search_runs()}
    lines = stored["LogisticRegression"].splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert [line.rpartition(", in ")[2] for line in lines if line.startswith("  File")][:2] == ["<module>", "train"]
    assert lines[-1] in errors
    assert stored["second"].splitlines()[-1] == "RuntimeError: no way"
    for error in stored.values():
        assert ", in train\n" in error
        assert "hooking.py" not in error


def test_an_error_that_a_console_shows_and_goes_on_after_is_not_the_end(root: Path, start: Start) -> None:
    process = start(
        """
        import code
        cells = [
            "import reticent",
            "reticent.start_run('before')",
            "1/0",
            "reticent.end_run()",
            "reticent.start_run('after')",
            "reticent.log_metric('m', 1.0)",
        ]
        console = code.InteractiveConsole()
        for cell in cells:
            console.push(cell)
        """,
        wait=False,
    )
    _, errors = process.communicate(timeout=60)
    assert "ZeroDivisionError" in errors
    assert {run.name: run.status for run in reticent.search_runs()} == {
        "before": RunStatus.FINISHED,
        "after": RunStatus.FINISHED,
    }


@pytest.mark.parametrize("backend", ["tensorboard", "parquet"])
def test_a_script_that_ends_at_once_still_imports_what_its_backend_needs(
    backend: str, root: Path, start: Start
) -> None:
    """What some of that imports cannot be imported for the first time while a process ends."""
    process = start(PLAIN.format(body=""), wait=False, RETICENT_BACKENDS=backend)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    (told,) = (root / "delivery").glob(f"{backend}-*/*.json")
    assert msgspec.json.decode(told.read_bytes())["complete"]


def test_a_temporary_directory_that_work_needs_is_there_until_the_end(root: Path, start: Start) -> None:
    """Python removes those that are left when it ends, which is before our end if it was told of the first one later."""
    process = start(
        """
        import pathlib, reticent, tempfile, threading, time
        run = reticent.start_run("r")
        begun = threading.Event()
        def work():
            with tempfile.TemporaryDirectory() as place:
                begun.set()
                while not run._recorder.ended:
                    time.sleep(0.01)
                pathlib.Path(place, "file").write_text("there")
        run.in_background("checkpoints", work)
        begun.wait()
        """,
        wait=False,
    )
    _, errors, run = ended(process)
    assert errors == ""
    assert run.health.state == "ok"
