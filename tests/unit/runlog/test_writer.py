"""What a writer has the disk hold, and how often."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from reticent.records import METRIC, Param
from reticent.runlog import LogWriter
from reticent_redact import Redactor

seal = Redactor().seal


@pytest.mark.skipif(sys.platform != "linux", reason="what a descriptor is of is looked up in /proc")
def test_the_disk_is_given_what_was_written_since_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    original = os.fdatasync

    def fdatasync(descriptor: int) -> None:
        synced.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).suffix)
        original(descriptor)

    def newly(writer: LogWriter) -> list[str]:
        synced.clear()
        writer.sync()
        return synced

    def point(step: int) -> bytes:
        return METRIC.pack(1.0, step, 0.5, 1)

    def param(key: str) -> Param:
        return Param(time=1.0, key=seal(key, channel="test"), value=seal("value", channel="test"), origin=None)

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    writer = LogWriter(tmp_path / "runs" / "r", seal("host", channel="test"))
    assert newly(writer) == []
    writer.append_metric(point(0))
    assert newly(writer) == [".events", ".metrics"]
    assert newly(writer) == []
    writer.write_metric(point(1))
    assert newly(writer) == [".metrics"]
    writer.append(param("lr"))
    assert newly(writer) == [".events"]
    (events,) = (tmp_path / "runs" / "r").glob("*.events")
    os.utime(events, (0, 0))
    assert newly(writer) == []
    assert events.stat().st_mtime > 0  # the sign of life is given all the same
    writer.close()
    assert newly(writer) == []
    writer.append(param("late"))  # as many writes as the disk had of the file before
    assert newly(writer) == [".events"]
    writer.close()
