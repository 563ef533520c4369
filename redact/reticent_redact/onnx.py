"""What an ONNX model says in texts and under keys. It is protobuf: fields of a number and a kind, one after the other.

Weights and other numbers are passed over. The numbers of fields are those of onnx.proto.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from reticent_redact.parts import LARGEST, UNREADABLE, Part, Unreadable
from reticent_redact.reading import Reader

_DEEPEST = 64
"""A node may have graphs, whose nodes may."""
_AT_ONCE = 1024 * 1024
_AHEAD = 4096

_SIZED = 2
"""The kind of a field whose size stands before it: a text, a message, an array."""
_WIDTHS = {1: 8, 5: 4}
_MOST_FIELDS = 100_000
"""Of a model itself; its nodes and weights are in its graph."""
_GRAPH = 7
_BEGINNING = re.compile(rb"\x08[\x01-\x7f](?:[\x12\x1a\x22\x28\x32\x3a\x42\x72]|[\xa2\xca\xd2]\x01)")
"""A version, and then a field of a model."""
_NUMBERS = re.compile(
    rb"(?:[\x08\x10\x18\x20\x28\x30\x38\x40\x48\x50\x58\x60\x68\x70\x78][\x80-\xff]{0,9}[\x00-\x7f]"
    rb"|[\x0d\x15\x1d\x25\x2d\x35\x3d\x45\x4d\x55\x5d\x65\x6d\x75\x7d].{4})+",
    re.DOTALL,
)
"""Fields of one number each, as the forests of ONNX have by the million."""

_NAME, _TEXT, _VALUE = "name", "text", "value"
"""`value`: a text under its message's name."""

_MESSAGES: dict[str, dict[int, str]] = {
    "model": {
        **dict.fromkeys((2, 3, 4, 6), _TEXT),
        **{_GRAPH: "graph", 8: "opset", 14: "pair", 20: "training", 25: "function", 26: "configuration"},
    },
    "graph": {
        **{1: "node", 2: _TEXT, 5: "tensor", 10: _TEXT, 11: "variable", 12: "variable", 13: "variable"},
        **{14: "annotation", 15: "sparse", 16: "pair"},
    },
    "node": {**dict.fromkeys((1, 2, 3, 4, 6, 7, 8), _TEXT), 5: "attribute", 9: "pair", 10: "placement"},
    "attribute": {
        **{1: _NAME, 4: _VALUE, 9: _VALUE, 13: _TEXT, 21: _TEXT, 5: "tensor", 10: "tensor", 6: "graph", 11: "graph"},
        **{14: "type", 15: "type", 22: "sparse", 23: "sparse"},
    },
    "tensor": {6: _VALUE, 8: _NAME, 12: _TEXT, 13: "pair", 16: "pair"},
    "sparse": {1: "tensor", 2: "tensor"},
    "variable": {1: _TEXT, 2: "type", 3: _TEXT, 4: "pair"},
    "annotation": {1: _TEXT, 2: "pair"},
    "function": {
        **dict.fromkeys((1, 4, 5, 6, 8, 10, 13), _TEXT),
        **{7: "node", 9: "opset", 11: "attribute", 12: "variable", 14: "pair"},
    },
    "training": {1: "graph", 2: "graph", 3: "pair", 4: "pair"},
    "pair": {1: _NAME, 2: _VALUE},
    "opset": {1: _TEXT},
    "configuration": {1: _TEXT, 3: _TEXT},
    "placement": {1: _TEXT, 2: "shards"},
    "shards": {1: _TEXT},
    "type": {1: "array", 4: "of", 5: "map", 6: _TEXT, 7: "opaque", 8: "array", 9: "of"},
    "array": {2: "shape"},
    "of": {1: "type"},
    "map": {2: "type"},
    "opaque": {1: _TEXT, 2: _TEXT},
    "shape": {1: "dimension"},
    "dimension": {2: _TEXT, 3: _TEXT},
}


