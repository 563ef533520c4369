"""Whatever happens to a model on its way, the training is FINISHED, its metrics are there, and nothing half is published."""

from __future__ import annotations

import json
import os
import pickle
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from sklearn.cluster import DBSCAN
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KernelDensity
from tests.fault.conftest import Start

import reticent
from reticent import aside, guard
from reticent.records import RunStatus
from reticent.testing import find

SECRET = "ghp_" + "R7mK2pQ9" * 4 + "xW4t"
child_command = aside.child_command

FLAVOR = """
from reticent.models import Flavor

def save(model, directory):
    (directory / "model.txt").write_text("as saved")
    return {"slow": {"data": "model.txt"}}

def finish(saved, finished, flavors):
    (finished / "model.txt").write_text("half")
    open(REACHED, "w").write(str(__import__("os").getpid()))
    __import__("time").sleep(600)

flavor = Flavor("slow", lambda model: False, save, lambda directory, config: None, finish=finish)
"""


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """A module `slow` with a flavour that says in this file when it is finishing a model, and never comes to an end."""
    reached = tmp_path / "reached"
    (tmp_path / "slow.py").write_text(f"REACHED = {str(reached)!r}\n{FLAVOR}")
    return reached


def wait_for(file: Path) -> int:
    """The number in a file, once it is there."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if file.exists() and file.read_text():
            return int(file.read_text())
        time.sleep(0.02)
    raise AssertionError(f"{file.name} never came")


LOGGED = """
    import os, time
    import reticent, slow
    run = reticent.start_run("r", run_id="r")
    reticent.log_metric("m", 1.0)
    run.log_model(object(), flavor=slow.flavor)
    ready()
"""


def test_killed_while_a_model_is_finished_it_is_published_as_it_was_saved(root: Path, start: Start, slow: Path) -> None:
    process = start(f"{LOGGED}\n    time.sleep(600)")
    child = wait_for(slow)
    process.kill()
    process.wait()
    os.kill(child, signal.SIGKILL)
    run = reticent.get_run("r")
    assert run.status is RunStatus.CRASHED
    assert run.artifact_path("model/model.txt").read_text() == "as saved"
    assert not list((root / "runs/r/staging").iterdir())


def test_without_the_process_that_finishes_it_is_published_as_it_was_saved(
    root: Path, start: Start, slow: Path
) -> None:
    process = start(f"{LOGGED}\n    assert reticent.flush(60)")
    os.kill(wait_for(slow), signal.SIGKILL)
    process.communicate(timeout=60)
    run = reticent.get_run("r")
    assert run.status is RunStatus.FINISHED
    assert run.artifact_path("model/model.txt").read_text() == "as saved"
    assert "finishing a model" in run.warnings()[0].message


def test_what_is_not_finished_at_the_end_is_published_by_the_next_process(root: Path, start: Start, slow: Path) -> None:
    process = start(LOGGED, RETICENT_EXIT_TIMEOUT_S="0.5")
    process.communicate(timeout=60)
    run = reticent.get_run("r")
    assert run.status is RunStatus.FINISHED
    assert run.artifact_path("model/model.txt").read_text() == "as saved"


ENDED = """
    import pathlib
    import reticent
    from reticent import aside
    from reticent_integrations.sklearn import drawing
    from sklearn.linear_model import LogisticRegression
    called = aside.Aside.call
    def call(self, function, *texts, **options):
        answer = called(self, function, *texts, **options)
        pathlib.Path("child").write_text(function.__qualname__)
        return answer
    aside.Aside.call = call
    with reticent.start_run("r", run_id="r") as run:
        run.log_model(LogisticRegression().fit([[0.0], [1.0]], [0, 1]))
        run.log_picture(drawing.confusion, {"labels": ["a"], "matrix": [[1]]}, "a.png")
    ready()
"""


def test_at_the_end_a_model_is_finished_here_and_a_picture_drawn_by_another_process(
    root: Path, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _, errors = start(ENDED).communicate(timeout=60)
    assert errors == ""
    run = reticent.get_run("r")
    assert {"model/model.skops", "a.png"} <= {file.path for file in run.artifacts()}
    assert (tmp_path / "child").read_text() == "_draw_named"
    assert (run.warnings(), run.tried_models()) == ([], [])
    assert [delivery.state for delivery in run.deliveries()] == ["complete"]


LATE = """
    import time
    import reticent
    from reticent_integrations.sklearn import drawing
    def slowly(data):
        time.sleep(3)
        return drawing.confusion(data)
    with reticent.start_run("r", run_id="r") as run:
        run.log_picture(slowly, {"labels": ["a"], "matrix": [[1]]}, "a.png")
    ready()
