"""What does autologging add to a step of a plain loop in PyTorch?

A small network on the CPU, mini-batches by a DataLoader, one thread. Within one training, autologging is switched on
and off every 100 steps; compared is the median step of neighbors. Timed are whole steps (batch, forward, backward,
optimizer), as CPU time of the training thread, and by the clock, which has the waiting for Python's lock too, and all
else that the machine does. What is logged once, with the first steps, is another matter. Beside it, in the same way,
what people write by hand: the loss appended to a list, and given to TensorBoard, in every step.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile

from benchmarks.environments import environment
from benchmarks.turns import Row, rounds

PAIRS = 25

SCRIPT = """
import itertools, json, statistics, sys, time
import torch
from torch.utils.data import DataLoader, TensorDataset
import reticent
from benchmarks.turns import say, spread

torch.set_num_threads(1)
torch.manual_seed(0)
X, y = torch.randn(800, 32), torch.randn(800, 1)

def loop(clip, by_hand):
    model = torch.nn.Sequential(torch.nn.Linear(32, 64), torch.nn.ReLU(), torch.nn.Linear(64, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    loader = DataLoader(TensorDataset(X, y), batch_size=8, shuffle=True)
    while True:
        taken, began, start = [], time.perf_counter_ns(), time.thread_time_ns()
        for rows, targets in loader:
            optimizer.zero_grad()
            loss = torch.nn.functional.mse_loss(model(rows), targets)
            loss.backward()
            if clip:
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            if by_hand:
                by_hand[0](loss)
            ended, now = time.perf_counter_ns(), time.thread_time_ns()
            taken.append((now - start, ended - began))
            began, start = ended, now
        yield taken[1:]

def compare(name, clip, switch_on, switch_off, by_hand=()):
    say(name)
    switch_on()
    blocks = loop(clip, by_hand)
    for warming_up in range(5):
        next(blocks)
    assert reticent.flush(60)
    bare, logged = [], []
    for pair in range(int(sys.argv[1])):
        switch_off()
        bare.append(next(blocks))
        switch_on()
        logged.append(next(blocks))
    switch_off()
    return {
        "step": name,
        "bare us": spread(statistics.median(busy for busy, _ in block) / 1e3 for block in bare),
        "added us": spread(_added(statistics.median, bare, logged, 0)),
        "added to the mean us": spread(_added(statistics.fmean, bare, logged, 0)),
        "added by the clock us": spread(_added(statistics.median, bare, logged, 1)),
    }

def _added(middle, bare, logged, which):
    us = lambda block: middle(step[which] for step in block) / 1e3
    return [us(after) - us(before) for before, after in zip(bare, logged)]

off = lambda: reticent.autolog(disable=True)
rows = [
    compare("autologged", False, reticent.autolog, off),
    compare("autologged, gradients clipped", True, reticent.autolog, off),
]
hand, losses, count = [], [], itertools.count()
append = lambda loss: losses.append(loss.item())
rows.append(compare("by hand: losses.append(loss.item())", False, lambda: hand.append(append), hand.clear, hand))
try:
    from torch.utils.tensorboard import SummaryWriter
except ImportError:
    print("TensorBoard is not installed: left out", file=sys.stderr)
else:
    writer = SummaryWriter(sys.argv[2])
    scalar = lambda loss: writer.add_scalar("loss", loss.item(), next(count))
    name = "by hand: TensorBoard's writer.add_scalar('loss', loss.item(), step)"
    rows.append(compare(name, False, lambda: hand.append(scalar), hand.clear, hand))
print(json.dumps(rows))
"""


def measure() -> list[Row]:
    with tempfile.TemporaryDirectory() as root:
        output = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(rounds(PAIRS)), f"{root}/tensorboard"],
            env=environment({"RETICENT_DIR": root, "TF_CPP_MIN_LOG_LEVEL": "3"}),
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout
    rows: list[Row] = json.loads(output.splitlines()[-1])
    return rows
