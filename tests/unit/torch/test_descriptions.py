"""Data loaders and optimizers are described by what they hold, without a batch drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import ConcatDataset, DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from reticent_integrations.torch import loaders, optimizers

X, Y = torch.arange(40.0).reshape(10, 4), torch.tensor([0, 1] * 5)


class Unread(Dataset[Any]):
    """Data that must not be indexed."""

    def __init__(self, numbers: Any) -> None:
        self.data = numbers
        self.labels = [1, 2, 3]
        self.root = "/data/flowers"
        self.samples = [("/data/flowers/a/1.png", 0), ("/data/flowers/b/2.png", 1)]
        self.classes = ["a", "b"]

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Any:
        raise AssertionError("it was indexed")


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Any:
        raise AssertionError("it was iterated")


def test_a_loader_is_described_by_its_batches_and_tensors() -> None:
    found = loaders.describe(DataLoader(TensorDataset(X, Y), batch_size=4, shuffle=True, drop_last=True))
    assert found.schema["loader"] == {
        "type": "torch.DataLoader",
        "batch_size": 4,
        "drop_last": True,
        "num_workers": 0,
        "batches": 2,
        "sampler": "torch.RandomSampler",
    }
    assert found.schema["targets"] == {"type": "torch.Tensor", "shape": [10], "dtype": "torch.int64"}
    assert found.profile["classes"] == {"0": 5, "1": 5}


def test_the_digest_is_that_of_the_data() -> None:
    one = loaders.describe(TensorDataset(X, Y)).digest
    assert loaders.describe(DataLoader(TensorDataset(X.clone(), Y), 3)).digest == one
    assert loaders.describe(TensorDataset(X + 1, Y)).digest != one
    half, other = Subset(TensorDataset(X, Y), [0, 1]), Subset(TensorDataset(X, Y), [0, 2])
    assert loaders.describe(half).digest != loaders.describe(other).digest
    assert loaders.describe(ConcatDataset([half, other])).schema["part_1"]["indices"]["shape"] == [2]


def test_data_of_the_users_own_is_described_by_its_attributes() -> None:
    found = loaders.describe(DataLoader(Unread(np.ones((3, 2), np.float32))))
    assert found.source == "/data/flowers"
    assert found.schema["features"]["shape"] == [3, 2]
    assert found.schema["dataset"]["classes"] == ["a", "b"]
    assert found.profile["targets"] == {"rows": 3}
    assert "files" in found.schema


def test_a_stream_is_not_begun() -> None:
    loader = DataLoader(Stream(), batch_size=2)
    assert loaders.describe(loader).schema["dataset"]["type"].endswith("Stream")
    assert loaders.rows(loader) is None


@pytest.mark.parametrize(("options", "rows"), [({"drop_last": True}, 8), ({}, 10)])
def test_rows_of_an_epoch(options: dict[str, Any], rows: int) -> None:
    assert loaders.rows(DataLoader(TensorDataset(X), batch_size=4, **options)) == rows


def test_numbers_that_numpy_has_no_type_for_are_told_apart() -> None:
    one, other = (loaders.describe(TensorDataset(data.bfloat16())).digest for data in (X, X + 1))
    assert one != other


def test_what_differs_from_the_defaults_was_chosen() -> None:
    layer = torch.nn.Linear(2, 2)
    adam = torch.optim.AdamW(layer.parameters(), lr=0.5)
    assert optimizers.describe(adam)["betas"] == (0.9, 0.999)
    assert optimizers.explicit(adam) == {"optimizer_name", "lr"}
    groups = [{"params": [layer.weight]}, {"params": [layer.bias], "lr": 1.0}]
    sgd = torch.optim.SGD(groups, lr=0.1, momentum=0.9)
    told = optimizers.describe(adam, sgd)
    assert (told["optimizer_2.momentum"], told["optimizer_2.group_1.lr"]) == (0.9, 1.0)


def test_schedulers_are_told_with_those_that_they_are_made_of() -> None:
    optimizer = torch.optim.SGD(torch.nn.Linear(2, 2).parameters(), lr=0.1)
    of = torch.optim.lr_scheduler
    parts = [of.LinearLR(optimizer, 0.1), of.MultiStepLR(optimizer, [2, 4], gamma=0.3)]
    told = optimizers.describe_scheduler(of.SequentialLR(optimizer, parts, [5]))
    assert told["scheduler_name"] == "SequentialLR"
    assert told["scheduler.2.milestones"] == [2, 4]
    assert told["scheduler.2.gamma"] == 0.3
    assert told["scheduler.milestones"] == [5]


def test_what_a_scheduler_leaves_to_the_groups_of_its_optimizer_is_told() -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1, momentum=0.9)
    told = optimizers.describe_scheduler(torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.5, total_steps=10))
    assert (told["scheduler.max_lr"], told["scheduler.max_momentum"]) == (0.5, 0.95)
