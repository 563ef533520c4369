"""What lies on the unpickler's stack: texts, bytes, and the containers that are made of them, within bounds."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Callable
from typing import Any, BinaryIO

from reticent_redact import encodings
from reticent_redact.named import is_type
from reticent_redact.parts import LARGEST, UNREADABLE, Part
from reticent_redact.pickled import (
    KEPT,
    Dtype,
    Global,
    Numbers,
    Object,
    add_numbers,
    listed,
    name_of,
    plain,
    says_more,
    texts_of,
)
from reticent_redact.reading import Reader

MOST_ITEMS = 5_000_000
"""Texts and containers of one pickle; one that has more is not looked at completely."""

LONG = 4096
"""Bytes of a text, and of bytes; of longer ones the beginning is kept."""

_MOST_MADE = 8
"""For each byte of a pickle so many items may be made of what is in it already."""

_SHORT_KEY = 12
_NO_TEXT_KEY = re.compile(r"[^:=@>-]*")

_BUFFERS = frozenset({"pyarrow.lib py_buffer", "builtins bytearray", "__builtin__ bytearray"})
"""What a buffer of Arrow is made by, from its bytes."""

_DECLARATIONS = frozenset({"__annotations__", "__dataclass_fields__"})


class Stack:
    """A stack with its marks and its memo, and the operations that need nothing else."""

    def __init__(self, file: BinaryIO, is_packed: Callable[[bytes], bool]) -> None:
        file.seek(0)
        self._from = Reader(file)
        self._is_packed = is_packed
        self._texts, self._items = 0, 0
        self._stack: list[Any] = []
        self._marked: list[list[Any]] = []
        self._memo: dict[int, Any] = {}
        self._arrays: dict[tuple[int, int], tuple[bytes, Dtype, list[Any] | None]] = {}
        self._buffers: dict[int, tuple[bytes, bytes]] = {}
        self._left_for_buffers = LARGEST
        self._made = 0
        self._found: list[Part] = []
        """What is a part of its own."""
        self._aside: list[Any] = []
        """What is not in the result and has a part in it: a class made here, what an object was told and then left."""

    def _pop(self) -> Any:
        return self._stack.pop()

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _pop_mark(self) -> list[Any]:
        items, self._stack = self._stack, self._marked.pop()
        return items

    def _mark(self) -> None:
        self._marked.append(self._stack)
        self._stack = []

    def _drop(self) -> None:
        if self._stack:
            self._put_aside(self._stack.pop())
        else:
            self._drop_mark()

    def _drop_mark(self) -> None:
        for item in self._pop_mark():
            self._put_aside(item)

    def _put_aside(self, value: Any) -> None:
        if type(value) in (list, tuple, dict, Object) and value:
            self._aside.append(value)

    def _get(self, number: int) -> None:
        self._stack.append(self._memo[number])

    def _put(self, number: int) -> None:
        self._memo[number] = self._stack[-1]

    # Texts and bytes.

    def _text(self, size: int) -> None:
        if size > LONG:
            self._stack.append(self._long(size, always=True).decode("utf-8", "ignore"))
        else:
            self._keep(self._from.read(size).decode("utf-8", "replace"))

    def _bytes(self, size: int) -> None:
        if size > LONG and size <= self._left_for_buffers and self._stack and _is_buffer(self._stack[-1]):
            self._left_for_buffers -= size
            content = self._from.read(size)
            self._stack.append(self._beginning(content))
        elif size > LONG:
            self._stack.append(self._long(size, always=False))
        else:
            self._few_bytes(self._from.read(size))

    def _few_bytes(self, content: bytes) -> None:
        if self._is_packed(content):
            self._found.append(io.BytesIO(content))
        self._keep(content)

    def _long(self, size: int, *, always: bool) -> bytes:
        """The beginning of a long text or long bytes. What may be text, or has something packed in it, is found apart."""
        beginning = self._from.peek(LONG)
        if not (always or encodings.text_of(beginning) is not None or self._is_packed(beginning)):
            self._from.skip(size)
        elif size > LARGEST:
            self._found.append(UNREADABLE)
            self._from.skip(size)
        else:
            self._found.append(io.BytesIO(self._from.read(size)))
        return beginning

    def _beginning(self, content: bytes) -> bytes:
        """What stands for a buffer of Arrow: all of it is wanted when it is known what it is a part of."""
        beginning = content[:LONG]
        if encodings.text_of(beginning) is not None or self._is_packed(beginning):
            self._found.append(io.BytesIO(content))
        self._buffers[id(beginning)] = beginning, content
        return beginning

    def _whole(self, beginning: bytes) -> bytes:
        return self._buffers.get(id(beginning), (beginning, beginning))[1]

    def _keep(self, value: str | bytes) -> None:
        self._texts += len(value)
        self._items += 1
        if self._items > MOST_ITEMS or self._texts > LARGEST:
            raise OverflowError
        self._stack.append(value)

    def _quoted(self) -> None:
        """The text of Python 2 in protocol 0: as its source has it."""
        content, _ = codecs.escape_decode(self._from.line().strip()[1:-1])
        self._keep(content.decode("latin-1"))

    # Containers.

    def _tuple(self, items: list[Any]) -> None:
        self._items += 1
        dtype = next((item for item in items if type(item) is Dtype), None)
        if dtype is not None:  # the bytes beside a dtype are an array's
            items = [self._texts_in(item, dtype) if type(item) is bytes else item for item in items]
        self._stack.append(tuple(map(plain, items)))

    def _texts_in(self, content: bytes, dtype: Dtype) -> list[Any] | None:
        """The texts of an array, made once for what is in a pickle once."""
        key = id(content), id(dtype)
        if key not in self._arrays:
            self._charge(len(content))
            self._arrays[key] = content, dtype, texts_of(dtype, content)
        return self._arrays[key][2]

    def _charge(self, count: int) -> None:
        """What is made of others' content is bounded by the bytes of the pickle."""
        self._made += count
        if self._made > _MOST_MADE * (self._from.position() + LONG):
            raise OverflowError

    def _top_of(self, count: int) -> list[Any]:
        items = self._stack[-count:]
        if len(items) < count:
            raise ValueError
        del self._stack[-count:]
        return items

    def _extend(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if not isinstance(target, list):
            raise TypeError
        more = listed(items)
        if more and type(more[0]) is Numbers:
            add_numbers(target, more.pop(0))
        target.extend(more)

    def _set(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) is Object:
            target.append({})
            target = target[-1]
        for key, value in zip(items[::2], items[1::2], strict=True):
            name = name_of(key, len(target))
            if type(key) is str and type(value) not in KEPT and len(name) < _SHORT_KEY and _NO_TEXT_KEY.fullmatch(name):
                continue  # a number under a name
            if name in target and type(key) is not str:
                name = f"{name} {len(target)}"  # of another key, which is no text
            self._items += 1
            target[name] = _declared(name, value) if name in _DECLARATIONS and type(value) is dict else plain(value)
            if says_more(key):
                target[f"{name} {len(target)}"] = key

    def _dict(self) -> None:
        items = self._pop_mark()
        self._push({})
        self._set(items)


def _is_buffer(of: Any) -> bool:
    return type(of) is Global and of.name in _BUFFERS


def _declared(attribute: str, names: dict[str, Any]) -> Any:
    """What a class or function says about names, in an attribute of its own: no type is the value of what it is said of."""
    if attribute == "__dataclass_fields__":
        return list(names.values())  # each has its name and its default
    return {name: kind for name, kind in names.items() if type(kind) is not str or not is_type(kind)}