"""


def test_what_is_begun_at_the_end_is_not_cut_off_in_compiled_code(root: Path, start: Start) -> None:
    process = start(LATE, RETICENT_EXIT_TIMEOUT_S="2")
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert reticent.get_run("r").artifact_path("a.png").read_bytes()[:4] == b"\x89PNG"


ENDLESS = """
    import sys
    sys.path.insert(0, PLACE)
    import endless
    import reticent
    with reticent.start_run("r", run_id="r") as run:
        run.log_picture(endless.picture, {"labels": ["a"], "matrix": [[1]]}, "a.png")
    ready()
"""


def test_a_picture_that_the_child_still_draws_at_the_end_is_given_up(root: Path, start: Start, tmp_path: Path) -> None:
    (tmp_path / "endless.py").write_text("import time\ndef picture(data):\n    time.sleep(600)\n")
    process = start(ENDLESS.replace("PLACE", repr(str(tmp_path))), RETICENT_EXIT_TIMEOUT_S="1")
    _, errors = process.communicate(timeout=60)  # the child draws for ten minutes, and here nobody does
    assert process.returncode == 0
    assert "the process ended before it was done" in errors
    (warning,) = reticent.get_run("r").warnings()
    assert warning.kind == "drawing a picture"


TAKEN_BACK = """
    import time
    import reticent, slow
    from reticent.sessions import current
    slow.aside.HERE_BYTES = HERE_BYTES
    reticent.configure(try_models_mb=0)
    with reticent.start_run("r", run_id="r") as run:
        run.log_model(object(), flavor=slow.flavor)
    while not current().models.pending():
        time.sleep(0.01)
    current().models.hurry()
    while not open(slow.REACHED, "a+").tell():
        time.sleep(0.01)
    ready()
"""

FLAVOR_TAKEN_BACK = """
from reticent import aside
from reticent.models import Flavor

def save(model, directory):
    (directory / "model.txt").write_text("as saved")
    return {"slow": {"data": "model.txt"}}

def finish(saved, finished, flavors):
    open(REACHED, "a").write(str(__import__("os").getpid()))
    if aside.is_child:
        __import__("time").sleep(SLEEP)
    (finished / "model.txt").write_text("aside" if aside.is_child else "here")
    return flavors

flavor = Flavor("slow", lambda model: False, save, lambda directory, config: None, finish=finish)
"""


@pytest.mark.parametrize(("here_bytes", "sleep_s", "place"), [(64 << 20, 600, "here"), (0, 1, "aside")])
def test_the_end_takes_back_what_another_process_has_begun_unless_it_is_large(
    here_bytes: int, sleep_s: int, place: str, root: Path, start: Start, tmp_path: Path
) -> None:
    reached = tmp_path / "reached"
    prelude = f"REACHED, SLEEP = {str(reached)!r}, {sleep_s}"
    (tmp_path / "slow.py").write_text(f"{prelude}\n{FLAVOR_TAKEN_BACK}")
    process = start(TAKEN_BACK.replace("= HERE_BYTES", f"= {here_bytes}"))
    process.communicate(timeout=60)
    run = reticent.get_run("r")
    assert run.artifact_path("model/model.txt").read_text() == place
    assert run.warnings() == []


KILLED = """
    import os, time
    import reticent
    from sklearn.linear_model import LogisticRegression
    from reticent.models import filing
    def finish(*_):
        ready()
        time.sleep(600)
    filing.finish = finish
    run = reticent.start_run("r", run_id="r")
    run.log_model(LogisticRegression().fit([[0.0], [1.0]], [0, 1]))
    time.sleep(600)
