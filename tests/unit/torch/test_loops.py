"""Plain loops of all kinds: which steps and losses are those of a training, and where one training ends."""

from __future__ import annotations

import gc
import threading
import warnings
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim import optimizer as optimizer_module
from torch.utils.data import DataLoader, TensorDataset

import reticent
from reticent.testing.captured import captured
from reticent.testing.isolation import isolated
from reticent_integrations.torch import ending, training

from .plain_loops import X, make, one, steps


@pytest.fixture(autouse=True)
def root(tmp_path: Path) -> Iterator[Path]:
    with isolated(tmp_path / "root", backends="") as root:
        reticent.autolog(sklearn=False)
        yield root


def collect_garbage() -> None:
    """And wait until the trainings that end by it have ended."""
    gc.collect()
    done = threading.Event()
    ending._jobs.put(done.set)
    assert done.wait(10)


def test_two_optimizers_in_turns_are_one_run_with_losses_apart(root: Path) -> None:
    def gan() -> None:
        (critic, first), (generator, second) = make(), make()
        for _ in range(3):
            steps(critic, first, 3)
            steps(generator, second, 1)

    gan()
    run = one(root)
    assert len(run.metrics["loss"]) == 9
    assert [step for step, _ in run.metrics["optimizer_2.loss"]] == [1, 2, 3]
    assert run.params["optimizer_2.optimizer_name"] == "SGD"
    assert run.models == ["model", "model_2"]


def test_an_optimizer_for_parameters_in_training_goes_on_with_the_run(root: Path) -> None:
    def phases() -> None:
        model, optimizer = make()
        steps(model, optimizer, 3)
        optimizer = torch.optim.Adam(model.parameters())
        steps(model, optimizer, 2)

    phases()
    run = one(root)
    assert [step for step, _ in run.metrics["loss"]] == [1, 2, 3, 4, 5]
    assert (run.params["optimizer_name"], run.params["optimizer_2.optimizer_name"]) == ("SGD", "Adam")
    assert run.models == ["model"]


def test_trainings_that_were_prepared_together_are_runs_of_their_own(root: Path) -> None:
    def all_of_them() -> None:
        for model, optimizer in [make() for _ in range(3)]:
            for _ in range(2):
                for _batch in DataLoader(TensorDataset(X), batch_size=4):
                    steps(model, optimizer, 1)

    all_of_them()
    assert [run.params["epochs"] for run in captured(root)] == ["2", "2", "2"]


def test_an_optimizer_that_steps_once_an_epoch_is_of_the_same_training(root: Path) -> None:
    def loop() -> None:
        (model, often), (other, rarely) = make(), make()
        for _ in range(2):
            for _batch in DataLoader(TensorDataset(X), batch_size=2):
                steps(model, often, 1)
            steps(other, rarely, 1)

    loop()
    assert [step for step, _ in one(root).metrics["optimizer_2.loss"]] == [1, 2]


@pytest.mark.parametrize("whole", [True, False])
def test_validation_with_gradients_within_an_epoch_is_none(root: Path, whole: bool) -> None:
    def loop() -> None:
        model, optimizer = make()
        data, held_out = TensorDataset(X), DataLoader(TensorDataset(X.clone()), batch_size=2)
        for _ in range(2):
            for number, _batch in enumerate(DataLoader(data, batch_size=1)):
                if number == 1:
                    for (rows,) in held_out if whole else [next(iter(held_out))]:
                        model(rows)
                steps(model, optimizer, 1)

    loop()
    run = one(root)
    assert run.params["epochs"] == "2"
    assert [step for step, _ in run.metrics["epoch"]] == [4, 8]
    assert ("validate_seconds" in run.metrics) is whole
    assert [context for _, context in run.datasets] == ["train", "eval"][: 1 + whole]


