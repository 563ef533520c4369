"""W&B's transaction logs keep what backends promise; read with W&B's own messages."""

from __future__ import annotations

import json
import math
import struct
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from wandb.proto import wandb_internal_pb2

from reticent import records
from reticent.backends.wandb import WandbBackend
from reticent.backends.wandb.mapping import STATUS, STEP
from reticent.backends.wandb.transactions import frames
from reticent.backends.wandb.transactions import records as read_records
from reticent.records import RunStatus
from reticent.testing import BackendContract
from reticent.testing.backend_contract import RUN, START, batch, example, param, sealed, started, tag


def messages(directory: Path, run_id: str = RUN) -> list[wandb_internal_pb2.Record]:
    """All of a run's log, without a part that was written twice."""
    (path,) = directory.glob(f"offline-run-*-{run_id}/run-{run_id}.wandb")
    found = [wandb_internal_pb2.Record.FromString(one) for one in read_records(path.read_bytes())]
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