"""


def test_what_a_killed_process_of_this_root_left_is_finished_by_the_next_one(root: Path, start: Start) -> None:
    process = start(KILLED)
    process.kill()
    process.wait()
    assert reticent.get_run("r").status is RunStatus.CRASHED
    assert reticent.load_model("runs:/r/model").predict([[1.0]]) == [1]


def test_what_was_put_into_the_staging_of_a_run_is_not_unpickled(root: Path, start: Start, tmp_path: Path) -> None:
    process = start(KILLED)
    process.kill()
    process.wait()
    (pickled,) = (root / "runs/r/staging").glob("*/model/model.pkl")
    pickled.write_bytes(pickle.dumps(Planted(tmp_path / "ran")))
    assert [model.path for model in reticent.get_run("r").models()] == ["model"]
    with pytest.raises(reticent.ReticentError, match="would import"):
        reticent.load_model("runs:/r/model")
    assert not (tmp_path / "ran").exists()


class Planted:
    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> Any:
        return Path.touch, (self.place,)


class Unpicklable(LogisticRegression):
    def __reduce__(self) -> Any:
        raise TypeError("no pickle of this one")


def nested(depth: int) -> list[Any]:
    inner: list[Any] = []
    for _ in range(depth):
        inner = [inner]
    return inner


@pytest.mark.parametrize("kind", ["unpicklable", "too deep", "no flavor", "empty name", "out of the run"])
def test_a_model_that_cannot_be_logged_costs_the_run_its_health_alone(
    kind: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "strict", False)
    model: Any = {"unpicklable": Unpicklable(), "no flavor": object()}.get(kind, LogisticRegression())
    if kind == "too deep":
        model.note_ = nested(100_000)
    name = {"empty name": "", "out of the run": "../model"}.get(kind, "model")
    with reticent.start_run() as run:
        reticent.log_metric("m", 1.0)
        run.log_model(model, name)
    assert reticent.flush(60)
    stored = reticent.get_run(run.run_id)
    assert (stored.status, stored.metrics, stored.models()) == (RunStatus.FINISHED, {"m": 1.0}, [])
    assert ["log_model" in warning.message for warning in stored.warnings()] == [True]
    assert not list((root / "runs" / run.run_id / "staging").glob("*"))


@pytest.mark.parametrize("name", ["моделі/日本 模型", "a b/c.d", "x" * 120])
def test_names_of_any_kind(name: str, root: Path) -> None:
    with reticent.start_run() as run:
        run.log_model(LogisticRegression().fit([[0.0], [1.0]], [0, 1]), name)
    assert reticent.flush(60)
    (model,) = reticent.get_run(run.run_id).models()
    assert model.path == name
    assert reticent.load_model(f"runs:/{run.run_id}/{name}").predict([[1.0]]) == [1]


def test_a_model_that_refers_to_itself(root: Path) -> None:
    model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    model.self_ = [model]
    with reticent.start_run() as run:
        run.log_model(model)
    assert reticent.flush(60)
    loaded = reticent.load_model(f"runs:/{run.run_id}/model", trust=True)
    assert loaded.self_[0] is loaded


def test_a_secret_in_a_model_is_nowhere_but_in_quarantine(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aside, "child_command", child_command)
    model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    model.origin_ = {"token": [SECRET]}
    with reticent.start_run() as run:
        run.log_model(model, input_example=np.array([[0.0]]), signature_outputs=np.array([0]))
    assert reticent.flush(60)
    assert {record.path for record in reticent.get_run(run.run_id).withheld()} == {"model/model.skops"}
    elsewhere = [place for place in find(SECRET, root) if "/quarantine/" not in place]
    assert elsewhere == []


def test_a_model_is_tried_by_another_process(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aside, "child_command", child_command)
    rows = np.array([[0.0], [1.0], [2.0]])
    model = LogisticRegression().fit(rows, [0, 1, 1])
    with reticent.start_run() as run:
        run.log_model(model, "equal", input_example=rows, signature_outputs=model.predict(rows))
        run.log_model(model, "different", input_example=rows, signature_outputs=1 - model.predict(rows))
        run.log_model(model, "loaded")
    assert reticent.flush(120)
    tried = {one.path: one.outcome for one in reticent.get_run(run.run_id).tried_models()}
    assert tried == {"equal": "equal", "different": "different", "loaded": "loaded"}


def test_a_model_that_needs_no_finish_is_tried_once_it_is_published(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aside, "child_command", child_command)
    model = xgboost.XGBClassifier(n_estimators=2).fit([[0.0], [1.0]], [0, 1])
    with reticent.start_run() as run:
        run.log_model(model, input_example=np.array([[0.0]]), signature_outputs=model.predict([[0.0]]))
    assert reticent.flush(120)
    assert [one.outcome for one in reticent.get_run(run.run_id).tried_models()] == ["equal"]


def test_a_model_that_another_one_replaces_is_not_tried_with_the_files_of_that(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aside, "child_command", child_command)
    with reticent.start_run() as run:
        for columns in (1, 2):
            rows = np.arange(2.0 * columns).reshape(2, columns)
            model = xgboost.XGBClassifier(n_estimators=2).fit(rows, [0, 1])
            run.log_model(model, input_example=rows, signature_outputs=model.predict(rows))
    assert reticent.flush(120)
    assert [one.outcome for one in reticent.get_run(run.run_id).tried_models()] == ["equal"]
    assert {warning.kind for warning in reticent.get_run(run.run_id).warnings()} == {"model changed"}


@pytest.mark.parametrize(("model", "outcome"), [(KernelDensity(), "equal"), (DBSCAN(), "loaded")])
def test_a_model_without_predict_is_asked_by_what_it_has(
    model: Any, outcome: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aside, "child_command", child_command)
    rows = np.array([[0.0], [1.0], [2.0]])
    model.fit(rows)
    expected = model.score_samples(rows) if outcome == "equal" else None
    with reticent.start_run() as run:
        run.log_model(model, input_example=rows, signature_outputs=expected)
    assert reticent.flush(120)
    assert [one.outcome for one in reticent.get_run(run.run_id).tried_models()] == [outcome]
    assert reticent.get_run(run.run_id).warnings() == []


def test_the_end_of_the_process_waits_for_no_trial(root: Path, start: Start) -> None:
    process = start(
        """
        import reticent, sys, time
        from reticent.models import trial
        def attempt(*_):
            time.sleep(600)
        trial.attempt = attempt
        import xgboost
        run = reticent.start_run("r", run_id="r")
        run.log_model(xgboost.XGBClassifier(n_estimators=2).fit([[0.0], [1.0]], [0, 1]))
        run.end()
        while not reticent.get_run("r").models():
            time.sleep(0.05)
        ready()
        """,
        RETICENT_EXIT_TIMEOUT_S="500",
    )
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert reticent.get_run("r").warnings() == []


def test_a_large_model_is_not_read_into_memory(root: Path, start: Start) -> None:
    """A quarter of a gigabyte, of which the process holds a few megabytes at a time."""
    process = start(
        """
        import resource
        import reticent
        from reticent.models import Flavor
        def save(model, directory):
            with (directory / "model.bin").open("wb") as file:
                for _ in range(256):
                    file.write(bytes(range(256)) * 4096)
            return {"large": {"data": "model.bin"}}
        flavor = Flavor("large", lambda model: False, save, lambda directory, config: None)
        with reticent.start_run("r", run_id="r") as run:
            run.log_model(object(), "small", flavor=flavor)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        ready()
        assert reticent.flush(240)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert grown < 100_000, grown
        """,
    )
    _, errors = process.communicate(timeout=280)
    assert process.returncode == 0, errors
    (model,) = reticent.get_run("r").models()
    assert model.size > 1 << 28


AWKWARD = """
    import os, pathlib, time
    import reticent
    from sklearn.linear_model import LogisticRegression
    from reticent.models import filing
    def finish(*_):
        while True:
            pass
    filing.finish = finish
    model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    run = reticent.start_run("r", run_id="r")
    run.log_model(model, "good")
    run.log_model(model, {name!r})
    while len(list(pathlib.Path(os.environ["RETICENT_DIR"]).rglob("reticent-proof"))) < 2:
        time.sleep(0.02)
    reticent.log_text("x" * (2 << 20), "long.txt")
    ready()
    while True:
        pass
