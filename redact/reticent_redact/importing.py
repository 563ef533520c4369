"""Unpicklers that only tell what would be imported: as `pickle` reads a file, and as joblib reads the same.

Who wrote the file may want to hide a name. So nothing counts as read that `pickle` or joblib could read otherwise: what
joblib never writes around its arrays is an error here, although joblib would read it.
"""

from __future__ import annotations

import copyreg
import re
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from typing import Any, BinaryIO

from reticent_redact.pickled import Dtype, Global, plain
from reticent_redact.stack import LONG
from reticent_redact.unpickling import Machine

_WRAPPER = "joblib.numpy_pickle NumpyArrayWrapper"
"""What stands in joblib's files for an array, whose bytes follow the operation that gives it its state."""
_WRAPPER_STATE = frozenset({"subclass", "shape", "order", "dtype", "allow_mmap", "numpy_array_alignment_bytes"})
_MADE_AT_ONCE = re.compile(rb"(?:\x94|q.|r.{4})?\)\x81", re.DOTALL)
"""All that joblib does with that class: it is put into the memo, and one is made without arguments."""
_SIZED = frozenset("biufcmMSUVO")
"""Dtypes of these letters have the size that follows the letter, unless a strange state says otherwise."""


class Importing(Machine):
    """Adds to `found` what would be imported as `pickle` reads a file, and `unknown` for each name that is not known."""

    def __init__(self, file: BinaryIO, found: set[str], unknown: str) -> None:
        super().__init__(file, lambda _: False)
        self._names = found
        self._unknown = unknown
        self._version = 0
        self._frame_end = 0
        self.has_arrays = False
        """Whether joblib may find arrays between the operations."""
        self._is_in_array = False
        """Whether joblib would read an array, or what is behind one."""

    def follow(self) -> None:
        """Read all pickles of the file. Raises whatever it is that cannot be read."""
        is_more = True
        while is_more:
            self._version = 0
            for _ in self._pickle():
                pass  # what it would make is of no interest
            self._end_frame()
            is_more = self._from.peek(1) != b""

    def _protocol(self, number: int) -> None:
        if not self._around:
            self._version = number

    def _frame(self, size: int) -> None:
        self._frame_end = self._from.position() + size

    def _end_frame(self) -> None:
        """What is left of a frame is lost for what is read next, which would come after it."""
        if self._from.position() < self._frame_end:
            raise ValueError

    # Names.

    def _name(self, module: Any, name: Any) -> None:
        if type(module) is not str or type(name) is not str or "\ufffd" in module + name:
            if not self._is_in_array:  # there it is the memo of another pickle that tells the name, or chance
                self._names.add(self._unknown)
            self._push(Global(""))
            return
        if self._around:  # joblib's releases differ in what they make of the names of Python 2 there
            self._names.add(f"{module}.{name}")
        if self._version < 3 or self._around:
            module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
        self._names.add(f"{module}.{name}")
        self.has_arrays = self.has_arrays or name.endswith("ArrayWrapper")
        self._push(Global(f"{module} {name}"))

    def _extension(self, code: int) -> None:
        registered: dict[int, tuple[str, str]] = copyreg._inverted_registry  # type: ignore[attr-defined]  # as pickle does
        self._name(*registered.get(code, (None, None)))

    # What is no name is not kept: a pickle may be of any size.

    def _text(self, size: int) -> None:
        if size > LONG:  # no name
            self._from.skip(size)
            self._push(None)
        else:
            super()._text(size)

    def _bytes(self, size: int) -> None:
        self._from.skip(size)
        self._push(None)

    def _few_bytes(self, content: bytes) -> None:  # noqa: ARG002 - as above
        self._push(None)

    def _extend(self, items: list[Any]) -> None:
        pass

    def _put_aside(self, value: Any) -> None:
        pass

    def _set(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if type(target) is dict and len(target) <= len(_WRAPPER_STATE):  # one of more is not the state of a wrapper
            pairs = zip(items[::2], items[1::2], strict=True)
            target.update((key if type(key) is str else "", plain(value)) for key, value in pairs)

    def _name_columns(self) -> None:
        pass

    def _pass_array(self, wrapper: Any) -> None:  # noqa: ARG002 - `pickle` knows no arrays
        self._is_in_array = True


class ImportingArrays(Importing):
    """The same as joblib reads a file: the arrays in it are passed over."""

    def _name(self, module: Any, name: Any) -> None:
        super()._name(module, name)
        self._check_class()

    def _get(self, number: int) -> None:
        super()._get(number)
        self._check_class()

    def _check_class(self) -> None:
        """That a class of which objects stand for arrays is used as joblib uses it."""
        made = self._stack[-1]
        if type(made) is not Global or not made.name.endswith("ArrayWrapper") or self._around:
            return
        if made.name != _WRAPPER or not _MADE_AT_ONCE.match(self._from.peek(8)):
            raise ValueError

    def _build(self) -> None:
        target, state = self._top_of(2)
        self._stack += (target, state)
        super()._build()
        if type(target) is Dtype and not _is_ordinary(target, state):
            target.letter = ""

    def _pass_array(self, wrapper: Any) -> None:
        made = self._stack[-1]
        if len(made) != 2 or not _WRAPPER_STATE.issuperset(wrapper) or wrapper["dtype"].letter not in _SIZED:
            raise ValueError
        if type(wrapper.get("numpy_array_alignment_bytes", 0)) is not int:
            raise TypeError
        self._end_frame()
        wrapper["dtype"].fields = []  # the texts in it are not imported
        Machine._pass_array(self, wrapper)

    def _stop(self) -> None:
        self._end_frame()
        super()._stop()


def _is_ordinary(dtype: Dtype, state: Any) -> bool:
    """Whether a dtype with this state has the size that its letter tells, and objects in it if that says so."""
    if type(state) is not tuple or len(state) < 8 or state[0] not in (3, 4):
        return False
    if dtype.letter in "SUV" and state[5] != dtype:
        return False
    has_objects = type(state[7]) is int and state[7] & 1 == 1
    return has_objects == (dtype.letter == "O") and (state[2] is None or dtype.letter in "VO")
