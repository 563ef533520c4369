"""The first batch is known, and training gets what it would have got."""

from __future__ import annotations

import random
import types

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from reticent.models.batches import first_batch
from reticent.models.signature.infer import schema


class Augmented(Dataset):
    """Items with noise from every generator of random numbers."""

    def __len__(self):
        return 10

    def __getitem__(self, index):
        noise = random.random() + np.random.rand() + torch.rand(()).item()
        return torch.full((3,), index + noise), index


def seeded():
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)


def drawn():
    return random.random(), np.random.rand(), torch.rand(()).item()


def read(loader):
    seeded()
    return [x.tolist() for x, _ in loader], drawn()


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_loader_gives_the_same_batches_and_random_numbers_after(shuffle):
    loader = DataLoader(Augmented(), batch_size=4, shuffle=shuffle)
    expected = read(loader)

    seeded()
    before = drawn()
    seeded()
    (x, y), same = first_batch(loader)
    assert drawn() == before
    assert same is loader
    assert x.shape == (4, 3)
    assert y.tolist() == [0, 1, 2, 3]
    assert read(loader) == expected

    seeded()
    first_batch(loader)
    assert ([x.tolist() for x, _ in loader], drawn()) == expected


def test_a_loader_starts_no_worker_and_collates_as_its_own_function_does():
    loader = DataLoader(
        TensorDataset(torch.arange(6.0)), batch_size=3, num_workers=2, persistent_workers=True, collate_fn=len
    )
    assert first_batch(loader)[0] == 3
    assert loader._iterator is None


def test_loaders_of_other_sizes():
    items = TensorDataset(torch.arange(6.0))
    assert first_batch(DataLoader(items, batch_size=None))[0][0].shape == ()
    assert first_batch(DataLoader(items, batch_size=99))[0][0].shape == (6,)
    by_sampler = DataLoader(items, batch_sampler=[[4, 5], [0]])
    assert first_batch(by_sampler)[0][0].tolist() == [0]
    assert first_batch(DataLoader(TensorDataset(torch.empty(0, 2)), batch_size=2))[0] is None


def test_a_dataset_that_fetches_many_items_at_once():
    class Many(Augmented):
        def __getitems__(self, indices):
            return [(torch.tensor(index), 0) for index in indices]

    assert first_batch(DataLoader(Many(), batch_size=2))[0][0].tolist() == [0, 1]


def test_what_cannot_be_read_without_a_trace_is_not_read():
    read = []

    class Stream(IterableDataset):
        def __iter__(self):
            read.append(1)
            return iter(range(4))

    loader = DataLoader(Stream(), batch_size=2)
    assert first_batch(loader) == (None, loader)
    assert not read
    for data in ([1, 2], None, object()):
        assert first_batch(data) == (None, data)


def test_an_error_of_the_dataset_is_met_in_training_only():
    class Broken(Dataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            raise OSError("no such picture")

    loader = DataLoader(Broken())
    assert first_batch(loader) == (None, loader)


def test_a_generator_gives_everything_once_and_lazily():
    made = []

    def batches():
        for i in range(4):
            made.append(i)
            yield i

    batch, rest = first_batch(batches())
    assert (batch, made) == (0, [0])
    assert isinstance(rest, types.GeneratorType)
    assert next(rest) == 0
    assert made == [0]
    assert next(rest) == 1
    assert list(rest) == [2, 3]
    assert made == [0, 1, 2, 3]


def test_iterators_that_are_empty_or_raise():
    assert first_batch(iter([]))[0] is None
    assert list(first_batch(iter([]))[1]) == []

    def broken():
        yield from ()
        raise OSError("no such file")

    batch, rest = first_batch(broken())
    assert batch is None
    with pytest.raises(OSError, match="no such file"):
        next(rest)


def test_a_generator_that_is_closed_is_closed_within():
    closed = []

    def batches():
        try:
            yield from range(3)
        finally:
            closed.append(1)

    _, rest = first_batch(batches())
    next(rest)
    next(rest)
    rest.close()
    assert closed


def test_datasets_of_tensorflow_and_keras():
    import keras
    import tensorflow as tf

    def shuffled():
        tf.random.set_seed(1)
        return tf.data.Dataset.range(20).shuffle(20).map(lambda i: tf.cast([i, i], tf.float32)).batch(4)

    def epochs(dataset):
        return [[batch.numpy().tolist() for batch in dataset] for _ in range(2)]

    expected = epochs(shuffled())
    dataset = shuffled()
    batch, same = first_batch(dataset)
    assert same is dataset
    assert schema(batch) == [{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 2]}}]
    assert epochs(dataset) == expected

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            return np.full((2, 3), index), np.random.rand(2)

    np.random.seed(1)
    (x, _), _ = first_batch(Batches())
    assert x.tolist() == [[0, 0, 0], [0, 0, 0]]
    after = np.random.rand()
    np.random.seed(1)
    assert np.random.rand() == after