"""


def test_a_model_that_cannot_be_published_keeps_no_other_from_it(root: Path, start: Start) -> None:
    process = start(AWKWARD.format(name="good/model.skops/under"))
    process.kill()
    process.wait()
    run = reticent.get_run("r")
    assert {model.path for model in run.models()} == {"good"}
    assert "long.txt" in {file.path for file in run.artifacts()}
    assert [(record.path, record.rule) for record in run.withheld()] == [("good/model.skops/under", "unpublishable")]
    assert not list((root / "runs/r/staging").iterdir())


def test_a_description_from_elsewhere_names_no_other_directory(root: Path, start: Start, tmp_path: Path) -> None:
    process = start(AWKWARD.format(name="other"))
    process.kill()
    process.wait()
    (tmp_path / "plan.txt").write_text("for nobody else")
    for file in (root / "runs/r/staging").glob("*/reticent-model.json"):
        described = json.loads(file.read_text())
        file.write_text(json.dumps({**described, "directory": str(tmp_path)}))
    assert reticent.get_run("r").models() == []
    assert not list((root / "runs/r/artifacts").rglob("plan.txt"))


@pytest.mark.parametrize("name", ["a" * 300, "good/" + "ü" * 150])
def test_a_name_that_no_disk_takes_is_told_at_once(name: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "strict", False)
    with reticent.start_run() as run:
        assert run.log_model(LogisticRegression(), name) is None
        assert run.log_model(LogisticRegression(), metadata=["v1"]) is None
    assert ["bytes, not more" in one.message for one in reticent.get_run(run.run_id).warnings()] == [True, False]


SIDE = """
import reticent
reticent.autolog()
from sklearn.linear_model import LogisticRegression
LogisticRegression().fit([[0.0], [1.0]], [0, 1])

class Mine(LogisticRegression):
    pass
"""


def test_a_module_that_trains_when_it_is_imported_does_so_once(root: Path, start: Start, tmp_path: Path) -> None:
    (tmp_path / "side.py").write_text(SIDE)
    process = start(
        """
        import side
        side.Mine().fit([[0.0], [1.0]], [0, 1])
        import reticent
        assert reticent.flush(60)
        """,
        wait=False,
    )
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert sorted(run.name for run in reticent.search_runs()) == ["LogisticRegression", "Mine"]