def test_data_that_is_made_anew_for_each_epoch_is_told_by_its_place(root: Path) -> None:
    def evaluate(model: torch.nn.Module, data: torch.Tensor) -> None:
        with torch.no_grad():
            for (rows,) in DataLoader(TensorDataset(data), batch_size=2):
                model(rows)

    def loop() -> None:
        model, optimizer = make()
        tested = DataLoader(TensorDataset(X[:2]), batch_size=2)
        for epoch in range(4):
            for _batch in DataLoader(TensorDataset(torch.rand(4, 3)), batch_size=2):
                steps(model, optimizer, 1)
            if epoch:
                evaluate(model, torch.rand(4, 3))
            evaluate(model, X)  # the same again, if in another place
        for (rows,) in tested:
            model(rows)

    loop()
    run = one(root)
    assert run.datasets == [("train", "train"), ("eval", "eval"), ("eval_2", "eval"), ("eval_3", "eval")]
    assert {
        name: len(points) for name, points in run.metrics.items() if name.endswith("_seconds") and "val" in name
    } == {
        "validate_seconds": 4,
        "validate_2_seconds": 3,
        "validate_3_seconds": 1,
    }


def test_a_new_training_ends_the_one_before(root: Path) -> None:
    kept = make()
    steps(*kept, 3)
    steps(*make(), 2)
    first, second = captured(root)
    assert (first.status, second.status) == ("FINISHED", "FINISHED")
    assert (len(first.metrics["loss"]), len(second.metrics["loss"])) == (3, 2)


def test_optimizers_made_within_the_steps_of_another_make_few_runs(root: Path) -> None:
    model, optimizer = make()
    for _ in range(10):
        steps(*make(), 2)
        steps(model, optimizer, 1)
    del model, optimizer
    assert len(captured(root)) <= 4


def test_a_training_that_is_collected_as_garbage_ends_soon(root: Path) -> None:
    class Trainer:
        def __init__(self) -> None:
            self.model, self.optimizer = make()
            self.me = self

    steps(*(lambda trainer: (trainer.model, trainer.optimizer))(Trainer()), 2)
    collect_garbage()
    assert one(root).status == "FINISHED"
    assert reticent.active_run() is None


def test_workers_that_a_loader_keeps_end_with_it(root: Path) -> None:
    """In garbage, each would be waited for 5 s by whatever thread collects it."""
    data = torch.utils.data.TensorDataset(X)

    def loop() -> weakref.ref[Any]:
        model, optimizer = make()
        loader = torch.utils.data.DataLoader(data, num_workers=1, persistent_workers=True)
        for _ in range(2):
            for _ in loader:
                steps(model, optimizer, 1)
        return weakref.ref(loader._iterator)

    make()  # the first one imports what leaves errors with all frames around it as garbage
    gc.disable()
    try:
        assert loop()() is None
    finally:
        gc.enable()
    assert one(root).metrics["epoch"][-1][1] == 2


def test_a_loss_that_no_copy_of_can_be_awaited_is_left_out(root: Path) -> None:
    def loop() -> None:
        model = torch.nn.Linear(3, 2, device="meta")
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(10):
            model(X.to("meta")).pow(2).mean().backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()

    loop()
    (run,) = captured(root)
    assert "learning_rate" in run.metrics
    assert not {"loss", "grad_norm"} & set(run.metrics)
    assert not any("metric" in warning for warning in map(str, run.warnings))


def test_gradients_of_several_batches_make_one_step(root: Path) -> None:
    def loop() -> None:
        model, optimizer = make()
        for _ in range(3):
            optimizer.zero_grad()
            for part in (1.0, 2.0, 6.0):
                (model(X).sum() * 0 + part).backward()
            optimizer.step()

    loop()
    run = one(root)
    assert run.metrics["loss"] == [(1, 3.0), (2, 3.0), (3, 3.0)]
    assert run.params["backward_per_step"] == "3"
    assert run.params["steps"] == "3"


