"""SwanLab's logs keep what backends promise; read with SwanLab's own reader and messages."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import msgspec
import yaml
from swanlab.proto.swanlab.record.v1.record_pb2 import Record
from swanlab.sdk.internal.core_python.store import DataStoreReader

from reticent import records
from reticent.backends import Batch, Mark, Rejection, Target
from reticent.backends.swanlab import SwanlabBackend
from reticent.records import Entry, RunStatus
from reticent.testing import BackendContract
from reticent.testing.batches import RUN, START, batch, param, sealed, started, tag


def messages(directory: Path, run_id: str = RUN) -> list[Record]:
    (path,) = directory.glob(f"run-*-{run_id}/run-{run_id}.swanlab")
    reader = DataStoreReader()
    reader.open(path)
    found = [Record.FromString(one) for one in reader]
    reader.close()
    assert found[0].HasField("start")
    numbers = [one.num for one in found if one.num > 0]
    assert numbers == list(range(1, len(numbers) + 1))
    return found


class TestSwanlab(BackendContract):
    backend = SwanlabBackend

    def url(self, directory: Path) -> str:
        return f"swanlab://{directory}/store"

    def read(self, url: str, run_id: str) -> dict[str, object]:
        directory = Path(url.removeprefix("swanlab://"))
        if not list(directory.glob(f"run-*-{run_id}")):
            return {}
        found = messages(directory, run_id)
        metrics: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
        for one in found:
            if one.HasField("scalar"):
                metrics[one.scalar.key].append((one.scalar.step, one.scalar.value.number))
        saved = [one.save for one in found if one.HasField("save")]
        files = {one.name: Path(one.source_path) for one in saved}
        assert all(path.is_file() for path in files.values())
        config = _yaml(files.pop("config")) if "config" in files else {}
        values = {key: one["value"] for key, one in config.items()}
        status, tags = values.pop("status", "RUNNING"), values.pop("tags", {})
        ends = [one.finish.state for one in found if one.HasField("finish")]
        assert ends in ([], [{"FINISHED": 1, "KILLED": 3}.get(status, 2)])
        return {
            "status": status,
            "params": {
                key: value if isinstance(value, str) else json.dumps(value)
                for key, value in values.items()
                if key not in ("datasets", "references")
            },
            "tags": tags,
            "metrics": {key: sorted(points, key=lambda point: point[0]) for key, points in metrics.items()},
            "artifacts": sorted(files),
        }


def test_what_was_written_behind_the_mark_is_cut_off(tmp_path: Path) -> None:
    store = f"swanlab://{tmp_path}/store"
    first, _ = written(store, tmp_path, batch(tmp_path, metrics=[("loss", step, 1.0) for step in range(5)]))
    written(store, tmp_path, batch(tmp_path, metrics=[("loss", step, 2.0) for step in range(5, 2000)]), first)
    written(store, tmp_path, batch(tmp_path, metrics=[("loss", step, 3.0) for step in range(5, 8)]), first)
    assert scalars(tmp_path / "store") == [("loss", step, 1.0 if step < 5 else 3.0) for step in range(8)]


def test_steps_that_swanlab_does_not_take_are_counted(tmp_path: Path) -> None:
    store = f"swanlab://{tmp_path}/store"
    points = [
        ("loss", -1, 0.0),
        ("loss", 5, 1.0),
        ("loss", 3, 2.0),
        ("loss", 5, 3.0),
        ("accuracy", 3, 4.0),
        ("loss", 6, 5.0),
    ]
    mark, refused = written(store, tmp_path, batch(tmp_path, metrics=points))
    assert [one.count for one in refused] == [3]
    assert "step" in refused[0].reason
    _, refused = written(store, tmp_path, batch(tmp_path, metrics=[("loss", 6, 1.0), ("loss", 7, 6.0)]), mark)
    assert [one.count for one in refused] == [1]
    assert scalars(tmp_path / "store") == [("loss", 5, 1.0), ("accuracy", 3, 4.0), ("loss", 6, 5.0), ("loss", 7, 6.0)]


def test_a_resumed_run_has_its_end_once_and_last(tmp_path: Path) -> None:
    store = f"swanlab://{tmp_path}/store"
    ended = records.RunEnded(time=START + 1, status=RunStatus.FAILED, error=sealed("ValueError: no"))
    mark, _ = written(store, tmp_path, batch(tmp_path, started(), ended))
    assert messages(tmp_path / "store")[-1].finish.error == "ValueError: no"
    resumed = msgspec.structs.replace(started(), time=START + 5, resumed=True)
    mark, _ = written(store, tmp_path, batch(tmp_path, resumed, metrics=[("loss", 0, 1.0)]), mark)
    assert not any(one.HasField("finish") for one in messages(tmp_path / "store"))
    finished = records.RunEnded(time=START + 9, status=RunStatus.FINISHED)
    mark, _ = written(store, tmp_path, Batch(RUN, tmp_path, [Entry("w", 0, finished)], (), started()), mark)
    late = Entry("w", 100, tag("late", "yes"))
    written(store, tmp_path, Batch(RUN, tmp_path, [late], (), started()), mark)
    ends = [place for place, one in enumerate(messages(tmp_path / "store"), 1) if one.HasField("finish")]
    assert ends == [len(messages(tmp_path / "store"))]


def test_the_run_its_params_console_and_pictures(tmp_path: Path) -> None:
    content = b"\x89PNG\r\n\x1a\n"
    file = tmp_path / "artifacts" / "plots" / "roc.png"
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    picture = records.Artifact(time=START, path=sealed("plots/roc.png"), size=len(content), sha256=digest)
    printed = records.Console(time=START, stream="stderr", text=sealed("one\ntwo\n"))
    values = {"lr": "1e-4", "shuffle": "True", "name": "adam", "sizes": "[1, 2]", "status": "x"}
    params = map(param, values, values.values())
    written(f"swanlab://{tmp_path}/store", tmp_path, batch(tmp_path, *params, printed, picture, picture))
    found = messages(tmp_path / "store")
    assert (found[0].start.project, found[0].start.name, found[0].start.id) == ("default", "calm-owl-7", RUN)
    lines = [one.log for one in found if one.HasField("log")]
    assert [(one.line, one.level, one.epoch) for one in lines] == [("one", 1, 1), ("two", 1, 2)]
    media = [one.media for one in found if one.HasField("media")]
    assert [(one.key, one.step, one.type) for one in media] == [("plots/roc.png", step, 2) for step in range(2)]
    (run,) = (tmp_path / "store").glob("run-*")
    assert (run / "media" / "image" / media[0].value.items[0].filename).read_bytes() == content
    config = {key: one["value"] for key, one in _yaml(run / "files" / "config.yaml").items()}
    wanted = {"lr": 1e-4, "shuffle": True, "name": "adam", "sizes": [1, 2], "logged/status": "x", "status": "RUNNING"}
    assert config == wanted


def test_without_a_directory_runs_lie_in_the_root(tmp_path: Path) -> None:
    written("swanlab", tmp_path, batch(tmp_path, metrics=[("loss", 0, 1.0)]))
    assert scalars(tmp_path / "swanlab") == [("loss", 0, 1.0)]


def test_swanlab_is_not_imported_into_the_training() -> None:
    script = "import sys, reticent.backends.swanlab; print('swanlab' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout.strip() == "False"


def written(store: str, root: Path, whole: Batch, mark: Mark | None = None) -> tuple[Mark, list[Rejection]]:
    backend = SwanlabBackend()
    backend.open(Target(store, root))
    mark = Mark("" if mark is None else mark.text)
    refused = list(backend.write(dataclasses.replace(whole, mark=mark)))
    backend.close()
    return mark, refused


def scalars(directory: Path) -> list[tuple[str, int, float]]:
    found = [one.scalar for one in messages(directory) if one.HasField("scalar")]
    return [(one.key, one.step, one.value.number) for one in found]


def _yaml(path: Path) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = yaml.load(path.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return found
