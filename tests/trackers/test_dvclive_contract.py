"""DVCLive's files keep what backends promise; read with DVCLive's own readers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from dvc.repo import Repo
from dvclive.serialize import load_yaml
from dvclive.utils import parse_json, parse_metrics

from reticent import records
from reticent.backends.dvclive import DvcLiveBackend
from reticent.testing import BackendContract
from reticent.testing.batches import RUN, START, batch, example, param, sealed


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")


class TestDvcLive(BackendContract):
    backend = DvcLiveBackend

    def url(self, directory: Path) -> str:
        return f"dvclive://{directory}/store"

    def read(self, url: str, run_id: str) -> dict[str, object]:
        directory = Path(url.removeprefix("dvclive://")) / run_id
        if not directory.exists():
            return {}
        history, newest = tables(directory)
        told = parse_json(directory / "run.json")
        params = {
            key: value if isinstance(value, str) else json.dumps(value)
            for key, value in load_yaml(directory / "params.yaml").items()
        }
        assert (newest.pop("step", None) is None) == (not history)
        assert sum(1 for _ in leaves(newest)) == len(history)
        kept = (directory / "artifacts").rglob("*")
        return {
            "status": told.get("status", "RUNNING"),
            "params": params,
            "tags": told.get("tags", {}),
            "metrics": history,
            "artifacts": sorted(str(path.relative_to(directory / "artifacts")) for path in kept if path.is_file()),
        }

    def test_dvc_shows_metrics_params_and_plots(self, store: str, tmp_path: Path) -> None:
        (tmp_path / "project").mkdir()
        Repo.init(str(tmp_path / "project"), no_scm=True).close()
        model = records.Model(time=START, path=sealed("My Model"), flavor="sklearn", mlmodel=sealed(""), size=1)
        entries = [one.record for one in example(tmp_path).entries]
        points = [("train/loss", step, step / 2) for step in range(3)] + [("train", 0, 7.0)]
        self.write(
            f"dvclive://{tmp_path}/project/runs",
            tmp_path,
            batch(tmp_path, *entries, param("deep", "True"), model, metrics=points),
        )
        with Repo(str(tmp_path / "project")) as repo:
            (shown,) = repo.metrics.show()[""]["data"].values()
            assert shown["data"] == {"train": 7.0, "train/loss": 1.0, "step": 2}
            (shown,) = repo.params.show()[""]["data"].values()
            assert shown["data"] == {"lr": 0.1, "layers": [1, 2], "deep": True}
            assert f"runs/{RUN}/dvc.yaml" in str(repo.plots.show())
            (found,) = repo.artifacts.read().values()
            assert found["my-model"].path == "artifacts/My Model"

    def test_keys_that_are_no_names_of_files_stay_apart_and_inside(self, store: str, tmp_path: Path) -> None:
        keys = [
            "../up",
            "/root",
            "a//b",
            "a/./b",
            "a\\b",
            "a_b",
            "loss",
            "loss.tsv/x",
            "loss/x",
            "y" * 250,
            "y" * 249 + "z",
        ]
        self.write(store, tmp_path, batch(tmp_path, metrics=[(key, 0, float(place)) for place, key in enumerate(keys)]))
        directory = tmp_path / "store" / RUN / "plots" / "metrics"
        assert sum(path.is_file() for path in directory.rglob("*")) == len(keys)
        assert not [path for path in tmp_path.rglob("*.tsv") if directory not in path.parents]

    def test_pictures_are_where_dvc_looks_for_them(self, store: str, tmp_path: Path) -> None:
        file = tmp_path / "artifacts" / "plots" / "roc.png"
        file.parent.mkdir(parents=True)
        file.write_bytes(b"some text")
        digest = "b94f6f125c79e3a5ffaa826f584c10d52ada669e6762051b826b55776d05aed2"
        kept = records.Artifact(time=START, path=sealed("plots/roc.png"), size=9, sha256=digest)
        mark = self.write(store, tmp_path, batch(tmp_path, kept))
        shown = tmp_path / "store" / RUN / "plots" / "images" / "plots" / "roc.png"
        assert shown.read_bytes() == b"some text"
        self.write(
            store, tmp_path, batch(tmp_path, records.ArtifactRemoved(time=START, path=sealed("plots"))), mark=mark
        )
        assert not shown.exists()


def tables(directory: Path) -> tuple[dict[str, list[tuple[int, float]]], dict[str, object]]:
    """Points by key as DVCLive reads them, and `metrics.json`."""
    live = SimpleNamespace(plots_dir=directory / "plots", metrics_file=directory / "metrics.json")
    history, newest = parse_metrics(live)
    metrics = {}
    for path, rows in history.items():
        name = list(rows[0])[-1]  # whole also where the file's name had to be another
        key = str(Path(path).relative_to(directory / "plots" / "metrics").parent / name)
        metrics[key] = sorted(((int(row["step"]), float(row[name])) for row in rows), key=lambda point: point[0])
    return metrics, newest


def leaves(tree: dict[str, object]) -> Iterator[object]:
    for value in tree.values():
        if isinstance(value, dict):
            yield from leaves(value)
        else:
            yield value
