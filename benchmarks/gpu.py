"""What does logging a loss tensor in every step cost a training on a GPU, and does the GPU wait for it?

Skipped where there is no CUDA. Steps of a few ms in a plain loop of PyTorch, in blocks of 100 in turns: bare, with
`log_metric("loss", loss)`, and with `loss.item()` given to it, as loggers do that know no tensors of a device. Each step
queues its kernels and goes on; a call that waits for the GPU leaves it idle afterwards. That is measured on the GPU itself,
by an event at the end of each step and one at the beginning of the next: the time between is what the stream stood still.
The time of a block is from its first step until the GPU has done all of its last one.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from benchmarks.environments import environment
from benchmarks.turns import Row, in_turns, ratio, rounds, spread

STEPS = 100
WIDTH, LAYERS, BATCH = 2048, 12, 1024
"""Some ms a step on the GPUs of today."""


def measure() -> list[Row]:
    if find_spec("torch") is None:
        print("left out: PyTorch is not installed", file=sys.stderr)
        return []
    with tempfile.TemporaryDirectory() as place:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.gpu"],
            env=environment({"RETICENT_DIR": f"{place}/root", "RETICENT_CAPTURE": '{"git": false, "system_s": 0}'}),
            cwd=place,
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
    rows: list[Row] = json.loads(done.stdout.splitlines()[-1])
    if not rows:
        print("left out: torch.cuda.is_available() is False here", file=sys.stderr)
    return rows


class Training:
    """On a device; each step returns its loss, a tensor there."""

    def __init__(self, device: str) -> None:
        import torch

        torch.manual_seed(0)
        layers = [part for _ in range(LAYERS) for part in (torch.nn.Linear(WIDTH, WIDTH), torch.nn.ReLU())]
        self.model = torch.nn.Sequential(*layers).to(device)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=1e-3)
        self.x, self.y = (torch.randn(BATCH, WIDTH, device=device) for _ in "xy")
        self.loss_of = torch.nn.functional.mse_loss

    def step(self) -> Any:
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss_of(self.model(self.x), self.y)
        loss.backward()
        self.optimizer.step()
        return loss


def block(training: Training, log: Callable[[Any, int], object]) -> dict[str, float]:
    """Milliseconds of a step, microseconds that the stream stood still between two, and those of a call on this thread."""
    import torch

    begins, ends = ([torch.cuda.Event(enable_timing=True) for _ in range(STEPS)] for _ in "be")
    calls = []
    torch.cuda.synchronize()
    start = time.perf_counter()
    for step in range(STEPS):
        begins[step].record()
        loss = training.step()
        ends[step].record()
        called = time.perf_counter()
        log(loss, step)
        calls.append(time.perf_counter() - called)
    torch.cuda.synchronize()
    took = time.perf_counter() - start
    stalls = [1e3 * end.elapsed_time(begin) for end, begin in zip(ends, begins[1:], strict=False)]
    return {
        "step ms": took / STEPS * 1e3,
        "stall us": sum(stalls) / len(stalls),
        "call us": sorted(calls)[STEPS // 2] * 1e6,
    }


def on_gpu() -> list[Row]:
    import torch

    import reticent

    if not torch.cuda.is_available():
        return []
    training, run = Training("cuda"), reticent.start_run("gpu")
    ways: dict[str, Callable[[Any, int], object]] = {
        "bare": lambda _loss, _step: None,
        "reticent, the tensor": lambda loss, step: run.log_metric("loss", loss, step),
        "reticent, loss.item()": lambda loss, step: run.log_metric("item", loss.item(), step),
    }
    for log in ways.values():
        block(training, log)  # what is compiled and allocated once
    times = rounds(20)
    took = in_turns({name: _settled(training, log) for name, log in ways.items()}, times)
    run.end()
    assert reticent.flush(60)
    stored = len(reticent.get_run(run.run_id).metric_history("loss"))
    return [
        {
            "loss logged": name,
            "GPU": torch.cuda.get_device_name(),
            **{key: spread(one[key] for one in blocks) for key in ("step ms", "stall us", "call us")},
            "step, times bare": ratio([one["step ms"] for one in blocks], [one["step ms"] for one in took["bare"]]),
            "stored": f"{stored:,} of {(times + 1) * STEPS:,}" if name == "reticent, the tensor" else "",
        }
        for name, blocks in took.items()
    ]


def _settled(training: Training, log: Callable[[Any, int], object]) -> Callable[[], dict[str, float]]:
    def measured() -> dict[str, float]:
        import reticent

        assert reticent.flush(60)  # what the last block left to do is none of this one's
        return block(training, log)

    return measured


if __name__ == "__main__":
    print("\n" + json.dumps(on_gpu()))
