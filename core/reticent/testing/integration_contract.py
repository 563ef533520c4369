"""What every integration promises, as tests to inherit. Give the class an integration, an example of its calls, and run it.

class TestXGBoost(IntegrationContract):
    integration = integration
    code = "import numpy; xgboost.train({}, xgboost.DMatrix(numpy.eye(4), [0, 1, 0, 1]), 2)"

    def call(self):
        return ExampleCall(xgboost.train, {"params": {"seed": 0}, "dtrain": make_data(), "callbacks": []}, ("callbacks",))

    def failing_call(self, error):
        def objective(predictions, data): raise error
        return ExampleCall(xgboost.train, {"params": {}, "dtrain": make_data(), "obj": objective})

    def outcome(self, returned):
        return bytes(returned.save_raw())
"""

from __future__ import annotations

import copy
import gc
import inspect
import pickle
import subprocess
import sys
import threading
import traceback
import weakref
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

import reticent
from reticent import guard
from reticent.patching import Call, Patch
from reticent.patching.integration import function_of, hooks_of
from reticent.testing.canary import CANARY, VARIABLE, find
from reticent.testing.captured import Captured, captured
from reticent.testing.comparing import state
from reticent.testing.copies_contract import CopiesContract
from reticent.testing.example import PASSED
from reticent.testing.options_contract import OptionsContract
from reticent.testing.targets import PLANTED, enabled_with, functions, owners

SECRET = "ghp_" + "R7mK2pQ9" * 4 + "xW4t"
"""Shaped like a token, made up."""

ORDERS = {
    "framework first": "import enable disable ignored enable enable captured disable ignored",
    "autolog first": "enable import captured enable captured disable ignored enable captured",
    "disabled before the import": "enable disable import ignored enable captured",
}
"""What a process does, one after the other; a training of it is captured or ignored. A new process for each of the shorter
orders that these go through would spend its time importing the framework."""

