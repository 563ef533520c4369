"""How a run comes to a store: what is noted of it, and that one process at a time brings it."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

import reticent
from reticent import records
from reticent.backends import Batch, Rejection, Target
from reticent.delivery import backoff, sender
from reticent.errors import SettingsError
from reticent.progress import Progress, ProgressFiles
from reticent.sessions import current
from reticent.testing import memory_store
from reticent.testing.batches import sealed
from reticent.testing.isolation import isolated


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    with isolated(tmp_path / "root", backends="") as root:
        yield root


def lines(store: Path, run_id: str, kind: str) -> list[str]:
    return (store / run_id / f"{kind}.jsonl").read_text().splitlines()


def log(points: int) -> str:
    with reticent.start_run() as run:
        run.log_param("lr", 0.1)
        for step in range(points):
            run.log_metric("loss", 1 / (step + 1), step)
    return run.run_id


def test_what_arrived_and_was_not_noted_comes_again_and_is_stored_once(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reticent.configure(batch_records=10)
    run_id, store = log(35), tmp_path / "store"
    saved = ProgressFiles.save
    count = 0

    def save(self: ProgressFiles, run: str, progress: Progress) -> None:
        nonlocal count
        count += 1
        if count in (1, 3, 4):
            raise OSError("no space left")
        saved(self, run, progress)

    monkeypatch.setattr(ProgressFiles, "save", save)
    results = [reticent.sync(to=[f"jsonl://{store}"]).popitem()[1] for _ in range(5)]
    assert [result.error is None for result in results] == [False, False, False, True, True]
    assert len(lines(store, run_id, "metrics")) == 35
    assert len(lines(store, run_id, "params")) == 1


def test_a_run_that_another_process_delivers_waits(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "CLAIM_S", 0.05)
    run_id, url = log(3), f"jsonl://{tmp_path / 'store'}"
    other = log(2)
    holder = textwrap.dedent(f"""
        import sys
        from pathlib import Path
        from reticent.backends import Target, create
        from reticent.progress import Progress, ProgressFiles
        root = Path({str(root)!r})
        files = ProgressFiles(root, {url!r}, create({url!r}).open(Target({url!r}, root)))
        with files.claimed({run_id!r}, 0):
            print("holds it", flush=True)
            sys.stdin.read()
    """)
    with subprocess.Popen([sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        (waiting,) = reticent.sync(to=[url]).values()
        assert "another process is delivering" in str(waiting.error)
        assert waiting.runs == 1
        assert len(lines(tmp_path / "store", other, "metrics")) == 2
        process.stdin.close()
    (done,) = reticent.sync(to=[url]).values()
    assert (done.runs, done.error) == (1, None)
    assert len(lines(tmp_path / "store", run_id, "metrics")) == 3


def test_a_run_is_taken_up_where_another_process_left_it(root: Path, tmp_path: Path) -> None:
    url = f"jsonl://{tmp_path / 'store'}"
    reticent.configure(backends=[url], deliver_s=0.01)
    with reticent.start_run() as run:
        run.log_metric("loss", 1.0, 0)
        assert reticent.flush(30)
        run.log_metric("loss", 0.5, 1)
        code = f"import reticent; reticent.configure(dir={str(root)!r}); print(reticent.sync(to=[{url!r}]))"
        subprocess.run([sys.executable, "-c", code], check=True)
        run.log_metric("loss", 0.25, 2)
    assert reticent.flush(30)
    assert len(lines(tmp_path / "store", run.run_id, "metrics")) == 3


class Noting:
    """Notes the order in which runs come, and what of each; one of them it cannot take."""

    order: ClassVar[list[str]] = []
    batches: ClassVar[list[Batch]] = []
    poison = ""

    def open(self, target: Target) -> str:
        return "noting"

    def write(self, batch: Batch) -> list[Rejection]:
        if batch.run_id == self.poison:
            raise ValueError("cannot be taken")
        self.order.append(batch.run_id)
        self.batches.append(batch)
        return []

    def close(self) -> None:
        pass


@pytest.fixture
def noting(monkeypatch: pytest.MonkeyPatch) -> type[Noting]:
    monkeypatch.setattr(sender, "create", lambda _: Noting())
    monkeypatch.setattr(Noting, "order", [])
    monkeypatch.setattr(Noting, "batches", [])
    reticent.configure(backends=["jsonl"], batch_records=10, deliver_s=3600)
    return Noting


def test_a_run_with_many_points_keeps_no_other_waiting(root: Path, noting: type[Noting]) -> None:
    large, small = reticent.start_run("large"), reticent.start_run("small", nested=False)
    for step in range(1000):
        large.log_metric("loss", 1.0, step)
    small.end()
    large.end()
    assert reticent.flush(60)
    assert noting.order.count(large.run_id) > 50
    assert small.run_id in noting.order[:4]


def test_params_and_status_of_a_run_do_not_wait_for_its_points(root: Path, noting: type[Noting]) -> None:
    reticent.configure(batch_records=100)
    with reticent.start_run() as run:
        for step in range(1000):
            run.log_metric("loss", 1.0, step)
        run.log_param("late", 1)
    assert reticent.flush(60)
    first, *others = noting.batches
    kinds = {type(entry.record) for entry in first.entries}
    assert {records.Param, records.RunEnded} <= kinds
    assert sum(len(block) for batch in others for block in batch.metrics) == 900


def test_a_run_that_cannot_be_taken_keeps_no_other_waiting(
    root: Path, noting: type[Noting], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(noting, "poison", "bad")
    log(3), reticent.start_run(run_id="bad").end()
    good = log(3)
    assert not reticent.flush(1)
    assert good in noting.order
    (left,) = {run_id for sender in current().senders() for run_id in sender.pending()}
    assert left == "bad"


def test_nor_one_that_begins_later(root: Path, noting: type[Noting], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(noting, "poison", "bad")
    monkeypatch.setattr(backoff.random, "uniform", lambda *_: 3600.0)
    reticent.start_run(run_id="bad").end()
    assert not reticent.flush(1)
    good = log(3)
    assert not reticent.flush(1)
    assert good in noting.order
    (left,) = {run_id for sender in current().senders() for run_id in sender.pending()}
    assert left == "bad"


EARLIER = """
import reticent, sys
reticent.configure(dir=sys.argv[1], backends=[], capture={"git": False, "system_s": 0})
for run_id in ("a", "forged", "b"):
    with reticent.start_run(run_id=run_id):
        reticent.log_text("some text", "notes/a.txt")
