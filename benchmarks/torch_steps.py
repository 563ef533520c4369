"""What does autologging add to a step of a plain loop in PyTorch?

A small network on the CPU, mini-batches by a DataLoader, one thread. Blocks of bare and of autologged steps in one process
take turns. Timed are whole steps (batch, forward, backward, optimizer), as CPU time of the training thread. The first steps
of a training, which log its params, model and data, are not among them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile

BLOCKS = 40

SCRIPT = """
import json, statistics, sys, time
import torch
from torch.utils.data import DataLoader, TensorDataset
import reticent

torch.set_num_threads(1)
torch.manual_seed(0)
X, y = torch.randn(6400, 32), torch.randn(6400, 1)

def times(clip):
    model = torch.nn.Sequential(torch.nn.Linear(32, 64), torch.nn.ReLU(), torch.nn.Linear(64, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 50)
    taken = []
    start = time.thread_time_ns()
    for rows, targets in DataLoader(TensorDataset(X, y), batch_size=32, shuffle=True):
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(rows), targets).backward()
        if clip:
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        now = time.thread_time_ns()
        taken.append(now - start)
        start = now
    return taken[5:-1]

rows = []
for name, clip in {"SGD, MLP of 2,177 parameters": False, "the same, gradients clipped": True}.items():
    bare, logged = [], []
    for block in range(int(sys.argv[1]) + 1):
        one = times(clip)
        reticent.autolog()
        other = times(clip)
        reticent.autolog(disable=True)
        assert reticent.flush(60)
        if block:
            bare.append(one)
            logged.append(other)
    added = sorted(statistics.median(after) - statistics.median(before) for before, after in zip(bare, logged))
    mean = statistics.median(statistics.fmean(after) - statistics.fmean(before) for before, after in zip(bare, logged))
    rows.append({
        "step": name,
        "bare us": statistics.median(sum(bare, [])) / 1e3,
        "autologged us": statistics.median(sum(logged, [])) / 1e3,
        "added us (median)": statistics.median(added) / 1e3,
        "p90 us": added[int(len(added) * 0.9)] / 1e3,
        "added us (mean of all steps)": mean / 1e3,
    })
print(json.dumps(rows))
"""


def measure() -> list[dict[str, object]]:
    with tempfile.TemporaryDirectory() as root:
        output = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(BLOCKS)],
            env={**os.environ, "RETICENT_DIR": root, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    rows: list[dict[str, object]] = json.loads(output)
    return rows