def test_a_scaled_loss_is_logged_as_it_was_and_a_step_left_out_is_none(root: Path) -> None:
    def loop() -> list[float]:
        model, optimizer = make()
        scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
        losses = []
        for step in range(4):
            optimizer.zero_grad()
            loss = model(X).pow(2).mean() * (float("inf") if step == 2 else 1)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            losses.append(loss.item())
        return losses

    losses = loop()
    run = one(root)
    assert run.metrics["loss"] == [(1, losses[0]), (2, losses[1]), (3, losses[3])]
    assert run.params["skipped_steps"] == "1"


def test_a_closure_gives_the_loss_before_the_step(root: Path) -> None:
    def loop() -> list[float]:
        model = torch.nn.Linear(3, 2)
        optimizer = torch.optim.LBFGS(model.parameters(), max_iter=5)

        def closure() -> Any:
            optimizer.zero_grad()
            loss = (model(X) - 1).pow(2).mean()
            loss.backward()
            return loss

        return [optimizer.step(closure).item() for _ in range(3)]  # type: ignore[union-attr, arg-type]

    losses = loop()
    assert one(root).metrics["loss"] == list(enumerate(losses, 1))


def test_the_norm_is_that_before_clipping(root: Path) -> None:
    def loop() -> list[float]:
        model, optimizer = make()
        norms = []
        for _ in range(3):
            optimizer.zero_grad()
            model(X).pow(2).sum().backward()
            norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1).item())
            optimizer.step()
        return norms

    norms = loop()
    assert one(root).metrics["grad_norm"] == list(enumerate(norms, 1))


def test_every_nth_step_and_the_last_one(root: Path) -> None:
    reticent.autolog(sklearn=False, torch={"every_n_steps": 4})

    def loop() -> list[float]:
        model, optimizer = make()
        losses = []
        for _ in range(10):
            loss = model(X).pow(2).sum()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)
            optimizer.step()
            losses.append(loss.item())
        return losses

    losses, run = loop(), one(root)
    assert run.metrics["loss"] == [(step, losses[step - 1]) for step in (4, 8, 10)]
    assert [step for step, _ in run.metrics["grad_norm"]] == [4, 8, 10]


@pytest.mark.parametrize(("asked", "told"), [({}, [10]), ({"grad_norm_every_n_steps": 10}, [10, 20, 30])])
def test_norms_are_left_out_for_their_time_unless_they_were_asked_for(
    root: Path, monkeypatch: pytest.MonkeyPatch, asked: dict[str, int], told: list[int]
) -> None:
    monkeypatch.setattr(training, "NORM_SECONDS", 0.0)
    monkeypatch.setattr(training, "NORM_SHARE", 0.0)
    reticent.autolog(sklearn=False, torch=asked)

    def loop() -> None:
        steps(*make(), 30)

    loop()
    assert [step for step, _ in one(root).metrics["grad_norm"]] == told


def test_an_error_in_a_backward_hook_is_that_of_the_run_until_the_loop_goes_on(root: Path) -> None:
    model, optimizer = make()
    steps(model, optimizer, 2)

    def fail(_: torch.Tensor) -> None:
        raise RuntimeError("out of memory")

    handle = model.weight.register_hook(fail)  # type: ignore[union-attr]
    with pytest.raises(RuntimeError, match="out of memory"):
        steps(model, optimizer, 1)
    assert captured(root)[0].status == "FAILED"
    handle.remove()
    steps(model, optimizer, 2)
    del model, optimizer
    collect_garbage()  # the error has them too
    run = one(root)
    assert run.status == "FINISHED"
    assert [step for step, _ in run.metrics["loss"]] == [1, 2, 3, 4]


def test_nothing_random_is_drawn_and_no_mode_changed(root: Path) -> None:
    def loop() -> list[Any]:
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Dropout(0.5), torch.nn.BatchNorm1d(4))
        optimizer = torch.optim.Adam(model.parameters())
        losses = steps(model, optimizer, 25)
        return [*losses, model.training, torch.rand(1).item(), *(len(one._forward_hooks) for one in model.modules())]

    logged = loop()
    reticent.autolog(disable=True)
    assert loop() == logged