"""
LATER = """
import reticent, sys, time
from pathlib import Path
reticent.configure(dir=sys.argv[1], backends=["jsonl://" + sys.argv[2]], capture={"git": False, "system_s": 0})
reticent.start_run(run_id="later")
deadline = time.monotonic() + 30
while time.monotonic() < deadline and not all((Path(sys.argv[2]) / one / "runs.jsonl").exists() for one in "ab"):
    time.sleep(0.05)
"""


def test_a_run_that_cannot_be_read_keeps_no_other_in_the_root(root: Path, tmp_path: Path) -> None:
    def does(code: str, *arguments: Path) -> str:
        command = [sys.executable, "-c", code, str(root), *map(str, arguments)]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=100).stderr

    def delivered(store: Path) -> set[str]:
        return {path.name for path in store.iterdir() if (path / "runs.jsonl").exists()}

    does(EARLIER)
    notes, elsewhere = root / "runs" / "forged" / "artifacts" / "notes", tmp_path / "elsewhere"
    notes.rename(elsewhere)
    notes.symlink_to(elsewhere)

    told = does(LATER, tmp_path / "one")
    assert "the run forged of an earlier process, and maybe others, cannot be delivered to jsonl" in told
    assert delivered(tmp_path / "one") == {"a", "b", "later"}

    (result,) = reticent.sync(to=[f"jsonl://{tmp_path / 'other'}"]).values()
    assert result.error == "run forged: ValueError: an artifact's path leads out of its run, by a symbolic link"
    assert delivered(tmp_path / "other") == {"a", "b", "later"}


def test_an_alias_that_a_backend_has_no_place_for_is_counted(root: Path) -> None:
    run_id = log(1)
    one = records.ModelAlias(time=1.0, name=sealed("churn"), alias=sealed("best"), path=sealed("m"))
    current().log_writer(run_id).append(one)
    assert reticent.flush(60)
    reticent.configure(backends=["sqlite", "memory://aliases", "tensorboard"])
    assert not any(one.error for one in reticent.sync().values())
    told = {one.backend: (one.rejected, one.error) for one in reticent.get_run(run_id).deliveries()}
    assert told["tensorboard"] == (1, "tensorboard has no aliases of registered models")
    assert told["sqlite"][0] == told["memory"][0] == 0
    assert memory_store("aliases")[run_id].aliases == {"churn@best": "m"}


def test_a_url_that_holds_a_secret_is_refused() -> None:
    with pytest.raises(SettingsError, match="holds a password or a token") as refused:
        reticent.configure(backends=["jsonl://me:" + "hunter2-and-3@host/store"])
    assert "hunter2" not in str(refused.value)
