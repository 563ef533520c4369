"""Couriers: processes that go on delivering what trainings have logged, so that these need not (`reticent courier`).

One for a root, which says so in `<root>/courier.json`: who it is, as writers of run logs do, and what it delivers to. Its
time is the courier's last sign of life.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from reticent.decoding import decodable
from reticent.files import read_note, write_private
from reticent.process import is_alive, this_process

SIGN_S = 5.0
"""How often a courier gives a sign of life."""

SILENT_S = 30.0
"""One that has given none for so long is hung, and counts as gone."""


_MOST = 1 << 20
"""Bytes of what one says of itself."""


@decodable
class Courier(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a courier says of itself."""

    host: str
    machine: str
    pid: int
    process_started: float
    backends: dict[str, str]
    """By URL, a keyed digest of the stricter policy that is kept to towards it, or ""."""
    errors: dict[str, str] = {}
    """Why a backend takes nothing now (sealed), by URL."""

    def is_this_process(self) -> bool:
        me = this_process()
        return (self.machine, self.pid, self.process_started) == (me.machine, me.pid, me.started)


def announced(root: Path) -> Courier | None:
    """The courier that said it serves a root, living or not; None if there is none that can be read."""
    try:
        return msgspec.json.decode(read_note(root / "courier.json", _MOST), type=Courier)
    except (OSError, msgspec.DecodeError):
        return None


def living(root: Path) -> Courier | None:
    """The courier that serves a root now."""
    found = announced(root)
    try:
        last_sign = (root / "courier.json").stat().st_mtime
    except OSError:
        return None
    if found is None or time.time() - last_sign >= SILENT_S:
        return None
    return found if is_alive(found.machine, found.pid, found.process_started, last_sign) else None


def announce(root: Path, host: str, backends: dict[str, str], errors: dict[str, str]) -> None:
    """Say that this process is a root's courier, or still is. OSError if that cannot be written."""
    me = this_process()
    courier = Courier(host, me.machine, me.pid, me.started, backends, errors)
    if announced(root) == courier:
        os.utime(root / "courier.json")
    else:
        write_private(root / "courier.json", msgspec.json.encode(courier))


def withdraw(root: Path) -> None:
    """Say that this process no longer is a root's courier, if it was."""
    found = announced(root)
    if found is not None and found.is_this_process():
        with suppress(OSError):  # a disk that refuses now: that this process is gone will be seen
            (root / "courier.json").unlink()
