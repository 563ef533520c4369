"""`kill -9` of a training right after it has written to a store, and of a sync after it: in the end each store of files has
everything once."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from tests.contract.test_jsonl_contract import TestJsonLines as JsonLines
from tests.contract.test_parquet_contract import TestParquet as Parquet
from tests.contract.test_tensorboard_contract import TestTensorBoard as TensorBoard
from tests.fault.conftest import Start

STORES = {"jsonl": JsonLines, "parquet": Parquet, "tensorboard": TensorBoard}

# What has been written is not noted: the process dies in between, at the given delivery to the given store.
DYING = """
import os, signal, time
from reticent.progress import ProgressFiles
save, written = ProgressFiles.save, []
def dying(self, run_id, progress):
    written.append(self.directory.name.startswith({store!r}))
    if written.count(True) == {delivery}:
        os.kill(os.getpid(), signal.SIGKILL)
    save(self, run_id, progress)
ProgressFiles.save = dying
"""
TRAINING = """
import reticent
with reticent.start_run("loop", run_id="killed"):
    for step in range(10_000_000):
        reticent.log_metric("loss", step * 0.5, step=step)
        if step % 100 == 0:
            reticent.log_param(f"p{step}", step)
            reticent.log_text(f"text {step}", f"notes/{step}.txt")
        time.sleep(0.0005)
"""
SYNC = """
import sys
from reticent.cli import main
sys.argv = ["reticent", "sync"]
main()
"""


@pytest.mark.parametrize("store", STORES)
def test_everything_is_there_once_after_kills(store: str, root: Path, start: Start) -> None:
    urls = [f"{name}://{root}/{name}" for name in STORES]
    environment = {"RETICENT_BACKENDS": ",".join(urls), "RETICENT_DELIVER_S": "0.1"}
    for script, delivery in ((TRAINING, 3), (SYNC, 1)):
        killed = start(DYING.format(store=store, delivery=delivery) + script, wait=False, **environment)
        killed.communicate(timeout=120)
        assert killed.returncode == -signal.SIGKILL
    last = start(SYNC, wait=False, **environment)
    said = last.communicate(timeout=120)
    assert last.returncode == 0, said
    found = {name: contract().read(f"{name}://{root}/{name}", "killed") for name, contract in STORES.items()}
    for one in found.values():
        one.pop("aliases", None)  # which not all of them have
    assert found["jsonl"] == found["parquet"] == found["tensorboard"]
    metrics = found["jsonl"]["metrics"]
    assert isinstance(metrics, dict)
    assert metrics["loss"] == [(step, step * 0.5) for step in range(len(metrics["loss"]))]
    assert found["jsonl"]["status"] == "CRASHED"
