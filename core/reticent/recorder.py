"""Brings what a run logs into its run log: sealed, in order, and counted where the disk does not take it."""

from __future__ import annotations

import errno
import threading
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from reticent import clock, recovery, values
from reticent.guard import swallowed, warn_once
from reticent.records import Lost, SealedRecord, Warned
from reticent_redact import Report, SealedText

if TYPE_CHECKING:
    from reticent.session import Session

_DISK_REFUSES = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)


class Recorder:
    """One run's way into its log; `log` is this process's writer of it."""

    def __init__(self, session: Session, run_id: str) -> None:
        self.session = session
        self.log = session.log_writer(run_id)
        self.captured: Counter[str] = Counter()
        """How many records of each kind are in the log."""
        self.ended = False
        self._run_id = run_id
        self._report = Report()
        self._losses: dict[str, tuple[int, str]] = {}
        self._alike: dict[tuple[str, SealedText], dict[int, int]] = {}
        """For each name in which something was hidden, the hashes of the names that became it, numbered; never written."""
        self._lock = threading.RLock()

    def forked(self, session: Session) -> None:
        """In a forked child: locks and counts of its own."""
        self.session = session
        self._report = Report()
        self._lock = threading.RLock()

    def seal(
        self, channel: str, value: object, key: str = "", render: Callable[[values.Plain], str] = values.text
    ) -> SealedText:
        """`value` as sealed text; what was hidden is noted with the next record."""
        return self.session.redactor.seal(
            values.plain(value), channel=channel, key=key, report=self._report, render=render
        )

    def seal_next(self, channel: str, text: str, before: str, after: str = "") -> SealedText:
        """A piece of a longer text, between `before` and `after`, as sealed text."""
        redactor = self.session.redactor
        return redactor.seal_next(text, before=before, after=after, channel=channel, report=self._report)

    def name(self, channel: str, name: str) -> SealedText:
        """A name, sealed; of several of this process that are the same then, the later ones get a number."""
        sealed = self.seal(channel, name)
        number = self.number(channel, name, sealed)
        return sealed if number == 1 else self.seal(channel, f"{sealed}-{number}")

    def number(self, channel: str, name: str, sealed: SealedText) -> int:
        """Which one a name is of those that are `sealed` like it, from 1."""
        if sealed == name:
            return 1
        with self._lock:
            alike = self._alike.setdefault((channel, sealed), {})
            return alike.setdefault(hash(name), len(alike) + 1)

    def append(self, *records: SealedRecord) -> None:
        """Append to the run log, with what was redacted on the way and what was lost before."""
        if self._report:
            records = (*records, *recovery.redactions(self._report))
        if not records:
            return
        self._reopen()
        try:
            with self._lock:
                self.log.append(*self._lost(), *records)
                self._losses.clear()
                for record in records:
                    self.captured[str(record.__struct_config__.tag)] += getattr(record, "count", 1)
        except OSError as error:
            self.lose("records", len(records), error)

    def metric_key(self, key: str) -> int:
        """The number that stands for a metric's name in this log. OSError if a new one cannot be written."""
        number = self.log.keys.get(key)
        if number is None:
            number = self.log.intern(key, self.name("metric name", key))
            self.append()
        return number

    def append_metric(self, packed: bytes) -> None:
        """Append one `METRIC` record. OSError if the disk does not take it."""
        self._reopen()
        try:
            self.log.write_metric(packed)
        except ValueError:
            self.log.append_metric(packed)

    def lose(self, what: str, count: int, error: OSError) -> None:
        """Count what the disk did not take, and say once that it does not."""
        with self._lock:
            self._losses[what] = self._losses.get(what, (0, ""))[0] + count, error.strerror or type(error).__name__
            self.session.losing[self._run_id] = self
        message = (
            f"the run log under {self.session.root} cannot be written ({error.strerror}); training goes on, and what is "
            "logged is lost until it can be written again"
        )
        warn_once("lost records", self.seal("warning", message))

    def losses(self) -> Counter[str]:
        """What could not be appended, nor told in the log until now: how many of what."""
        with self._lock:
            return Counter({what: count for what, (count, _) in self._losses.items()})

    def guard(self, kind: str) -> swallowed:
        """`with guard(kind):` an error of ours ends in the run's health."""
        return swallowed(kind, self.report)

    def report(self, kind: str, error: BaseException) -> None:
        """Note a swallowed error in the run's health."""
        if isinstance(error, OSError) and (error.errno in _DISK_REFUSES or self._losses or self.log.deleted()):
            self.lose("artifacts", 1, error)  # params and metrics have told of theirs themselves
        else:
            self.warn(kind, f"{kind}: {type(error).__name__}: {error}; the training is not affected")

    def warn(self, kind: str, message: str) -> None:
        """Note in the run's health, and say once in this process, that some of the logging went wrong."""
        with swallowed("a warning"):
            sealed = self.seal("warning", message)
            warn_once(kind, sealed)
            self.append(Warned(time=clock.now(), kind=self.seal("warning", kind), message=sealed))

    def _reopen(self) -> None:
        if self.ended:
            self.session.reopened(self._run_id, self.log)

    def _lost(self) -> list[SealedRecord]:
        return [
            Lost(time=clock.now(), what=what, count=count, reason=self.seal("warning", reason))
            for what, (count, reason) in self._losses.items()
        ]
