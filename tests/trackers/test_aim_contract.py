"""Runs in a repository of Aim's keep what backends promise; read with Aim's own package."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aim import Repo

from reticent import records
from reticent.backends import Backend
from reticent.backends.aim import AimBackend
from reticent.testing import BackendContract
from reticent.testing.batches import RUN, START, batch, example, param, sealed, tag


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository without runs: Aim takes two seconds to make one."""
    directory = tmp_path_factory.mktemp("aim")
    Repo(str(directory), init=True)
    return directory


class TestAim(BackendContract):
    backend = AimBackend

    @pytest.fixture(autouse=True)
    def made(self, empty: Path) -> None:
        self.empty = empty

    def url(self, directory: Path) -> str:
        return f"aim://{directory}/store"

    @contextmanager
    def opened(self, store: str, root: Path) -> Iterator[tuple[Backend, str]]:
        if not Path(store.removeprefix("aim://")).exists():
            shutil.copytree(self.empty, store.removeprefix("aim://"))
        with super().opened(store, root) as opened:
            yield opened

    def read(self, url: str, run_id: str) -> dict[str, object]:
        run = stored(url, run_id)
        if run is None:
            return {}
        ours = run["reticent"]
        metrics = {}
        for metric in run.metrics():
            steps, (values, _, _) = metric.data.items_list()
            metrics[metric.name] = sorted(zip(steps, values, strict=True), key=lambda point: point[0])
        return {
            "status": ours["status"],
            "params": {
                key: value if isinstance(value, str) else json.dumps(value)
                for key, value in (run.get("hparams") or {}).items()
            },
            "tags": ours.get("tags", {}),
            "metrics": metrics,
            "artifacts": sorted(run.artifacts),
        }

    def test_names_and_times_are_the_runs_own(self, store: str, tmp_path: Path) -> None:
        self.write(store, tmp_path, example(tmp_path))
        run = stored(store, RUN)
        assert (run.name, run.experiment) == ("calm-owl-7", "default")
        assert (run.creation_time, run.end_time) == (START, START + 3)
        assert sorted(metric.data.items_list()[1][2][0] for metric in run.metrics()) == [START, START + 1]

    def test_aim_fetches_the_files(self, store: str, tmp_path: Path) -> None:
        mark = self.write(store, tmp_path, example(tmp_path))
        fetched = stored(store, RUN).artifacts["notes/a.txt"].download(str(tmp_path / "fetched"))
        assert Path(fetched).read_text() == "some text"
        removed = records.ArtifactRemoved(time=START + 4, path=sealed("notes"))
        self.write(store, tmp_path, batch(tmp_path, removed), mark=mark)
        assert stored(store, RUN).artifacts == {}
        assert not list((tmp_path / "store").rglob("a.txt"))

    def test_what_aim_would_add_is_not_there(
        self, store: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        before = threading.active_count()
        self.write(store, tmp_path, example(tmp_path))
        assert threading.active_count() == before
        told = capfd.readouterr()
        assert told.out + told.err == ""
        run = stored(store, RUN)
        assert set(run[...]) == {"hparams", "reticent"}
        assert {name for traces in run.meta_run_tree.get("traces").values() for name in traces} == {"loss", "accuracy"}

    def test_values_that_aim_has_no_form_for(self, store: str, tmp_path: Path) -> None:
        entries = [param("big", str(1 << 70)), param("odd", '{"": 1}'), param("", "1"), tag("", "a")]
        points = [("loss", 5, 1.0), ("loss", -5, 2.0), ("loss", 5, 3.0), ("", 0, 4.0)]
        mark = self.write(store, tmp_path, batch(tmp_path, *entries, metrics=points))
        self.write(store, tmp_path, batch(tmp_path, *entries, metrics=points), mark=mark)
        run = self.read(store, RUN)
        assert run["params"] == {"big": str(1 << 70), "odd": '{"": 1}', "(empty)": "1"}
        assert run["tags"] == {"(empty)": "a"}
        assert run["metrics"] == {"loss": [(-5, 2.0), (5, 3.0)], "(empty)": [(0, 4.0)]}

    @pytest.mark.parametrize("before_end", ["assert reticent.flush(60)", ""], ids=["in time", "too late"])
    def test_it_neither_holds_nor_spoils_an_exit(self, tmp_path: Path, before_end: str) -> None:
        """A script that ends before Aim is imported may leave its run to the next process."""
        script = (
            "import reticent\n"
            f"reticent.configure(dir={str(tmp_path / 'root')!r}, backends=['aim'], exit_timeout_s=60)\n"
            "with reticent.start_run():\n"
            "    reticent.log_metric('loss', 0.5, step=1)\n"
            f"{before_end}\n"
        )
        ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=50)
        assert (ran.returncode, ran.stdout) == (0, "")
        assert "Traceback" not in ran.stderr
        if not before_end:
            sync = [sys.executable, "-m", "reticent.cli", "sync", "--to", "aim"]
            subprocess.run(sync, env={**os.environ, "RETICENT_DIR": str(tmp_path / "root")}, check=True)
        (chunk,) = (tmp_path / "root" / "aim" / ".aim" / "meta" / "chunks").iterdir()
        assert self.read(f"aim://{tmp_path / 'root' / 'aim'}", chunk.name)["metrics"]["loss"] == [(1, 0.5)]


def stored(url: str, run_id: str):
    repo = Repo(url.removeprefix("aim://"))
    repo._recreate_index()  # `aim storage reindex`
    return repo.get_run(run_id)
