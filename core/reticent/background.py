"""Work that training must not wait for: sealing files, saving models, drawing, and syncing open logs to disk.

One daemon thread per process, started by the first job. Jobs run in order; one that fails is reported to its run.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from reticent.guard import swallowed

Job = Callable[[], None]
Report = Callable[[str, BaseException], None]


class Background:
    def __init__(self, tick: Callable[[], None], tick_s: float, patience_s: float = 0.0) -> None:
        """A job is begun `patience_s` after it came, or as soon as somebody waits for it."""
        self._tick = tick
        self._tick_s = tick_s
        self._patience_s = patience_s
        self._hurried = threading.Event()
        self._jobs: queue.SimpleQueue[tuple[str, Job, Report, float] | None] = queue.SimpleQueue()
        """The last of each is when to begin. None ends the thread."""
        self._idle = threading.Condition()
        self._unfinished: Counter[str] = Counter()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread if it does not run."""
        with self._idle:  # two threads may come at once; one that is only just being started is not alive
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="reticent-background", daemon=True)
                self._thread.start()

    def is_used(self) -> bool:
        """Whether there has ever been anything to do."""
        return self._thread is not None

    def submit(self, kind: str, job: Job, report: Report) -> None:
        """Have `job` done soon; `report(kind, error)` is called if it fails."""
        with self._idle:
            self._unfinished[kind] += 1
        self._jobs.put((kind, job, report, time.monotonic() + self._patience_s))
        self.start()

    def stop(self) -> None:
        """End the thread when it has done what there is to do. Nothing may be submitted meanwhile."""
        if self._thread is not None:
            self.hurry()
            self._jobs.put(None)

    def pending(self, kind: str | None = None) -> int:
        """How many jobs, of one kind or of all, are not done."""
        with self._idle:
            return self._unfinished.total() if kind is None else self._unfinished[kind]

    def hurry(self) -> None:
        """Have the jobs that there are begun now."""
        with self._idle:
            if self.pending():
                self._hurried.set()

    def wait(self, deadline: float) -> bool:
        """Wait until all jobs are done or `time.monotonic()` has reached `deadline`; whether they are."""
        with self._idle:
            self.hurry()
            return self._idle.wait_for(lambda: not self.pending(), max(0.0, deadline - time.monotonic()))

    def drop(self) -> list[tuple[str, Report]]:
        """Forget the jobs that have not begun; of which kinds they were, and who reports that."""
        dropped = []
        with suppress(queue.Empty):
            while True:
                job = self._jobs.get_nowait()
                if job is None:
                    continue
                kind, _, report, _ = job
                dropped.append((kind, report))
                self._done(kind)
        return dropped

    def _done(self, kind: str) -> None:
        with self._idle:
            self._unfinished[kind] -= 1
            if not self.pending():
                self._hurried.clear()
            self._idle.notify_all()

    def _run(self) -> None:
        next_tick = time.monotonic() + self._tick_s
        while True:
            left = next_tick - time.monotonic()
            if left <= 0:
                with swallowed("sync to disk"):
                    self._tick()
                next_tick = time.monotonic() + self._tick_s
                continue
            try:
                next_job = self._jobs.get(timeout=left)
            except queue.Empty:
                continue
            if next_job is None:
                return
            kind, job, report, due = next_job
            self._hurried.wait(max(0.0, due - time.monotonic()))
            try:
                with swallowed(kind, report):
                    job()
            finally:
                self._done(kind)
