"""Brings run logs to one backend: from its cursor to the end of the log, again and again, whatever happens."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Literal

from reticent import clock
from reticent.backends import Backend, Batch, Rejection, Target, UnavailableError, create, name_of
from reticent.delivery.backoff import Apart, Backoff, concerns_all
from reticent.delivery.batches import Seal, Size, count, next_batch, unkept
from reticent.delivery.stricter import Stricter
from reticent.guard import said, tried, warn_once
from reticent.progress import BusyError, Progress, ProgressFiles
from reticent.records import Delivery
from reticent.runlog import STAGING, RunReader

Advance = Callable[[int], None]

LEFT_BYTES = 64 << 20
"""A run of an earlier process that has left more than this to be sealed waits for a reader, or for `reticent sync`."""

CLAIM_S = 2.0
"""How long another process that delivers the same run is waited for."""


class Step(Enum):
    MORE = "there may be more to deliver"
    CAUGHT_UP = "all that was logged so far has arrived"
    COMPLETE = "the run has ended, and all of it has arrived"


def _ignore(_records: int) -> None:
    """Progress that nobody watches."""


class Sender:
    """One backend's deliveries, by its own thread (`start`) or in the caller's (`deliver`); one at a time.

    `seal` seals error messages of the backend. `prepare(run_id)` is called before a run of another process is read, and
    `completed(run_id, delivery)` to have its run log say how the delivery stands. `stricter` stands before a backend that
    may have less than the run log holds.
    """

    def __init__(
        self,
        url: str,
        root: Path,
        batch_records: int,
        seal: Seal,
        prepare: Callable[[str], None],
        completed: Callable[[str, Delivery], None],
        stricter: Stricter | None = None,
    ) -> None:
        self.url = url
        self.name = name_of(url)
        self.error = ""
        self.gone = False
        """Whether the backend takes nothing more from this process."""
        self._root = root
        self._size = Size(batch_records)
        self._seal = seal
        self._prepare = prepare
        self._completed = completed
        self._stricter = stricter
        self._delivering = threading.Lock()
        self._backend: Backend | None = None
        self._files: ProgressFiles | None = None
        self._following: dict[str, tuple[RunReader, Progress, bool]] = {}
        """With each run that is being read: whether its processes had ended before it was prepared."""
        self._own: dict[str, None] = {}
        self._backoff = Backoff()
        self._apart = Apart()
        self._wake = threading.Event()
        self._passed = threading.Condition()
        self._begun = self._done = 0
        self.stopped = False
        """Whether nothing is to be done by its thread any more."""
        self._thread: threading.Thread | None = None

    def start(self, interval_s: float) -> None:
        """Deliver every `interval_s` seconds in a thread of its own, first what earlier processes left."""
        self.stopped = False
        if self.name != "sqlite":
            # Modules of many a backend import this one. At the end of a process, when a short one delivers, it cannot
            # be imported any more.
            import concurrent.futures.thread  # noqa: F401
        with self._passed:  # two threads may come at once; one that is only just being started is not alive
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._run, args=(interval_s,), name=f"reticent-{self.name}", daemon=True
                )
                self._thread.start()

    def follow(self, run_id: str) -> None:
        """Deliver a run of this process, until it has ended and everything has arrived."""
        self._own[run_id] = None

    def wake(self) -> None:
        """Begin a delivery now rather than at the next interval."""
        self._wake.set()

    def pending(self) -> list[str]:
        """The runs of this process that this backend has not got whole, or that have not ended."""
        return list(self._own)

    def flush(self, deadline: float) -> bool:
        """Have everything logged so far delivered before `time.monotonic()` reaches `deadline`; whether it was, or is no
        longer for this one to do."""
        while self._own:
            with self._passed:
                wanted = self._begun + 1  # a pass under way may have read before the caller's last record
                self.wake()
                if not self._passed.wait_for(partial(self._has_passed, wanted), deadline - time.monotonic()):
                    return False
            if self.stopped or not self.error:
                return True
            if self.gone:
                return False
            if time.monotonic() + 0.05 < deadline:
                time.sleep(0.05)
        return True

    def give_up(self) -> list[str]:
        """Have the logs of this process's runs that have not arrived whole say so; their ids. Waits for nothing."""
        left = list(self._own)
        for run_id in left:
            progress = self._following[run_id][1] if run_id in self._following else Progress()
            self._completed(run_id, self._record(progress, "pending"))
        return left

    def deliver(self, run_ids: Iterable[str], advance: Advance = _ignore) -> None:
        """Bring the store up to date with these runs, in this thread; `advance(n)` is called as records arrive.

        Raises what the backend raises.
        """
        with self._delivering:
            for run_id in run_ids:
                try:
                    self._deliver_run(run_id, advance)
                except BaseException:
                    self._reset()  # the reader stands behind what was not written
                    raise
                if run_id not in self._own:
                    self._following.pop(run_id, None)  # prepared anew the next time: its process may be gone by then

    def outstanding(self, only: str | None = None) -> list[str]:
        """The runs under the root, or the only one in question, that may hold something the store has not got. Raises what
        the backend raises."""
        with self._delivering:
            files = self._opened()
            if only is None:
                return files.outstanding()
            return [only] if files.is_outstanding(only) else []

    def progress(self, run_id: str) -> Progress:
        with self._delivering:
            return self._opened().load(run_id)

    def close(self) -> None:
        with self._delivering:
            self._reset()

    def stop(self) -> None:
        """End the thread."""
        self.stopped = True
        with self._passed:
            self._passed.notify_all()
        self.wake()

    def _has_passed(self, wanted: int) -> bool:
        return self.stopped or self._done >= wanted

    def _run(self, interval_s: float) -> None:
        leftovers: list[str] | None = None
        while True:
            self._wake.wait(interval_s)
            if self.stopped:
                return
            with self._passed:
                self._wake.clear()
                self._begun += 1
            if not self._backoff.open():
                try:
                    with self._delivering:
                        if leftovers is None:
                            leftovers = [run_id for run_id in self._opened().outstanding() if run_id not in self._own]
                        if self._pass(leftovers):
                            self._reset()  # perhaps it was the backend after all
                    self._backoff.succeeded()
                    self.error = self._apart.why()
                    if self.error:
                        self._tell_failure()
                except BaseException as error:  # noqa: BLE001 - a backend may raise anything; it is tried again
                    self._failed(error)
            with self._passed:
                self._done = self._begun
                self._passed.notify_all()

    def _pass(self, leftovers: list[str]) -> bool:
        """Deliver what there is; whether a run could not be taken."""
        waiting, failed = self._apart.due(self._own), False
        while waiting and not self.stopped:  # in turns: a run with millions of points keeps no other from its end
            run_id = waiting.pop(0)
            try:
                step = self._step(run_id, _ignore)
            except Exception as error:  # what is wrong with one run is nothing to the others
                if concerns_all(error):
                    raise
                self._put_apart(run_id, error)
                failed = True
                continue
            self._apart.succeeded(run_id)
            if step is Step.MORE:
                waiting.append(run_id)
            elif step is Step.COMPLETE:
                self._own.pop(run_id, None)
        while leftovers and not self._wake.is_set():
            try:
                self._deliver_leftover(leftovers[-1])
            except BusyError:
                pass
            except Exception as error:  # likewise, and ours do not wait for it
                if concerns_all(error):
                    raise
                self._following.pop(leftovers[-1], None)
                failed = True
                warn_once(
                    f"left for {self.name}",
                    f"the run {leftovers[-1]} of an earlier process, and maybe others, cannot be delivered to {self.name} "
                    f"({self._seal(said(error))}); `reticent sync` tries it again",
                )
            leftovers.pop()
        return failed

    def _deliver_leftover(self, run_id: str) -> None:
        directory = self._root / "runs" / run_id
        # While its process lives, that delivers it. Sealing gigabytes that it left would keep ours from its end.
        staged_bytes = sum(path.stat().st_size for path in (directory / STAGING).rglob("*") if path.is_file())
        if staged_bytes <= LEFT_BYTES and RunReader(directory).finished():
            self._deliver_run(run_id, _ignore)

    def _put_apart(self, run_id: str, error: Exception) -> None:
        self._following.pop(run_id, None)
        self._apart.failed(run_id, self._seal(f"run {run_id}: {said(error)}"))

    def _failed(self, error: BaseException) -> None:
        after = error.retry_after if isinstance(error, UnavailableError) else 0.0
        self._backoff.failed(after if isinstance(after, (int, float)) and after > 0 else 0.0)  # NaN is not
        self.gone = after == math.inf
        with self._delivering:
            self._reset()
        self.error = self._seal(said(error))
        self._tell_failure()

    def _tell_failure(self) -> None:
        warn_once(
            f"backend {self.name}",
            f"backend {self.name} does not take records now ({self.error}); they are kept, and "
            + ("the next process or `reticent sync` delivers them" if self.gone else "tried again"),
        )

    def _reset(self) -> None:
        backend, self._backend, self._files = self._backend, None, None
        self._following.clear()
        if backend is not None:
            with tried() as attempt:
                backend.close()
            if attempt.error is not None:  # it is given up in any case
                self.error = self.error or self._seal(said(attempt.error))

    def _opened(self) -> ProgressFiles:
        if self._files is None:
            backend = create(self.url)
            identity = backend.open(Target(self.url, self._root))
            self._backend, self._files = backend, ProgressFiles(self._root, self.url, identity)
        return self._files

    def _deliver_run(self, run_id: str, advance: Advance) -> None:
        """Deliver one run to the present end of its log."""
        while self._step(run_id, advance) is Step.MORE:
            pass

    def _step(self, run_id: str, advance: Advance) -> Step:
        """Deliver one batch of a run."""
        files = self._opened()
        assert self._backend is not None
        with files.claimed(run_id, CLAIM_S):
            if run_id not in self._following or files.stale(run_id):
                progress = files.load(run_id)
                reader = RunReader(self._root / "runs" / run_id, progress.cursor)
                self._following[run_id] = reader, progress, reader.finished()
                if run_id not in self._own:
                    self._prepare(run_id)
            reader, progress, prepared = self._following[run_id]
            seen = files.look(run_id)
            finished = reader.finished()  # asked before reading: nothing can follow what is then read to the end
            most = self._size.now
            batch = next_batch(reader, progress, most, self._seal)
            if batch is not None:
                rejections = self._write(self._backend, batch, files)
                if rejections:
                    progress.rejected += sum(max(1, one.count) for one in rejections)
                    progress.error = self._seal(str(rejections[-1].reason))
                progress.mark = batch.mark.text
                before = progress.delivered
                count(progress, batch, self.name)
                progress.complete = False
                files.save(run_id, progress)
                advance(progress.delivered - before)
                # While a run goes on, what came meanwhile waits for the next pass: else each pair of points is a request.
                return Step.MORE if len(batch) >= most // 2 or reader.finished() else Step.CAUGHT_UP
            if finished and not prepared and run_id not in self._own:
                del self._following[run_id]  # its process has vanished meanwhile, with work undone
                return Step.MORE
            if finished != progress.complete:
                progress.complete = finished
                files.save(run_id, progress)
            if not finished:
                return Step.CAUGHT_UP
            if not _has_staged(self._root / "runs" / run_id):  # else whoever looks next publishes that
                files.settle(run_id, seen)
            del self._following[run_id]
            if progress.said == "pending" or (not progress.said and self._tells(run_id)):
                self._completed(run_id, self._record(progress, "complete"))
                progress.said = "complete"  # also where the log can no longer say it
                files.save(run_id, progress)
                return Step.MORE
            return Step.COMPLETE

    def _tells(self, run_id: str) -> bool:
        """Whether it is for this one to have a run's log say that all has arrived."""
        return run_id in self._own

    def _write(self, backend: Backend, batch: Batch, files: ProgressFiles) -> Sequence[Rejection]:
        with self._size.tried():
            if self._stricter is None:
                rejections = backend.write(batch)
            else:
                with self._stricter.batch(batch, files.directory / "sealed") as sealed:
                    rejections = list(backend.write(sealed))
        return [*rejections, *unkept(batch, backend, self.name)]

    def _record(self, progress: Progress, state: Literal["complete", "pending"]) -> Delivery:
        return Delivery(
            time=clock.now(),
            backend=self.name,
            state=state,
            delivered=progress.delivered,
            rejected=progress.rejected,
            error=self._seal(progress.error or self.error) if state == "pending" or progress.rejected else None,
        )


def _has_staged(directory: Path) -> bool:
    """Whether something of a run waits to be sealed."""
    staging = directory / STAGING
    return staging.is_dir() and any(staging.iterdir())
