"""The memory that tensors lie in, of any device: which of them overlap, and writing it to a file without a second copy."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable, Iterator
from typing import Any

_CHUNK = 32 << 20
_ALIGNMENT = 16


def is_missing(tensor: Any) -> bool:
    """Whether a tensor refers to memory that it does not have: its storage was freed or is shared out (FSDP)."""
    first = tensor.storage_offset() * tensor.element_size()
    start, end = span(tensor)
    return bool(first + end - start > tensor.untyped_storage().nbytes())


def span(tensor: Any) -> tuple[int, int]:
    """The addresses of a tensor's first byte and after its last one."""
    start = tensor.data_ptr()
    if tensor.is_contiguous():
        return start, start + tensor.nbytes
    if not tensor.numel():
        return start, start
    last = sum((extent - 1) * stride for extent, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return start, start + (last + 1) * tensor.element_size()


def is_whole(tensor: Any) -> bool:
    """Whether its span has no room for anything else: it is written as it lies, in whatever order."""
    if tensor.is_contiguous():
        return True
    start, end = span(tensor)
    return bool(end - start <= tensor.nbytes)


def overlapping(tensors: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The tensors in groups that share memory, most of them alone."""
    group: dict[str, Any] = {}
    group_end = 0
    device = ""
    for its_device, start, end, name in sorted((str(one.device), *span(one), name) for name, one in tensors.items()):
        if start == end:
            yield {name: tensors[name]}
            continue
        if group and (its_device != device or start >= group_end):
            yield group
            group, group_end = {}, 0
        group_end = max(end, group_end)
        group[name] = tensors[name]
        device = its_device
    if group:
        yield group


def hull(tensors: Iterable[Any]) -> tuple[int, int]:
    """The span of all of them, from an address where any of their dtypes may begin."""
    tensors = list(tensors)
    start = min(span(tensor)[0] for tensor in tensors)
    end = max(span(tensor)[1] for tensor in tensors)
    storage = min(tensor.untyped_storage().data_ptr() for tensor in tensors)
    return start - (start - storage) % _ALIGNMENT, end


def write(tensor: Any, start: int, nbytes: int, descriptor: int) -> None:
    """Write the bytes from an address in a tensor's storage on."""
    if not nbytes:
        return
    if tensor.device.type == "cpu":
        write_all(descriptor, memoryview((ctypes.c_char * nbytes).from_address(start)))
    else:
        _write_of_device(descriptor, tensor, start - tensor.untyped_storage().data_ptr(), nbytes)


def write_all(descriptor: int, data: memoryview) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _write_of_device(descriptor: int, tensor: Any, offset: int, nbytes: int) -> None:
    """A chunk is on its way from the device while the one before is written; never a whole copy."""
    import torch

    pinned = tensor.device.type == "cuda"
    size = min(_CHUNK, nbytes)
    with torch.no_grad():
        source = torch.empty(0, dtype=torch.uint8, device=tensor.device)
        source.set_(tensor.untyped_storage(), offset, (nbytes,), (1,))
        buffers = [torch.empty(size, dtype=torch.uint8, device="cpu", pin_memory=pinned) for _ in range(2)]
        before: tuple[Any, Any, int] | None = None
        for number, begin in enumerate(range(0, nbytes, size)):
            length = min(size, nbytes - begin)
            buffer = buffers[number % 2]
            buffer[:length].copy_(source[begin : begin + length], non_blocking=pinned)
            event = torch.cuda.current_stream(tensor.device).record_event() if pinned else None
            if before is not None:
                _write_chunk(descriptor, *before)
            before = (buffer, event, length)
        assert before is not None
        _write_chunk(descriptor, *before)


def _write_chunk(descriptor: int, buffer: Any, event: Any, length: int) -> None:
    if event is not None:
        event.synchronize()
    write_all(descriptor, memoryview((ctypes.c_char * length).from_address(buffer.data_ptr())))