def begins(beginning: bytes) -> bool:
    """Whether a file that begins so may be a model."""
    return _BEGINNING.match(beginning) is not None


def is_model(file: BinaryIO) -> bool:
    """Whether a file is a model; a small one has no byte that a text has not."""
    file.seek(0)
    return begins(file.read(8)) and _size_of_model(file) is not None


def parts(file: BinaryIO, is_file: Callable[[bytes], bool]) -> Iterator[Part]:
    """The texts of a model and its values under their names; nothing of a file that only begins like one."""
    size = _size_of_model(file)
    if size is None:
        return
    file.seek(0)
    batch: list[Any] = []
    length = 0
    try:
        for item in _message(Reader(file), "model", size, 0):
            if isinstance(item, Unreadable):
                yield item
                continue
            values = [item] if isinstance(item, str) else [value for texts in item.values() for value in texts]
            yield from (io.BytesIO(value) for value in values if isinstance(value, bytes) and is_file(value[:512]))
            batch.append(item if isinstance(item, str) else {key: _texts(texts) for key, texts in item.items()})
            length += 64 + sum(map(len, values))
            if length > _AT_ONCE:
                yield batch
                batch, length = [], 0
    except (EOFError, RecursionError):
        yield UNREADABLE
    yield batch


def _texts(values: list[bytes]) -> str | list[str]:
    texts = [value.decode("utf-8", "replace") for value in values]
    return texts[0] if len(texts) == 1 else texts


def _size_of_model(file: BinaryIO) -> int | None:
    """The size of a file whose fields, from its beginning to its end, are a model's; None for any other."""
    size = file.seek(0, io.SEEK_END)
    at, has_graph = 0, False
    for _ in range(_MOST_FIELDS):
        if at >= size:
            return size if at == size and has_graph else None
        file.seek(at)
        reader = Reader(io.BytesIO(file.read(20)))
        try:
            tag = _varint(reader)
            kind = tag & 7
            has_graph = has_graph or tag == _GRAPH << 3 | _SIZED
            if kind == 0:
                _varint(reader)
            at += _varint(reader) if kind == _SIZED else _WIDTHS.get(kind, 0)
        except EOFError:
            return None
        if kind not in (0, _SIZED, *_WIDTHS):
            return None
        at += reader.position()
    return None


def _message(reader: Reader, name: str, end: int, depth: int) -> Iterator[str | dict[str, list[bytes]] | Unreadable]:
    """What a message says that ends at a position. EOFError if it does not, or lies too deep."""
    if depth > _DEEPEST:
        raise EOFError
    fields = _MESSAGES[name]
    key, values, left = "", [], LARGEST
    while (at := reader.position()) < end:
        numbers = _NUMBERS.match(reader.peek(_AHEAD)[: end - at])
        if numbers is not None:
            reader.skip(numbers.end())
            continue
        tag = _varint(reader)
        kind, field = tag & 7, fields.get(tag >> 3)
        if kind == 0:
            _varint(reader)
            continue
        if kind != _SIZED:
            reader.skip(_WIDTHS.get(kind) or _no_such_kind())
            continue
        size = _varint(reader)
        if reader.position() + size > end:
            raise EOFError
        if field is None:
            reader.skip(size)
        elif field not in (_NAME, _TEXT, _VALUE):
            yield from _message(reader, field, reader.position() + size, depth + 1)
        elif size > left:
            reader.skip(size)
            yield UNREADABLE
        else:
            content = reader.read(size)
            if field == _VALUE:
                values.append(content)
                left -= size + 64
            elif field == _NAME:
                key = content.decode("utf-8", "replace")
            else:
                yield content.decode("utf-8", "replace")
    if reader.position() != end:
        raise EOFError
    if values:
        yield {key: values}
    elif key:
        yield key


def _varint(reader: Reader) -> int:
    number = 0
    for shift in range(0, 70, 7):
        (byte,) = reader.read(1)
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number
    raise EOFError


def _no_such_kind() -> int:
    raise EOFError
