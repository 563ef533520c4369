"""The unpickler's stack machine, which makes no objects: of a pickle it gives the containers and texts that it would make.

In the place of an object stand its arguments and its state, numbers are left out of lists and dicts, and of long texts and
bytes there is the beginning: they are parts of their own. The arrays that joblib writes between the operations are passed
over.
"""

from __future__ import annotations

import io
import math
import pickletools
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, BinaryIO, NoReturn

from reticent_redact import frames
from reticent_redact.named import is_look_up
from reticent_redact.parts import LARGEST, UNREADABLE, Part
from reticent_redact.pickled import (
    Dtype,
    Global,
    Object,
    describe,
    dtype_of,
    listed,
    plain,
    texts_of,
)
from reticent_redact.stack import LONG, Stack

OLD = frozenset(b"(]}lcdtVSIFLN")
"""What a pickle of protocol 0 or 1 begins with."""

_OLD_BEHIND = OLD.union(b"XUTKMJG)")
"""The same where it follows another pickle."""

_BEGINNING = re.compile(rb"\x80(?:[\4\5]\x95.{4}\0{4}|[\2\3](?:[}\]]q\0|c[\w.]{1,99}\n[\w.]{1,99}\n))", re.DOTALL)
"""What a pickle begins with that does not come by chance."""


def begins(beginning: bytes) -> bool:
    """Whether something begins as a pickle of protocol 2 or later."""
    return beginning[:1] == b"\x80" and 2 <= int.from_bytes(beginning[1:2], "big") <= 5


