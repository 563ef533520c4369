"""TensorBoard's event files keep what backends promise, as TensorBoard's own reader finds them."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import api_pb2, metadata
from tensorboard.util.tensor_util import make_ndarray

from reticent import records
from reticent.backends.tensorboard import TensorBoardBackend
from reticent.testing import BackendContract
from reticent.testing.batches import RUN, START, batch, example, param, sealed, started, tag

EVERYTHING = {"scalars": 0, "tensors": 0, "images": 0}


def directories(url: str, run_id: str) -> list[Path]:
    return list(Path(url.removeprefix("tensorboard://")).glob(f"*-{run_id[:8]}"))


def accumulated(directory: Path) -> EventAccumulator:
    return EventAccumulator(str(directory), size_guidance=EVERYTHING).Reload()


def table(found: EventAccumulator, name: str) -> dict[str, str]:
    if name not in found.Tags()["tensors"]:
        return {}
    (event,) = found.Tensors(name)
    return {key.decode(): value.decode() for key, value in make_ndarray(event.tensor_proto)}


def hparams(found: EventAccumulator) -> dict[str, Any]:
    content = found.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
    start = metadata.parse_session_start_info_plugin_data(content)
    return {key: getattr(value, value.WhichOneof("kind")) for key, value in start.hparams.items()}


class TestTensorBoard(BackendContract):
    backend = TensorBoardBackend

    def url(self, directory: Path) -> str:
        return f"tensorboard://{directory}/store"

    def stored(self, value: float) -> float:
        with np.errstate(over="ignore", under="ignore"):
            return float(np.float32(value))

    def read(self, url: str, run_id: str) -> dict[str, object]:
        if not (found := directories(url, run_id)):
            return {}
        (directory,) = found
        read = accumulated(directory)
        params = table(read, "run/params")
        assert hparams(read).keys() == params.keys()
        metrics = {
            key: sorted(((one.step, one.value) for one in read.Scalars(key)), key=lambda point: point[0])
            for key in read.Tags()["scalars"]
        }
        kept = (directory / "artifacts").rglob("*")
        return {
            "status": table(read, "run/run")["status"],
            "params": params,
            "tags": table(read, "run/tags"),
            "metrics": metrics,
            "artifacts": sorted(str(path.relative_to(directory / "artifacts")) for path in kept if path.is_file()),
        }

    def test_the_hparams_dashboard_gets_numbers_and_the_end(self, store: str, tmp_path: Path) -> None:
        params = {"lr": "1e-3", "layers": "4", "nesterov": "True", "opt": "adam", "limit": "nan"}
        self.write(store, tmp_path, batch(tmp_path, *map(param, params, params.values())))
        (directory,) = directories(store, RUN)
        assert directory.name == "calm-owl-7-3f2a90c1"
        read = accumulated(directory)
        assert hparams(read) == {"lr": 0.001, "layers": 4.0, "nesterov": True, "opt": "adam", "limit": "nan"}
        assert metadata.SESSION_END_INFO_TAG not in read.Tags()["tensors"]

        mark = self.write(store, tmp_path, batch(tmp_path, *map(param, params, params.values())))
        ended = records.RunEnded(time=START + 1, status=records.RunStatus.KILLED)
        self.write(store, tmp_path, batch(tmp_path, started(), param("lr", "1e-2"), ended), mark=mark)
        read = accumulated(directory)
        assert hparams(read)["lr"] == 0.01
        content = read.SummaryMetadata(metadata.SESSION_END_INFO_TAG).plugin_data.content
        assert metadata.parse_session_end_info_plugin_data(content).status == api_pb2.STATUS_FAILURE

    def test_pictures_and_texts_are_shown(self, store: str, tmp_path: Path) -> None:
        picture = io.BytesIO()
        Image.new("RGB", (7, 5)).save(picture, "PNG")
        files = {
            "plots/roc.png": picture.getvalue(),
            "plots/broken.png": b"no picture",
            "notes.md": b"# Head",
            "log.txt": b"a\nb",
            "model.bin": b"\0\1",
        }
        kept = []
        for path, content in files.items():
            (tmp_path / "artifacts" / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "artifacts" / path).write_bytes(content)
            digest = hashlib.sha256(content).hexdigest()
            kept.append(records.Artifact(time=START, path=sealed(path), size=len(content), sha256=digest))
        self.write(store, tmp_path, batch(tmp_path, *kept))
        (directory,) = directories(store, RUN)
        read = accumulated(directory)
        assert read.Tags()["images"] == ["artifacts/plots/roc.png"]
        (image,) = read.Images("artifacts/plots/roc.png")
        assert (image.width, image.height, image.encoded_image_string) == (7, 5, picture.getvalue())
        texts = {
            tag: make_ndarray(read.Tensors(tag)[0].tensor_proto).item().decode()
            for tag in read.Tags()["tensors"]
            if tag.startswith("artifacts/")
        }
        assert texts == {"artifacts/notes.md": "# Head", "artifacts/log.txt": "    a\n    b"}
        assert self.read(store, RUN)["artifacts"] == sorted(files), "all files are kept as such, too"

    def test_a_run_sealed_anew_under_another_name_leaves_nothing_of_the_former_one(
        self, store: str, tmp_path: Path
    ) -> None:
        self.write(store, tmp_path, example(tmp_path))
        again = msgspec.structs.replace(started(), name=sealed("other"))
        self.write(store, tmp_path, dataclasses.replace(batch(tmp_path, again, tag("a", "b")), started=again))
        (directory,) = directories(store, RUN)
        assert directory.name == "other-3f2a90c1"
        assert self.read(store, RUN)["params"] == {}


@pytest.mark.parametrize("part", ["write", "open"])
def test_tensorflow_is_not_imported(tmp_path: Path, part: str) -> None:
    """Its import takes seconds, beside a training that may not use it."""
    code = f"""
import sys
from pathlib import Path
from reticent.backends import Target
from reticent.backends.tensorboard import TensorBoardBackend
from reticent.testing.batches import example
backend = TensorBoardBackend()
backend.open(Target("tensorboard", Path({str(tmp_path)!r})))
if {part!r} == "write":
    backend.write(example(Path({str(tmp_path)!r})))
loaded = [name for name in ("tensorflow", "tensorboard") if name in sys.modules]
print(*loaded)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == (["tensorboard"] if part == "write" else [])
