"""What backends that write files have in common."""

from __future__ import annotations

import threading
from pathlib import Path

from reticent.backends.local import identity


def test_who_makes_a_store_at_once_with_others_calls_it_the_same(tmp_path: Path) -> None:
    """By its name progress and locks are kept: under two names two processes would write one run at the same time."""
    for number in range(20):
        directory, begin, names = tmp_path / str(number), threading.Barrier(6), []
        directory.mkdir()

        def ask() -> None:
            begin.wait()  # noqa: B023 - joined in this turn
            names.append(identity(directory))  # noqa: B023

        threads = [threading.Thread(target=ask) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(names) == 6
        assert set(names) == {identity(directory)}
        assert [path.name for path in directory.iterdir()] == [".store"]