class Machine(Stack):
    """Follows the operations of one pickle after another. `count` says how many operations of a pickle it has followed."""

    def __init__(self, file: BinaryIO, is_packed: Callable[[bytes], bool]) -> None:
        super().__init__(file, is_packed)
        self._around: list[tuple[Any, ...]] = []
        """The machines around a pickle in an array in a pickle: stack, marks and memo."""
        self.count = 0
        self.is_doubtful = False
        """Whether it may be something else that follows a pickle."""
        self._operations = self._table()

    def run(self) -> Iterator[Part]:
        """The parts of a pickle, and of all that follow it at once."""
        yield from self._pickle()
        while begins(self._from.peek(2)) or (self._from.peek(1) and self._from.peek(1)[0] in _OLD_BEHIND):
            self.is_doubtful = not begins(self._from.peek(2))
            yield from self._pickle()

    def skip_to_next(self) -> bool:
        """Go on at what begins a pickle, wherever it is; whether there is one."""
        self.is_doubtful = False
        return self._from.skip_to(_BEGINNING, LONG)

    def _pickle(self) -> Iterator[Part]:
        operations = self._operations
        self._stack, self._marked, self._memo, self._around, self.count = [], [], {}, [], 0
        self._texts = self._items = 0
        self._aside = []
        self._found.clear()
        self._arrays.clear()
        self._buffers.clear()
        self._left_for_buffers = LARGEST
        while (code := self._from.read(1)[0]) != 0x2E or self._around:
            self.count += 1
            operations[code]()
            if self._found:
                yield from (part for part in self._found if not (self.is_doubtful and part is UNREADABLE))
                self._found.clear()
        yield [plain(self._pop())]
        yield self._aside

    def unfinished(self) -> list[Any]:
        """What a pickle that is cut off would have made."""
        while self._marked or self._around:
            if not self._marked:
                self._stop()
                continue
            items = self._pop_mark()
            if self._stack and type(self._stack[-1]) in (dict, Object):
                self._set(items[: len(items) // 2 * 2])
            self._stack.append(listed(items))
        followed = [{key: plain(item)} for key, item in pairwise(self._stack) if type(key) is str]
        return listed([*self._stack, *followed, self._aside])

    def _protocol(self, number: int) -> None:
        pass

    def _frame(self, size: int) -> None:
        pass

    # Objects.

    def _global(self) -> None:
        module, name = self._from.line(), self._from.line()
        self._name(module.decode("utf-8", "replace"), name.decode("utf-8", "replace"))

    def _stack_global(self) -> None:
        name, module = self._pop(), self._pop()
        self._name(module, name)

    def _name(self, module: Any, name: Any) -> None:
        self._push(Global(f"{module} {name}"))

    def _extension(self, code: int) -> None:  # noqa: ARG002 - for who knows what is registered
        self._push(Object(None))

    def _reduce(self) -> None:
        arguments, of = self._pop(), self._pop()
        name = of.name if type(of) is Global else ""
        if name == "numpy dtype":
            self._push(dtype_of(arguments))
        elif name == "_codecs encode" and type(arguments) is tuple and type(arguments[0]) is str:
            self._few_bytes(arguments[0].encode("latin-1", "replace"))  # those of protocol 2 and before
        elif is_look_up(name, arguments):
            self._push(Global(""))
        else:
            self._make(of, arguments)
            if name == "pyarrow.lib _restore_array" and type(arguments) is tuple and arguments:
                self._found.extend(map(io.BytesIO, frames.in_arrow(arguments[0], self._whole, self._charge)))

    def _make(self, of: Any, *arguments: Any) -> None:
        self._put_aside(of)
        self._push(Object(of, *arguments))
        self._name_columns()

    def _name_columns(self) -> None:
        """Put the values of a table of pandas under the names of its columns."""
        made = self._stack[-1]
        if made.of.startswith("pandas") or made.of.endswith("_reconstructor"):
            made.extend(frames.named(made, self._charge))

    def _new(self) -> None:
        arguments, of = self._pop(), self._pop()
        self._make(of, arguments)

    def _new_with_keywords(self) -> None:
        keywords, arguments, of = self._pop(), self._pop(), self._pop()
        self._put_aside(of)
        self._push(Object(of, arguments, keywords))

    def _old_object(self) -> None:
        of, *arguments = self._pop_mark()
        self._put_aside(of)
        self._push(Object(of, tuple(map(plain, arguments))))

    def _old_instance(self) -> None:
        self._global()
        of = self._pop()
        self._push(Object(of, tuple(map(plain, self._pop_mark()))))

    def _persistent(self, number: Any) -> None:
        self._push(Object(None, number))

    def _build(self) -> None:
        state = self._pop()
        target = self._stack[-1]
        if type(target) is Object:
            target.append(plain(state))
            if target.of.endswith(" NumpyArrayWrapper") and not self._around:
                self._pass_array(state)
            else:
                self._name_columns()
        elif type(target) is Dtype and type(state) is tuple:
            if len(state) > 7 and type(state[7]) is int and state[7] & 1:
                target.letter = "O"  # also of a structured one in which there are objects
            elif len(state) > 4:
                describe(target, state)
                self._charge(len(target.fields))
        else:
            self._put_aside(state)

    def _pass_array(self, wrapper: Any) -> None:
        """joblib's array: behind the state of what stands for it."""
        dtype, shape = wrapper["dtype"], wrapper["shape"]
        if type(dtype) is not Dtype or type(shape) is not tuple:
            raise TypeError
        if dtype.letter == "O":  # a pickle in the pickle
            self._around.append((self._stack, self._marked, self._memo))
            self._stack, self._marked, self._memo = [], [], {}
            return
        if "numpy_array_alignment_bytes" in wrapper:
            self._from.skip(self._from.number(1))
        size = dtype * math.prod(shape)
        if dtype.fields and size <= LARGEST:
            self._stack[-1].append(texts_of(dtype, self._from.read(size)))
        else:
            self._from.skip(size)

    def _stop(self) -> None:
        """The end of a pickle in a pickle."""
        value = self._pop() if self._stack else None
        self._stack, self._marked, self._memo = self._around.pop()
        self._stack[-1].append(plain(value))

    def _long_number(self) -> None:
        self._from.skip(self._from.number(4))
        self._push(None)

    def _table(self) -> dict[int, Callable[[], object]]:
        """What each operation does, by its code."""
        push, line, read, number = self._push, self._from.line, self._from.read, self._from.number

        def nothing() -> None:
            pass

        def fails() -> NoReturn:
            raise ValueError

        named: dict[str, Callable[[], object]] = {
            "MARK": self._mark,
            "POP": self._drop,
            "POP_MARK": self._drop_mark,
            "DUP": lambda: push(self._stack[-1]),
            "NONE": lambda: push(None),
            "NEWTRUE": lambda: push(1),
            "NEWFALSE": lambda: push(None),
            "INT": lambda: push(int(line())),
            "LONG": lambda: push(int(line().rstrip(b"L"))),
            "BININT": lambda: push(int.from_bytes(read(4), "little", signed=True)),
            "BININT1": lambda: push(read(1)[0]),
            "BININT2": lambda: push(number(2)),
            "LONG1": lambda: push(int.from_bytes(read(number(1)), "little", signed=True)),
            "LONG4": self._long_number,
            "FLOAT": lambda: (line(), push(None)),
            "BINFLOAT": lambda: (read(8), push(None)),
            "STRING": self._quoted,
            "BINSTRING": lambda: self._text(number(4)),
            "SHORT_BINSTRING": lambda: self._text(number(1)),
            "UNICODE": lambda: self._keep(line().decode("raw-unicode-escape")),
            "BINUNICODE": lambda: self._text(number(4)),
            "SHORT_BINUNICODE": lambda: self._text(number(1)),
            "BINUNICODE8": lambda: self._text(number(8)),
            "BINBYTES": lambda: self._bytes(number(4)),
            "SHORT_BINBYTES": lambda: self._bytes(number(1)),
            "BINBYTES8": lambda: self._bytes(number(8)),
            "BYTEARRAY8": lambda: self._bytes(number(8)),
            "NEXT_BUFFER": lambda: push(None),
            "READONLY_BUFFER": nothing,
            "EMPTY_LIST": lambda: push([]),
            "EMPTY_SET": lambda: push([]),
            "EMPTY_DICT": lambda: push({}),
            "EMPTY_TUPLE": lambda: push(()),
            "LIST": lambda: push(listed(self._pop_mark())),
            "FROZENSET": lambda: push(listed(self._pop_mark())),
            "TUPLE": lambda: self._tuple(self._pop_mark()),
            "TUPLE1": lambda: self._tuple(self._top_of(1)),
            "TUPLE2": lambda: self._tuple(self._top_of(2)),
            "TUPLE3": lambda: self._tuple(self._top_of(3)),
            "DICT": self._dict,
            "APPEND": lambda: self._extend([self._pop()]),
            "APPENDS": lambda: self._extend(self._pop_mark()),
            "ADDITEMS": lambda: self._extend(self._pop_mark()),
            "SETITEM": lambda: self._set(self._top_of(2)),
            "SETITEMS": lambda: self._set(self._pop_mark()),
            "GET": lambda: self._get(int(line())),
            "BINGET": lambda: self._get(read(1)[0]),
            "LONG_BINGET": lambda: self._get(number(4)),
            "PUT": lambda: self._put(int(line())),
            "BINPUT": lambda: self._put(read(1)[0]),
            "LONG_BINPUT": lambda: self._put(number(4)),
            "MEMOIZE": lambda: self._put(len(self._memo)),
            "EXT1": lambda: self._extension(number(1)),
            "EXT2": lambda: self._extension(number(2)),
            "EXT4": lambda: self._extension(number(4)),
            "GLOBAL": self._global,
            "STACK_GLOBAL": self._stack_global,
            "REDUCE": self._reduce,
            "BUILD": self._build,
            "INST": self._old_instance,
            "OBJ": self._old_object,
            "NEWOBJ": self._new,
            "NEWOBJ_EX": self._new_with_keywords,
            "PROTO": lambda: self._protocol(number(1)),
            "FRAME": lambda: self._frame(number(8)),
            "STOP": self._stop,
            "PERSID": lambda: self._persistent(line().decode("latin-1")),
            "BINPERSID": lambda: self._persistent(self._pop()),
        }
        codes = {ord(opcode.code): named[opcode.name] for opcode in pickletools.opcodes}
        return {code: codes.get(code, fails) for code in range(256)}
