"""W&B's transaction logs keep what backends promise; read with W&B's own messages."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import struct
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import wandb
from wandb.proto import wandb_internal_pb2

from reticent import records
from reticent.backends import Batch, Mark, Target
from reticent.backends.protolog import frames
from reticent.backends.protolog import records as read_records
from reticent.backends.wandb import WandbBackend
from reticent.backends.wandb.mapping import HEADER, STATUS, STEP
from reticent.records import Entry, RunStatus
from reticent.testing import BackendContract
from reticent.testing.batches import RUN, START, batch, param, sealed, started, tag


def messages(directory: Path, run_id: str = RUN) -> list[wandb_internal_pb2.Record]:
    """All of a run's log, without a part that was written twice."""
    (path,) = directory.glob(f"offline-run-*-{run_id}/run-{run_id}.wandb")
    found = [wandb_internal_pb2.Record.FromString(one) for one in read_records(path.read_bytes(), HEADER)]
    assert [one.num for one in found] == list(range(1, len(found) + 1))
    return found


def items(found: list[object]) -> dict[object, object]:
    return {item.key or tuple(item.nested_key): json.loads(item.value_json) for item in found}  # type: ignore[attr-defined]


class TestWandbOffline(BackendContract):
    backend = WandbBackend

    def url(self, directory: Path) -> str:
        return f"wandb+offline://{directory}/store"

    def read(self, url: str, run_id: str) -> dict[str, object]:
        directory = Path(urlsplit(url).path)
        if not list(directory.glob(f"*-{run_id}")):
            return {}
        found = messages(directory, run_id)
        config = items([item for one in found for item in one.config.update])
        summary = items([item for one in found for item in one.summary.update])
        metrics: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
        for number, history in enumerate(one.history for one in found if one.HasField("history")):
            row = {item.nested_key[0]: json.loads(item.value_json) for item in history.item}
            assert row.pop("_step") == history.step.num == number
            for key, value in row.items():
                if not key.startswith("_") and key != STEP:
                    metrics[key].append((row[STEP], float(value)))
        codes = [one.exit.exit_code for one in found if one.HasField("exit")]
        status = str(summary[STATUS]) if codes else "RUNNING"
        assert codes == [] or codes == [{"FINISHED": 0, "KILLED": 255}.get(status, 1)]
        files = [file.path for one in found for file in one.files.files]
        assert all((directory / next(directory.glob(f"*-{run_id}")) / "files" / path).exists() for path in files)
        return {
            "status": status,
            "params": {key: _text(value) for key, value in config.items() if isinstance(key, str)},
            "tags": {key[1]: value for key, value in config.items() if isinstance(key, tuple) and key[0] == "tags"},
            "metrics": {key: sorted(points, key=lambda point: point[0]) for key, points in metrics.items()},
            "artifacts": sorted({path.removeprefix("artifacts/") for path in files}),
        }


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def test_a_record_over_several_blocks_is_framed(tmp_path: Path) -> None:
    for size in (32 * 1024 - 7 - 7 - extra for extra in range(-3, 20)):
        data = [b"a" * size, b"b" * 100_000, b"", b"c"]
        log = HEADER + frames(data[:2], len(HEADER))
        log += frames(data[2:], len(log))
        assert list(read_records(log, HEADER)) == data
        assert list(read_records(log[:-1], HEADER)) == data[:-1], "what was torn is no record"


def test_what_was_written_behind_the_mark_is_cut_off(tmp_path: Path) -> None:
    """As if the process had died after it wrote, and a first part of it is all that comes then."""
    store = f"wandb+offline://{tmp_path}/store"
    first = written(store, tmp_path, batch(tmp_path, metrics=[("loss", step, 1.0) for step in range(5)]))
    written(store, tmp_path, batch(tmp_path, metrics=[("loss", step, 2.0) for step in range(5, 500)]), first)
    written(store, tmp_path, batch(tmp_path, metrics=[("loss", step, 3.0) for step in range(5, 8)]), first)
    assert [row[STEP] for row in rows(tmp_path / "store")] == list(range(8))


def test_steps_that_go_backwards_are_kept_in_their_order(tmp_path: Path) -> None:
    points = [("loss", 5, 1.0), ("loss", 3, 2.0), ("loss", 3, 3.0), ("accuracy", 3, 4.0)]
    written(f"wandb+offline://{tmp_path}/store", tmp_path, batch(tmp_path, metrics=points))
    found = rows(tmp_path / "store")
    assert [(row["_step"], row[STEP], row["loss"]) for row in found] == [(0, 5, 1.0), (1, 3, 2.0), (2, 3, 3.0)]
    assert found[2]["accuracy"] == 4.0
    defined = {
        one.metric.name: one.metric.step_metric for one in messages(tmp_path / "store") if one.HasField("metric")
    }
    assert defined == {STEP: "", "loss": STEP, "accuracy": STEP}


