"""The store in memory keeps what backends promise, and tests of users can read it."""

from __future__ import annotations

from pathlib import Path

import reticent
from reticent import records
from reticent.backends.memory import MemoryBackend
from reticent.testing import BackendContract, isolated, memory_store
from reticent.testing.batches import RUN, START, batch, example, sealed


class TestMemory(BackendContract):
    backend = MemoryBackend

    def url(self, directory: Path) -> str:
        return f"memory://{directory}"

    def read(self, url: str, run_id: str) -> dict[str, object]:
        run = memory_store(url.removeprefix("memory://")).get(run_id)
        if run is None:
            return {}
        return {
            "status": run.status.value,
            "params": run.params,
            "tags": run.tags,
            "metrics": {key: [(one.step, one.value) for one in points] for key, points in run.metrics.items()},
            "artifacts": sorted(run.contents),
            "aliases": run.aliases,
        }

    def test_what_was_removed_is_gone(self, store: str, tmp_path: Path) -> None:
        mark = self.write(store, tmp_path, example(tmp_path))
        removed = records.ArtifactRemoved(time=START, path=sealed("notes"))
        self.write(store, tmp_path, batch(tmp_path, removed), mark=mark)
        assert self.read(store, RUN)["artifacts"] == []


def test_a_test_of_users(tmp_path: Path) -> None:
    with isolated(tmp_path, "memory://mine"):
        with reticent.start_run() as run:
            reticent.log_param("lr", 0.1)
            reticent.log_metric("loss", 0.5, step=3)
            reticent.log_text("hello", "note.txt")
        assert reticent.flush(60)
        found = memory_store("mine")[run.run_id]
    assert (found.params["lr"], found.status, found.contents["note.txt"]) == ("0.1", "FINISHED", b"hello")
    (point,) = found.metrics["loss"]
    assert (point.step, point.value) == (3, 0.5)
