"""What a training makes of what it finds where a courier says that it is there."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from reticent import couriers


def pipe(path: Path) -> None:
    os.mkfifo(path)


def link(path: Path) -> None:
    (path.parent / "elsewhere").write_bytes(b"{}")
    path.symlink_to("elsewhere")


def directory(path: Path) -> None:
    path.mkdir()


def garbage(path: Path) -> None:
    path.write_bytes(b"\xff\xfe" * 100)


@pytest.mark.parametrize("put", [pipe, link, directory, garbage])
def test_what_is_no_file_of_a_courier_is_none_and_not_waited_for(put: Callable[[Path], None], tmp_path: Path) -> None:
    put(tmp_path / "courier.json")
    found: list[object] = []
    asking = threading.Thread(target=lambda: found.append(couriers.living(tmp_path)), daemon=True)
    asking.start()
    asking.join(20)
    assert found == [None]


def test_one_with_much_to_say_is_read_whole(tmp_path: Path) -> None:
    errors = {f"memory://{number}": "not now " * 40 for number in range(20)}
    couriers.announce(tmp_path, "host", dict.fromkeys(errors, ""), errors)
    found = couriers.living(tmp_path)
    assert found is not None
    assert found.errors == errors
