"""Distributed trainings by real processes: one run for all ranks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import reticent


def launch(root: Path, code: str, ranks: int = 2) -> None:
    """Run a script by torchrun, as users do on one machine."""
    script = root.parent / "train.py"
    script.write_text(code)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "RETICENT_CAPTURE": '{"git": false, "system_s": 0.2}'}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=180, cwd=root.parent)
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
    torch.distributed.barrier()  # rank 0 has ended the run
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


LOOP = """
import time, torch
import reticent
reticent.autolog()
from torch.nn.parallel import DistributedDataParallel
torch.distributed.init_process_group("gloo")
rank = torch.distributed.get_rank()
torch.manual_seed(0)
model = DistributedDataParallel(torch.nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(40):
    inputs = torch.randn(8, 4)
    if rank == 1:
        time.sleep(0.02)  # the slow one
    loss = model(inputs).square().mean()
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
torch.distributed.destroy_process_group()
"""

LIGHTNING = """
import time, torch
import reticent
reticent.autolog()
import lightning
class Model(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 1)
    def training_step(self, batch):
        if self.global_rank == 1:
            time.sleep(0.02)
        loss = self.layer(batch[0]).square().mean()
        self.log("train_loss", loss)
        return loss
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)
data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.randn(160, 4)), batch_size=2)
trainer = lightning.Trainer(
    max_epochs=1, accelerator="cpu", devices=2, strategy="ddp", logger=False, enable_progress_bar=False, log_every_n_steps=1
)
trainer.fit(Model(), data)
"""

TRAINER = """
import time, torch, transformers
import reticent
reticent.autolog()
class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 1)
    def forward(self, x, labels=None):
        if torch.distributed.get_rank() == 1:
            time.sleep(0.02)
        return {"loss": self.layer(x).square().mean()}
data = [{"x": torch.randn(4), "labels": torch.zeros(1)} for _ in range(160)]
arguments = transformers.TrainingArguments(
    "output", use_cpu=True, max_steps=40, per_device_train_batch_size=2, logging_steps=10, report_to=[], save_strategy="no",
    disable_tqdm=True,
)
transformers.Trainer(Model(), arguments, train_dataset=data).train()
"""


def check_straggler(root: Path, loss: str, points: int) -> None:
    """One run, with the losses of rank 0 once, and times of both ranks that tell which of them the other waits for."""
    reticent.sync()
    (run,) = reticent.search_runs()
    assert run.status.value == "FINISHED"
    assert len(run.metric_history(loss)) == points
    assert not [key for key in run.metrics if key.startswith("rank_1/") and key.endswith(loss)]
    for rank in (0, 1):
        times = {part: run.metrics[f"rank_{rank}/step_seconds_{part}"] for part in ("min", "mean", "max")}
        assert 0 < times["min"] <= times["mean"] <= times["max"]
        assert run.metrics[f"rank_{rank}/step_seconds_mean"] > 0.015, "each rank waits for the slow one"
    own = [run.metrics[f"rank_{rank}/data_and_forward_seconds_mean"] for rank in (0, 1)]
    assert own[1] > max(0.015, own[0])


def test_a_loop_is_one_run_and_the_slow_rank_is_seen(root: Path) -> None:
    launch(root, LOOP)
    check_straggler(root, "loss", 40)


def test_transformers_is_one_run(root: Path) -> None:
    launch(root, TRAINER)
    check_straggler(root, "loss", 4)


def test_lightning_that_starts_its_ranks_itself_is_one_run(root: Path) -> None:
    script = root.parent / "train.py"
    script.write_text(LIGHTNING)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, env=environment, timeout=180, cwd=root.parent
    )
    assert done.returncode == 0, done.stderr
    check_straggler(root, "train_loss", 40)


def test_a_process_that_is_taken_for_another_rank_says_that_nothing_was_captured(root: Path) -> None:
    lines = (
        "import reticent",
        "reticent.autolog()",
        "from sklearn.linear_model import Ridge",
        "Ridge().fit([[0], [1]], [0, 1])",
    )
    code = "\n".join(lines)
    left = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "29500"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **left}, timeout=60)
    assert done.returncode == 0
    assert "this process is rank 1 of a distributed training" in done.stderr
    assert reticent.search_runs() == []