COUNTED = """
found = len(list(Path(os.environ["RETICENT_DIR"], "runs").glob("*")))
assert found == {runs}, f"{{found}} runs and not {runs} after: {steps}"
"""


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
class IntegrationContract(OptionsContract, CopiesContract):
    """All that is promised. What an example must say of itself is in `IntegrationExample`."""

    @pytest.mark.parametrize("order", ORDERS)
    def test_orders_of_import_and_autolog(self, order: str, tmp_path: Path, root: Path) -> None:
        module = self.integration.module
        lines = {
            "import": f"assert {module!r} not in sys.modules, 'autolog() imported the framework'\nimport {module}",
            "enable": "reticent.autolog()",
            "disable": "reticent.autolog(disable=True)",
            "captured": self.code,
            "ignored": self.code,
        }
        steps = ORDERS[order].split()
        program = ["import os, sys, reticent\nfrom pathlib import Path"]
        for number, step in enumerate(steps, 1):
            runs = steps[:number].count("captured") * self.runs
            program += [lines[step], COUNTED.format(runs=runs, steps=" ".join(steps[:number]))]
        command = [sys.executable, "-c", "\n".join(program)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=120)  # noqa: S603
        assert done.returncode == 0, done.stderr.decode()
        found = captured(root)
        assert len(found) == runs
        assert {run.status for run in found} <= {"FINISHED"}
        assert all(run.tags.get("autologging") == self.integration.name for run in found)

    def test_hooks_are_there_by_their_names(self) -> None:
        """A training would not tell: it goes on without a hook that cannot be imported."""
        for patch in self.integration.patches:
            for hook in hooks_of(patch):
                function = function_of(hook)
                assert inspect.isgeneratorfunction(function) == isinstance(patch, Patch), (patch.target, hook)

    def test_disabling_leaves_every_owner_as_it_was(self) -> None:
        self.train()  # frameworks import parts of themselves on first use
        before = {id(owner): (owner, dict(vars(owner))) for owner in owners(self.integration)}
        self.enable()
        changed = [name for owner, names in before.values() for name in names if vars(owner)[name] is not names[name]]
        assert changed, "nothing is patched while autologging is on"
        self.train()
        reticent.autolog(disable=True)
        for owner, names in before.values():
            now = dict(vars(owner))
            now.pop("__slotnames__", None)  # Python's own note, of the first time that an instance is pickled
            if "__annotations__" not in names and not now.get("__annotations__"):
                now.pop("__annotations__", None)  # another one, of the first time that somebody looks for them
            assert list(now) == [name for name in names if name != "__slotnames__"], owner
            assert [name for name in now if now[name] is not names[name]] == [], owner

    def test_patched_functions_are_known_by_what_they_wrap(self) -> None:
        originals = list(functions(self.integration))
        self.enable()
        now = {(id(owner), name): function for owner, name, function in functions(self.integration)}
        for owner, name, original in originals:
            patched = now[id(owner), name]  # there may be more by now: what works in the background imports modules
            assert patched is not original, (owner, name)
            moved = patched.__module__ != original.__module__
            if moved:  # the original is still found where it says that it is, by what was given it before
                assert (patched.__module__, original.__module__.rpartition(".")[2][0]) == (owner.__name__, "_")
                assert pickle.loads(pickle.dumps(original)) is original  # noqa: S301 - made here
                assert cloudpickle.loads(cloudpickle.dumps(original)) is original
            for what in ("__name__", "__qualname__", "__doc__", "__defaults__"):
                assert getattr(patched, what, None) == getattr(original, what, None) or what == "__defaults__"
            # As text: a default that is NaN equals nothing.
            assert str(inspect.signature(patched)) == str(inspect.signature(original))
            if not hasattr(original, "__wrapped__"):  # of a wrapper of the framework's own this tells less than of ours
                assert str(inspect.getfullargspec(patched)) == str(inspect.getfullargspec(original))
            assert copy.deepcopy(patched) is patched
            with suppress(pickle.PicklingError, AttributeError):
                # What pickles by reference has the same pickle, or one of the original, without Reticent too.
                setting = pickle.dumps(patched), cloudpickle.dumps(patched)
                assert pickle.loads(setting[0]) is patched  # noqa: S301 - made one line before
                assert cloudpickle.loads(setting[1]) is patched
                reticent.autolog(disable=True)
                if moved:
                    assert [pickle.loads(pickled) for pickled in setting] == [original] * 2  # noqa: S301 - made here
                else:
                    assert setting == (pickle.dumps(original), cloudpickle.dumps(original))
                self.enable()

    def test_training_is_captured(self, root: Path) -> None:
        self.enable()
        self.train()
        found = captured(root)
        assert len(found) == self.runs
        for run in found:
            assert run.status == "FINISHED"
            assert run.tags["autologging"] == self.integration.name
            assert run.params
            assert run.models
            assert run.warnings == []
        assert reticent.active_run() is None

    @pytest.mark.parametrize("passed", PASSED)
    def test_result_and_arguments_are_the_same_with_and_without(self, passed: str) -> None:
        calls = []
        for enable in (False, True):
            if enable:
                self.enable()
            call = self.call()
            calls.append((self.outcome(PASSED[passed](call)), state(call.arguments)))
        assert calls[0][0] == calls[1][0], "the result is another one with autologging"
        assert calls[0][1] == calls[1][1], "the training left its arguments in another state with autologging"

    def test_second_training_is_captured_like_the_first(self, root: Path) -> None:
        self.enable()
        self.train()
        self.train()
        found = captured(root)
        assert len(found) == 2 * self.runs
        assert _form(found[: self.runs]) == _form(found[self.runs :])

    def test_trainings_join_the_users_run(self, root: Path) -> None:
        self.enable()
        with reticent.start_run() as run:
            self.train()
            assert run.status.value == "RUNNING"
            self.train()
        own = next(found for found in captured(root) if found.run_id == run.run_id)
        assert own.warnings == [], "the second training's names are not kept apart from the first one's"
        self.train()
        alone = captured(root)[-self.runs]
        assert len(own.params) == 2 * len(alone.params)
        assert len(own.metrics) == 2 * len(alone.metrics)
        assert len(own.models) == 2 * len(alone.models)

    def test_trainings_in_threads_are_runs_of_their_own(self, root: Path) -> None:
        alone = self.train()
        self.enable()
        self.train()
        together = threading.Barrier(4)

        def train(_: int) -> object:
            together.wait(30)
            return self.train()

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(train, range(4))) == [alone] * 4
        first, *others = [captured(root)[number :: self.runs] for number in range(self.runs)]
        assert len(first) == 5
        for runs in (first, *others):
            assert [_form([run]) for run in runs] == [_form([runs[0]])] * 5

    def test_users_error_is_the_same_object_with_one_frame_of_ours(self) -> None:
        plain = self._fail(ValueError("of the user's"))
        self.enable()
        frames = self._fail(ValueError("of the user's"))
        hook = function_of(hooks_of(self.integration.patches[0])[0])
        homes = {Path(reticent.__file__).parent, Path(inspect.getfile(hook)).parent}
        ours = [frame for frame in frames if homes & set(Path(frame[0]).parents)]
        assert ours, "the example calls nothing that is patched"
        assert [frame for frame in frames if frame not in ours] == plain
        for before, after in pairwise(frames):
            assert before not in ours or after not in ours, f"two frames of ours for one call: {before}, {after}"

    def _fail(self, error: BaseException) -> list[tuple[str, str, int | None]]:
        """The frames that a training's error came through, below this one, after looking at the error itself."""
        call = self.failing_call(error)
        with pytest.raises(type(error)) as raised:
            call.function(**call.arguments)
        assert raised.value is error
        assert error.__cause__ is None
        assert error.__context__ is None, "the user would read 'During handling of the above exception...'"
        return [(frame.filename, frame.name, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)[1:]]

    def test_failed_training_is_a_failed_run(self, root: Path) -> None:
        self.enable()
        self._fail(RuntimeError(f"no access with {SECRET}"))
        (run,) = captured(root)
        assert run.status == "FAILED"
        assert run.error is not None
        assert "RuntimeError: no access with" in run.error
        leaks = [path for path in root.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
        assert leaks == []
        assert reticent.active_run() is None

    def test_no_secret_is_written(
        self,
        root: Path,
        monkeypatch: pytest.MonkeyPatch,
        capfd: pytest.CaptureFixture[str],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        monkeypatch.setattr(guard, "strict", False)
        monkeypatch.setenv(VARIABLE, CANARY.known)
        self.enable()
        with caplog.at_level("DEBUG"):
            self.call_with_secrets(CANARY).by_keyword()
            with reticent.start_run(CANARY.shaped, experiment=CANARY.known, tags={"api_key": CANARY.keyed}):
                self.call_with_secrets(CANARY).by_keyword()
            self._fail(RuntimeError(CANARY.text()))
            found = captured(root)
        printed = capfd.readouterr()
        for secret in CANARY.all():
            assert find(secret, root, [printed.out, printed.err, caplog.text]) == []
        assert "RuntimeError: api_key=[REDACTED" in str(found[-1].error), "the error is noted, without what is secret"
        assert found[0].params
        assert any("[REDACTED" in value for value in found[self.runs].tags.values())

    def test_hooks_are_not_called_when_disabled(self) -> None:
        calls: list[Call] = []

        def counting(call: Call) -> Generator[None, Any, None]:
            calls.append(call)
            yield

        before = self.call()
        with enabled_with(self.integration, lambda _: counting):
            during = self.call()
            during.by_keyword()
        assert calls, "the example calls nothing that is patched"
        calls.clear()
        before.by_keyword()
        during.by_keyword()  # kept by the user from when it was patched
        assert calls == []

    @pytest.mark.parametrize("point", PLANTED)
    @pytest.mark.parametrize("fails", [False, True], ids=["training succeeds", "training fails"])
    def test_errors_in_hooks_leave_the_training_alone(
        self, point: str, fails: bool, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(guard, "strict", False)
        plain = self._fail(ValueError("of the user's")) if fails else self.train()
        with enabled_with(self.integration, PLANTED[point]):
            if fails:
                self._fail(ValueError("of the user's"))
            else:
                assert self.train() == plain
        assert reticent.active_run() is None
        assert {run.status for run in captured(root)} <= {"FAILED" if fails else "FINISHED"}

    def test_data_is_not_kept_from_being_freed(self) -> None:
        plain = self._kept()
        self.enable()
        assert self._kept() <= plain

    def _kept(self) -> set[str]:
        """The arguments that still exist when a training and its result are gone."""
        call = self.call()
        call.by_keyword()
        references = {}
        for name, value in call.arguments.items():
            with suppress(TypeError):
                references[name] = weakref.ref(value)
        del call, value
        reticent.flush(60)
        gc.collect()
        return {name for name, reference in references.items() if reference() is not None}


def _form(runs: list[Captured]) -> list[object]:
    """What was captured, without what differs from time to time."""
    return [
        (
            run.params,
            {key: len(points) for key, points in run.metrics.items()},
            {key: value for key, value in run.tags.items() if key != "source"},
            sorted(run.artifacts),
            run.models,
            run.datasets,
        )
        for run in runs
    ]
