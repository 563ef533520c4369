"""What does autologging add to a step of a plain loop in PyTorch?

A small network on the CPU, mini-batches by a DataLoader, one thread. Within one training, autologging is switched on and off
every 100 steps; compared is the median step of neighbors. Timed are whole steps (batch, forward, backward, optimizer),
as CPU time of the training thread. What is logged once, with the first steps, is another matter.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile

PAIRS = 100

SCRIPT = """
import json, statistics, sys, time
import torch
from torch.utils.data import DataLoader, TensorDataset
import reticent

torch.set_num_threads(1)
torch.manual_seed(0)
X, y = torch.randn(800, 32), torch.randn(800, 1)

def loop(clip):
    model = torch.nn.Sequential(torch.nn.Linear(32, 64), torch.nn.ReLU(), torch.nn.Linear(64, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    loader = DataLoader(TensorDataset(X, y), batch_size=8, shuffle=True)
    while True:
        taken = []
        start = time.thread_time_ns()
        for rows, targets in loader:
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(model(rows), targets).backward()
            if clip:
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            now = time.thread_time_ns()
            taken.append(now - start)
            start = now
        yield taken[1:]

rows = []
for name, clip in {"SGD, MLP of 2,177 parameters": False, "the same, gradients clipped": True}.items():
    reticent.autolog()
    blocks = loop(clip)
    for warming_up in range(5):
        next(blocks)
    assert reticent.flush(60)
    bare, logged = [], []
    for pair in range(int(sys.argv[1])):
        reticent.autolog(disable=True)
        bare.append(next(blocks))
        reticent.autolog()
        logged.append(next(blocks))
    added = sorted(statistics.median(after) - statistics.median(before) for before, after in zip(bare, logged))
    mean = statistics.median(statistics.fmean(after) - statistics.fmean(before) for before, after in zip(bare, logged))
    rows.append({
        "step": name,
        "bare us": statistics.median(sum(bare, [])) / 1e3,
        "autologged us": statistics.median(sum(logged, [])) / 1e3,
        "added us (median)": statistics.median(added) / 1e3,
        "added us (mean of all steps)": mean / 1e3,
    })
print(json.dumps(rows))
"""


def measure() -> list[dict[str, object]]:
    with tempfile.TemporaryDirectory() as root:
        output = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(PAIRS)],
            env={**os.environ, "RETICENT_DIR": root, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    rows: list[dict[str, object]] = json.loads(output)
    return rows