def test_nothing_is_left_in_pytorch_when_disabled() -> None:
    assert optimizer_module._global_optimizer_post_hooks
    reticent.autolog(disable=True)
    assert not optimizer_module._global_optimizer_post_hooks


@pytest.mark.parametrize("by_collection", [False, True])
def test_collections_are_followed_for_as_long_as_a_training_is(
    root: Path, by_collection: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ending, "_watched", {})  # others of this process may be kept alive by a failed test's traceback
    ending._follow_collections()
    assert ending._note not in gc.callbacks

    def loop() -> None:
        model, optimizer = make()
        if by_collection:
            optimizer.itself = optimizer
        steps(model, optimizer, 2)
        assert ending._note in gc.callbacks

    loop()
    collect_garbage()
    assert one(root).status == "FINISHED"
    assert ending._note not in gc.callbacks


def test_a_model_that_holds_its_optimizer_is_not_kept(root: Path) -> None:
    class Whole(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.part = torch.nn.Linear(3, 2)
            self.optimizer = torch.optim.SGD(self.part.parameters(), lr=0.1)

        def forward(self, x: torch.Tensor) -> Any:
            return self.part(x)

    def loop() -> None:
        model = Whole()
        assert sum(one.numel() for one in model.parameters()) == 8
        steps(model, model.optimizer, 2)

    loop()
    assert one(root).status == "FINISHED"


def test_histograms_are_logged_when_wanted(root: Path) -> None:
    reticent.autolog(sklearn=False, torch={"histograms_every_n_steps": 2})

    def loop() -> None:
        steps(*make(), 4)

    loop()
    assert {"histograms/step_2.json", "histograms/step_4.json"} <= set(one(root).artifacts)


def test_a_compiled_model_is_not_compiled_again(root: Path) -> None:
    def loop() -> int:
        torch._dynamo.reset()
        model = torch.nn.Linear(3, 2)
        compiled = torch.compile(model, backend=counting)
        optimizer = torch.optim.SGD(compiled.parameters(), lr=0.1)
        steps(compiled, optimizer, 4)
        return len(graphs)

    graphs: list[Any] = []

    def counting(graph: Any, _: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    assert loop() == 1
    run = one(root)
    assert run.params["model_class"] == "Linear"
    assert len(run.metrics["loss"]) == 4


def test_what_the_user_compiles_is_not_broken_by_hooks(root: Path) -> None:
    def loop() -> tuple[int, list[float]]:
        torch._dynamo.reset()
        torch._dynamo.utils.counters.clear()
        torch.manual_seed(0)
        model, optimizer = make()

        @torch.compile(backend="eager", fullgraph=True)
        def compute(x: torch.Tensor) -> torch.Tensor:
            return model(x).pow(2).mean()

        @torch.compile(backend="eager")
        def step() -> torch.Tensor:
            optimizer.zero_grad()
            loss = model(X).pow(2).mean()
            loss.backward()
            optimizer.step()
            return loss.detach()

        losses = steps(model, optimizer, 1)
        for _ in range(3):
            optimizer.zero_grad()
            loss = compute(X)
            loss.backward()
            optimizer.step()
            losses += [loss.item(), float(step())]
        return sum(torch._dynamo.utils.counters["graph_break"].values()), losses

    found = loop()
    reticent.autolog(disable=True)
    assert found == loop()
    assert len(one(root).metrics["loss"]) >= 4


def test_a_scripted_model_is_captured_without_an_example(root: Path) -> None:
    def loop() -> None:
        model = torch.jit.script(torch.nn.Linear(3, 2))
        steps(model, torch.optim.SGD(model.parameters(), lr=0.1), 2)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's, of what will go
        loop()
    run = one(root)
    assert len(run.metrics["loss"]) == 2
