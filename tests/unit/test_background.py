"""Work that waits for a while before it is begun, unless somebody waits for it."""

from __future__ import annotations

import threading
import time

from reticent.background import Background


def patient() -> Background:
    return Background(lambda: None, 3600.0, patience_s=3600.0)


def fail(kind: str, error: BaseException) -> None:
    raise AssertionError(kind) from error


def test_a_job_is_begun_when_somebody_waits_for_it() -> None:
    work, done = patient(), threading.Event()
    work.submit("job", done.set, fail)
    assert not done.wait(0.2)
    assert work.wait(time.monotonic() + 60)
    assert done.is_set()
    work.stop()


def test_who_waits_hurries_what_there_is_and_nothing_later() -> None:
    work, done, later = patient(), threading.Event(), threading.Event()
    work.hurry()
    work.submit("job", done.set, fail)
    assert not done.wait(0.2)
    work.hurry()
    assert done.wait(60)
    assert work.wait(time.monotonic() + 60)
    work.submit("job", later.set, fail)
    assert not later.wait(0.2)
    work.stop()
    assert later.wait(60)
