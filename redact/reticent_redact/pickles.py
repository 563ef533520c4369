"""Where pickles are in a file, and what is in them, without executing anything: nothing is imported and no object made."""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable, Iterator
from typing import BinaryIO

from reticent_redact.parts import UNREADABLE, Part
from reticent_redact.unpickling import OLD, Machine, begins

__all__ = ["begins", "is_old", "parts"]

_FEW = 5
"""What goes on for fewer operations only begins as pickles do."""

_OF_TEXT = frozenset("STUVXc")
_OF_STRUCTURE = frozenset("pqrsuae")
"""Operations of which a pickle of protocol 0 or 1 has some, and a text that begins like one does not."""


def is_old(file: BinaryIO) -> bool:
    """Whether a file is one or more pickles of protocol 0 or 1, which may look like text, or begins with one of a text."""
    file.seek(0)
    if not OLD.issuperset(file.read(1) or b"\0"):
        return False
    file.seek(0)
    try:  # what is no pickle ends at its first word
        while True:
            count, codes = 0, set()
            for opcode, _, _ in pickletools.genops(file):
                if opcode.proto > 1:
                    return False
                count += 1
                codes.add(opcode.code)
            is_one = count > _FEW and not (_OF_TEXT.isdisjoint(codes) or _OF_STRUCTURE.isdisjoint(codes))
            if is_one or not file.read(1):
                return True
            file.seek(-1, io.SEEK_CUR)
    except Exception:  # noqa: BLE001 - whatever it says of what is no pickle
        return False


def parts(file: BinaryIO, is_packed: Callable[[bytes], bool]) -> Iterator[Part]:
    """What is in the pickles of a file; `is_packed` tells of the beginning of bytes whether something is packed in them."""
    machine = Machine(file, is_packed)
    is_more = True
    while is_more:
        try:
            yield from machine.run()
        except Exception:  # noqa: BLE001 - it is damaged, or no pickle, and what was read so far counts
            if machine.count >= _FEW:
                yield machine.unfinished()
                if not machine.is_doubtful:
                    yield UNREADABLE
        is_more = machine.skip_to_next()
