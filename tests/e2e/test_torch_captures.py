"""What is captured of plain loops in PyTorch, by scripts as users write them."""

from __future__ import annotations

from pathlib import Path

import torch
from tests.e2e.capturing import check_captures, script

TRAIN = """
import torch
from torch.utils.data import DataLoader, TensorDataset

def main():
    torch.manual_seed(0)
    X = torch.randn(70, 4)
    data, unseen = TensorDataset(X[:56], X[:56].sum(1, keepdim=True)), TensorDataset(X[56:], X[56:].sum(1, keepdim=True))
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
    training, validation = DataLoader(data, batch_size=8, shuffle=True), DataLoader(unseen, batch_size=7)
    losses = []
    for epoch in range(3):
        model.train()
        for batch, targets in training:
            optimizer.zero_grad()
            loss = torch.nn.functional.mse_loss(model(batch), targets)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        model.eval()
        with torch.no_grad():
            for batch, targets in validation:
                model(batch)
        scheduler.step()
        torch.save(model.state_dict(), f"epoch_{epoch}.pt")
    torch.save(losses, "losses.pt")

main()
"""


def test_a_training_is_captured(tmp_path: Path) -> None:
    (run,) = script(TRAIN, tmp_path)
    assert (run.status, run.name, run.warnings) == ("FINISHED", "Sequential", [])
    losses = torch.load(tmp_path / "losses.pt")
    assert run.metrics["loss"] == [(step, loss) for step, loss in enumerate(losses, 1)]
    assert len(losses) == 21
    assert run.metrics["learning_rate"] == [(1, 0.01), (15, 0.005)]
    assert run.metrics["epoch"] == [(7, 1.0), (14, 2.0), (21, 3.0)]
    assert [step for step, _ in run.metrics["validate_seconds"]] == [7, 14, 21]
    assert [step for step, _ in run.metrics["grad_norm"]] == [10, 20]
    assert run.params["optimizer_name"] == ("AdamW", "explicit")
    assert run.params["lr"] == ("0.01", "explicit")
    assert run.params["weight_decay"] == ("0.01", "default")
    assert run.params["scheduler_name"] == ("StepLR", "explicit")
    assert run.params["scheduler.gamma"] == ("0.5", "explicit")
    assert run.params["num_parameters"] == ("49", "derived")
    assert run.params["epochs"] == ("3", "derived")
    assert run.params["steps"] == ("21", "derived")
    assert run.params["batch_size"] == ("8", "derived")
    schema, profile = run.datasets["train", "train"]
    assert schema["features"] == {"type": "torch.Tensor", "shape": [56, 4], "dtype": "torch.float32"}
    assert profile["dataset"] == {"rows": 56}
    assert run.datasets["eval", "eval"][1]["dataset"] == {"rows": 14}
    assert run.models == ["model"]
    assert "model/input_example.json" in run.artifacts
    assert [path for path in run.artifacts if path.endswith(".pt")] == ["checkpoints/step_21/epoch_2.pt"]
    check_captures("torch", torch.__version__, {"train": run})


LOOP = """
import torch

model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(60):
    if step == 30:
        END
    model(torch.ones(2, 4)).sum().backward()
    optimizer.step()
"""


def test_a_training_that_dies_is_failed_with_all_points_that_it_had(tmp_path: Path) -> None:
    (tmp_path / "dies.py").write_text(
        "import reticent\nreticent.autolog()\n" + LOOP.replace("END", "raise KeyError(1)")
    )
    (run,) = script(
        "import subprocess, sys\nassert subprocess.run([sys.executable, 'dies.py']).returncode == 1", tmp_path
    )
    assert run.status == "FAILED"
    assert len(run.metrics["loss"]) == 30
    assert run.models == []


def test_the_model_of_a_loop_at_the_top_of_a_script_is_logged_at_its_end(tmp_path: Path) -> None:
    (run,) = script(LOOP.replace("END", "break"), tmp_path)
    assert run.status == "FINISHED"
    assert len(run.metrics["loss"]) == 30
    assert run.models == ["model"]
