"""Distributed trainings by real processes: one run for all ranks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import reticent

pytest.importorskip("torch", reason="needs torch, for its launcher and gloo")


def launch(root: Path, code: str, ranks: int = 2) -> None:
    """Run a script by torchrun, as users do on one machine."""
    script = root.parent / "train.py"
    script.write_text(code)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "RETICENT_CAPTURE": '{"git": false, "system_s": 0.2}'}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=180)
    assert done.returncode == 0, done.stderr


BY_HAND = """
import time, torch.distributed, reticent
torch.distributed.init_process_group("gloo")
rank = torch.distributed.get_rank()
for number in range(2):
    with reticent.start_run(f"training {number}"):
        reticent.log_metric("loss", float(rank), step=number)
        reticent.log_param("seed", 7 + rank)
        reticent.log_text(f"of rank {rank}", "notes.txt")
        time.sleep(0.8)
        torch.distributed.barrier()
torch.distributed.destroy_process_group()
"""


def test_what_ranks_log_by_hand_is_one_run(root: Path) -> None:
    launch(root, BY_HAND)
    reticent.sync()
    runs = sorted(reticent.search_runs(), key=lambda run: run.name)
    assert [(run.name, run.status.value) for run in runs] == [("training 0", "FINISHED"), ("training 1", "FINISHED")]
    for number, run in enumerate(runs):
        assert [(point.step, point.value) for point in run.metric_history("loss")] == [(number, 0.0)]
        assert [(point.step, point.value) for point in run.metric_history("rank_1/loss")] == [(number, 1.0)]
        assert run.params["seed"] == "7"
        assert run.params["rank_1/seed"] == "8"
        assert run.artifact_path("notes.txt").read_text() == "of rank 0"
        assert run.artifact_path("rank_1/notes.txt").read_text() == "of rank 1"
        for rank in ("", "rank_1/"):
            assert run.metrics[f"{rank}system/process_memory_usage_megabytes"] > 10
    assert not list((root / "open").iterdir())
