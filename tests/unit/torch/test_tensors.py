"""Tensors of every kind are the same when they are read again, and a damaged or hostile file is an error, no more."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reticent_integrations.torch.reading import read
from reticent_integrations.torch.tensors import TABLE, TensorWriter, UnstorableError


def again(path: Path, **tensors: Any) -> dict[str, Any]:
    writer = TensorWriter()
    for name, tensor in tensors.items():
        writer.add(tensor, name)
    writer.write(path)
    return read(path)


def same(one: Any, other: Any) -> bool:
    assert (one.dtype, one.shape, one.layout) == (other.dtype, other.shape, other.layout)
    assert (type(one), one.requires_grad) == (type(other), other.requires_grad)
    if one.layout != torch.strided:
        return bool(torch.equal(one.to_dense(), other.to_dense()))
    if one.is_quantized:
        return bool(torch.equal(one.dequantize(), other.dequantize()))
    return memory(one) == memory(other)


def memory(tensor: Any) -> list[int]:
    dense = tensor.detach().resolve_conj().resolve_neg().clone(memory_format=torch.contiguous_format)
    return dense.untyped_storage().tolist()


DTYPES = sorted({value for value in vars(torch).values() if isinstance(value, torch.dtype)}, key=str)
PLAIN = [dtype for dtype in DTYPES if not re.search(r"q|bits|int[1-7]$", str(dtype))]
assert len(PLAIN) > 15


@pytest.mark.parametrize("dtype", PLAIN, ids=str)
def test_every_dtype(dtype: torch.dtype, tmp_path: Path) -> None:
    tensor = torch.arange(96, dtype=torch.uint8)
    try:
        tensor = tensor.view(dtype).reshape(2, -1)
    except (RuntimeError, NotImplementedError):
        pytest.skip("torch makes no such tensors")
    assert same(again(tmp_path / "x", t=tensor)["t"], tensor)


SPARSE = torch.tensor([[0.0, 1, 0, 2], [3, 0, 0, 0]])
KINDS = {
    "parameter": torch.nn.Parameter(torch.randn(3, 2)),
    "frozen": torch.nn.Parameter(torch.randn(3), requires_grad=False),
    "leaf": torch.randn(3, requires_grad=True),
    "buffer": torch.nn.Buffer(torch.randn(2)),
    "scalar": torch.tensor(7),
    "empty": torch.empty(0, 3),
    "of_no_columns": torch.empty(3, 0, dtype=torch.int8),
    "transposed": torch.randn(3, 5).T,
    "channels_last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
    "with_holes": torch.randn(6, 6)[::2, 1:4],
    "expanded": torch.randn(1, 4).expand(1000, 4),
    "conjugated": torch.randn(3, dtype=torch.complex64).conj(),
    "negated": torch.randn(3, dtype=torch.complex64).conj().imag,
    "coo": SPARSE.to_sparse(),
    "coo_not_coalesced": torch.sparse_coo_tensor([[0, 0]], [1.0, 2.0], (3,)),
    "csr": SPARSE.to_sparse_csr(),
    "csc": SPARSE.to_sparse_csc(),
    "bsr": SPARSE.to_sparse_bsr((1, 2)),
    "quantized": torch.quantize_per_tensor(torch.randn(4), 0.1, 3, torch.qint8),
    "by_channel": torch.quantize_per_channel(
        torch.randn(2, 3), torch.tensor([0.1, 0.2]), torch.tensor([0, 1]), 0, torch.quint8
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind(kind: str, tmp_path: Path) -> None:
    tensor = KINDS[kind]
    read_again = again(tmp_path / "x", t=tensor)["t"]
    assert same(read_again, tensor)
    if kind in ("transposed", "channels_last", "expanded"):
        assert read_again.stride() == tensor.stride()


def test_what_is_expanded_is_not_multiplied(tmp_path: Path) -> None:
    again(tmp_path / "x", t=torch.zeros(1).expand(1 << 30))
    assert (tmp_path / "x").stat().st_size < 1000


def test_a_meta_tensor_has_no_memory(tmp_path: Path) -> None:
    tensor = again(tmp_path / "x", t=torch.empty(1 << 40, device="meta", dtype=torch.bfloat16))["t"]
    assert (tensor.is_meta, tensor.shape, tensor.dtype) == (True, (1 << 40,), torch.bfloat16)


def test_shared_memory_stays_shared(tmp_path: Path) -> None:
    base = torch.arange(12, dtype=torch.int32).reshape(3, 4)
    tensors = {
        "base": base,
        "alias": base.view(3, 4),
        "row": base[1],
        "column": base[:, 2],
        "bytes": base.view(torch.uint8),
        "apart": torch.zeros(3),
    }
    read_again = again(tmp_path / "x", **tensors)
    for name, tensor in tensors.items():
        assert same(read_again[name], tensor), name
    read_again["base"][1, 2] = 77
    assert read_again["alias"][1, 2] == read_again["row"][2] == read_again["column"][1] == 77
    assert (tmp_path / "x").stat().st_size < 3000


def test_the_same_tensor_is_stored_once(tmp_path: Path) -> None:
    writer = TensorWriter()
    weight = torch.nn.Parameter(torch.randn(1000))
    assert [writer.add(weight, "a"), writer.add(weight, "b"), writer.add(torch.zeros(1), "a")] == ["a", "a", "a#2"]
    writer.write(tmp_path / "x")
    assert (tmp_path / "x").stat().st_size < 5000


def test_other_readers_of_the_format_see_the_tensors(tmp_path: Path) -> None:
    tensors = {
        "weight": torch.randn(3, 4),
        "half": torch.randn(5).bfloat16(),
        "mask": torch.tensor([True, False, True]),
        "long": torch.arange(3),
        "eighth": torch.randn(3).to(torch.float8_e4m3fn),
        "none": torch.empty(0, 2),
        "__metadata__": torch.ones(1),
    }
    again(tmp_path / "x", **tensors)
    seen = safetensors.torch.load_file(tmp_path / "x")
    tensors["__metadata__#2"] = tensors.pop("__metadata__")
    assert seen.keys() == tensors.keys()
    assert all(same(seen[name], tensor) for name, tensor in tensors.items())


def test_files_of_others_are_read(tmp_path: Path) -> None:
    tensors = {"a": torch.randn(2, 3), "b": torch.arange(3)}
    safetensors.torch.save_file(tensors, tmp_path / "x")
    read_again = read(tmp_path / "x")
    assert all(same(read_again[name], tensor) for name, tensor in tensors.items())


def test_what_only_its_class_can_keep_is_refused() -> None:
    class Own(torch.Tensor):
        pass

    freed = torch.randn(4)
    freed.untyped_storage().resize_(0)
    noted = torch.nn.Parameter(torch.randn(2))
    noted.note = "mine"
    for tensor in (torch.randn(2).as_subclass(Own), torch.randn(2, 2).to_mkldnn(), freed, noted):
        with pytest.raises(UnstorableError):
            TensorWriter().add(tensor, "t")


# --- files that are not as they should be


def write_file(path: Path, header: Any, data: bytes = b"", length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + data)
    return path


def entry(dtype: str = "F32", shape: Any = (2,), offsets: Any = (0, 8)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


DAMAGED: dict[str, tuple[Any, bytes, int | None]] = {
    "no header": (b"", b"", 1 << 60),
    "a header longer than the file": ({}, b"", 3),
    "not JSON": (b"{", b"", None),
    "a list": ([], b"", None),
    "deep": (b"[" * 100_000, b"", None),
    "a text for a tensor": ({"a": "b"}, b"", None),
    "no dtype": ({"a": {"shape": [2], "data_offsets": [0, 8]}}, b"x" * 8, None),
    "an unknown dtype": ({"a": entry("F3")}, b"x" * 8, None),
    "a shape of texts": ({"a": entry(shape=["x"])}, b"x" * 8, None),
    "a negative shape": ({"a": entry(shape=[-1, -2])}, b"x" * 8, None),
    "a shape of more": ({"a": entry(shape=[1 << 62, 4])}, b"x" * 8, None),
    "beyond the end": ({"a": entry()}, b"x" * 7, None),
    "backwards": ({"a": entry(offsets=[8, 0])}, b"x" * 8, None),
    "a hole": ({"a": entry(offsets=[4, 12])}, b"x" * 12, None),
    "an overlap": ({"a": entry(), "b": entry(offsets=[4, 12])}, b"x" * 12, None),
    "more than is named": ({"a": entry()}, b"x" * 9, None),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_file_is_an_error(kind: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="file of tensors"):
        read(write_file(tmp_path / "x", *DAMAGED[kind]))


def test_a_file_that_is_cut_off_anywhere_is_an_error(tmp_path: Path) -> None:
    again(tmp_path / "x", a=torch.randn(3), b=torch.randn(2).bfloat16())
    content = (tmp_path / "x").read_bytes()
    for length in range(len(content)):
        (tmp_path / "cut").write_bytes(content[:length])
        with pytest.raises(ValueError, match="file of tensors"):
            read(tmp_path / "cut")


HOSTILE: dict[str, dict[str, Any]] = {
    "beyond its memory": {"stride": [1], "shape": [1000], "dtype": "float32"},
    "before its memory": {"stride": [1], "shape": [1], "dtype": "float32", "offset": -1},
    "far beyond it": {"stride": [1 << 61], "shape": [3], "dtype": "float32"},
    "a stride back": {"stride": [-1], "shape": [2], "dtype": "float32"},
    "no dtype": {"stride": [1], "shape": [1], "dtype": "load"},
    "made of itself": {"kind": "sparse_coo", "indices": "a", "values": "a", "shape": [2], "coalesced": True},
    "an index beyond": {"kind": "sparse_csr", "crow_indices": "i", "col_indices": "i", "values": "i", "shape": [1, 1]},
    "of no kind": {"kind": "storage"},
    "of no memory": {"memory": "z"},
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_table_reads_no_memory_but_its_own(kind: str, tmp_path: Path) -> None:
    table = {"a": HOSTILE[kind], "i": {}}
    header = {"__metadata__": {TABLE: json.dumps(table)}, "a": entry(), "i": entry("I64", [2], [8, 24])}
    with pytest.raises((ValueError, RuntimeError, KeyError)):
        read(write_file(tmp_path / "x", header, b"\0" * 7 + b"\x40" + b"\7" * 16))


@given(position=st.integers(0, 10_000), byte=st.integers(0, 255))
@settings(max_examples=200, deadline=None)
def test_any_changed_byte_gives_tensors_or_an_error(position: int, byte: int, tmp_path_factory: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "changed"
    path.unlink(missing_ok=True)
    base = torch.arange(12.0)
    again(path, a=base, b=base[2:5], c=SPARSE.to_sparse_csr(), d=KINDS["by_channel"])
    content = bytearray(path.read_bytes())
    content[position % len(content)] = byte
    path.write_bytes(content)
    with suppress(ValueError, RuntimeError, KeyError, TypeError, IndexError, AttributeError):
        for tensor in read(path).values():
            repr(tensor)  # reads all of it