def test_a_resumed_run_has_its_end_once_and_last(tmp_path: Path) -> None:
    store = f"wandb+offline://{tmp_path}/store"
    ended = records.RunEnded(time=START + 1, status=RunStatus.FAILED, error=sealed("ValueError: no"))
    mark = written(store, tmp_path, batch(tmp_path, started(), ended))
    resumed = msgspec.structs.replace(started(), time=START + 5, resumed=True)
    mark = written(store, tmp_path, batch(tmp_path, resumed, metrics=[("loss", 0, 1.0)]), mark)
    assert not any(one.HasField("exit") for one in messages(tmp_path / "store"))
    finished = records.RunEnded(time=START + 9, status=RunStatus.FINISHED)
    mark = written(store, tmp_path, Batch(RUN, tmp_path, [Entry("w", 0, finished)], (), started()), mark)
    late = Entry("w", 100, tag("late", "yes"))
    written(store, tmp_path, Batch(RUN, tmp_path, [late], (), started()), mark)
    found = messages(tmp_path / "store")
    assert [one.WhichOneof("record_type") for one in found].index("exit") == len(found) - 1
    assert found[-1].exit.exit_code == 0
    assert found[-1].exit.runtime == 9
    assert "ValueError: no\n" in [one.output_raw.line for one in found]


def test_params_have_their_types_and_names_of_wandb_are_put_aside(tmp_path: Path) -> None:
    values = {
        "lr": "1e-4",
        "shuffle": "True",
        "seed": "None",
        "name": "adam",
        "sizes": "[1, 2]",
        "tags": "x",
        "nan": "NaN",
        "deep": "{'a': (1, None), 'b': 'text'}",
        "odd": "{x}",
        "long": "9" * 400,
    }
    written(
        f"wandb+offline://{tmp_path}/store",
        tmp_path,
        batch(tmp_path, *map(param, values, values.values()), tag("notes", "a try"), metrics=[("_step", 0, 7.0)]),
    )
    found = messages(tmp_path / "store")
    config = items([item for one in found for item in one.config.update])
    assert config == {
        "lr": 1e-4, "shuffle": True, "seed": None, "name": "adam", "sizes": [1, 2], "logged/tags": "x", "nan": "NaN",
        "deep": {"a": [1, None], "b": "text"}, "odd": "{x}", "long": int("9" * 400), ("tags", "notes"): "a try",
    }  # fmt: skip
    assert [one.run.notes for one in found if one.HasField("run")] == ["", "a try"]
    assert rows(tmp_path / "store")[0]["logged/_step"] == 7.0


def test_a_picture_is_an_image_and_a_model_an_artifact(tmp_path: Path) -> None:
    picture = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBB", 13, b"IHDR", 640, 480, 8, 2, 0, 0, 0)
    entries = [
        artifact(tmp_path, "plots/roc.png", picture),
        artifact(tmp_path, "not.png", b"no picture"),
        artifact(tmp_path, "nets/best/weights.bin", b"hi"),
        artifact(tmp_path, "nets/best/MLmodel", b"flavors:"),
    ]
    written(f"wandb+offline://{tmp_path}/store", tmp_path, batch(tmp_path, *entries))
    (row,) = rows(tmp_path / "store")
    shown = row["plots/roc.png"]
    assert (shown["_type"], shown["width"], shown["height"], shown["format"]) == ("image-file", 640, 480, "png")
    (run,) = (tmp_path / "store").glob("offline-run-*")
    assert (run / "files" / shown["path"]).read_bytes() == picture
    assert (run / "files" / "artifacts" / "not.png").read_bytes() == b"no picture"
    (model,) = [one.artifact for one in messages(tmp_path / "store") if one.HasField("artifact")]
    assert (model.type, model.name) == ("model", f"run-{RUN[:8]}-nets_best")
    hashed = {entry.path: (entry.digest, Path(entry.local_path).read_bytes()) for entry in model.manifest.contents}
    assert hashed["weights.bin"] == ("SfaKXIST7CwL9ImCHCH8Ow==", b"hi")
    wanted = wandb.Artifact("nets", "model")
    wanted.add_dir(str(run / "files" / "artifacts" / "nets" / "best"), policy="immutable", skip_cache=True)
    assert model.digest == wanted.digest, "W&B itself gives these files another digest"


def test_without_a_directory_runs_lie_in_the_root(tmp_path: Path) -> None:
    written("wandb", tmp_path, batch(tmp_path, metrics=[("loss", 0, 1.0)]))
    assert len(rows(tmp_path / "wandb")) == 1


def test_entity_and_project_may_be_named_for_a_later_upload(tmp_path: Path) -> None:
    written(f"wandb+offline://{tmp_path}/store?entity=team&project=tries", tmp_path, batch(tmp_path))
    (run,) = [one.run for one in messages(tmp_path / "store") if one.HasField("run")]
    assert (run.entity, run.project, run.run_group, run.display_name) == ("team", "tries", "default", "calm-owl-7")


def test_wandb_is_not_imported_into_the_training() -> None:
    script = "import sys, reticent.backends.wandb; print('wandb' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout.strip() == "False"


def written(store: str, root: Path, whole: Batch, mark: Mark | None = None) -> Mark:
    backend = WandbBackend()
    backend.open(Target(store, root))
    mark = Mark("" if mark is None else mark.text)
    assert list(backend.write(dataclasses.replace(whole, mark=mark))) == []
    backend.close()
    return mark


def rows(directory: Path) -> list[dict[str, Any]]:
    found = [one.history for one in messages(directory) if one.HasField("history")]
    return [{item.nested_key[0]: json.loads(item.value_json) for item in one.item} for one in found]


def artifact(root: Path, path: str, content: bytes) -> records.Artifact:
    file = root / "artifacts" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    return records.Artifact(time=START, path=sealed(path), size=len(content), sha256=digest)
