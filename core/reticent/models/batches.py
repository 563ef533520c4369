"""The first batch of what a model is trained with, as if nobody had asked for it: training gets the same batches after."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from reticent.guard import tried
from reticent.models.signature.tensors import is_a


def first_batch(data: Any) -> tuple[Any, Any]:
    """The first batch and the data to go on with, which is `data` itself unless that can be read only once.

    Of an iterator the first batch is taken, and comes first of the generator that is returned; the rest is read when it
    is asked for. Of a DataLoader of torch it is made anew of the first items that its dataset has, in this process, with
    the states of random numbers as before. Of a dataset of tensorflow, which shuffles in another way each time that it is
    read, it is what it says of its elements: their dtypes and shapes. Of what cannot be read without a trace, like a
    dataset of torch that is iterated, there is none: None. Nor is there if the data raises an error: training meets it.
    """
    if isinstance(data, Iterator):
        return _of_iterator(data)
    for fits, batch_of in _KINDS:
        if fits(data):
            with tried(), undisturbed():  # what the user's dataset raises, it raises again when it is trained with
                return batch_of(data), data
            return None, data
    return None, data


@contextmanager
def undisturbed() -> Iterator[None]:
    """The random numbers of Python, numpy and torch go on after as if none had been drawn within."""
    with ExitStack() as after:
        after.callback(random.setstate, random.getstate())
        numpy_random = getattr(sys.modules.get("numpy"), "random", None)
        if numpy_random is not None:
            after.callback(numpy_random.set_state, numpy_random.get_state())
        torch = sys.modules.get("torch")
        if torch is not None and hasattr(torch, "get_rng_state"):
            # Of the CPU only: a state on a device cannot be read without waiting for the device.
            after.callback(torch.set_rng_state, torch.get_rng_state())
        yield


def _of_iterator(data: Iterator[Any]) -> tuple[Any, Iterator[Any]]:
    try:
        batch = next(data)
    except StopIteration:
        return None, data
    except Exception as error:  # noqa: BLE001 - it is raised again where the iterator is read
        return None, _again(error, data)
    return batch, _resumed(batch, data)


def _resumed(batch: Any, rest: Iterator[Any]) -> Iterator[Any]:
    # A generator, as keras takes no other iterator.
    yield batch
    del batch
    yield from rest


def _again(error: Exception, rest: Iterator[Any]) -> Iterator[Any]:
    raise error
    yield from rest  # which makes this a generator: it raises when it is read


def _is_loader(data: Any) -> bool:
    return is_a(data, "torch.utils.data", "DataLoader")


def _of_loader(loader: Any) -> Any:
    dataset = loader.dataset
    if is_a(dataset, "torch.utils.data", "IterableDataset") or not hasattr(dataset, "__getitem__"):
        return None
    size = loader.batch_size
    if size is None and loader.batch_sampler is None:  # batches are made by the dataset, or there are none
        return loader.collate_fn(dataset[0])
    size = size or getattr(loader.batch_sampler, "batch_size", None) or 1
    items = list(range(min(int(size), len(dataset))))
    if not items:
        return None
    fetched = dataset.__getitems__(items) if hasattr(dataset, "__getitems__") else [dataset[item] for item in items]
    return loader.collate_fn(fetched)


def _is_tf_dataset(data: Any) -> bool:
    kind = getattr(getattr(sys.modules.get("tensorflow"), "data", None), "Dataset", None)
    return isinstance(kind, type) and isinstance(data, kind)


def _is_keras_dataset(data: Any) -> bool:
    return is_a(data, "keras.utils", "PyDataset") or is_a(data, "tf_keras.utils", "Sequence")


_KINDS: Sequence[tuple[Callable[[Any], bool], Callable[[Any], Any]]] = (
    (_is_loader, _of_loader),
    (_is_tf_dataset, lambda dataset: dataset.element_spec),
    (_is_keras_dataset, lambda dataset: dataset[0] if len(dataset) else None),
)
