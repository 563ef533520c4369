"""A run: everything that can be logged to it, each call sealed and in the run log when it returns.

No method raises into training: what cannot be logged is told once, counted, and shows in the run's health.
"""

from __future__ import annotations

import os
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from reticent import clock, deferred, outcome, resume, sessions, values, workers
from reticent.active import active as active
from reticent.filelogging import FileLogging
from reticent.filing import Filing
from reticent.guard import swallowed
from reticent.holding import Holding
from reticent.recorder import Recorder
from reticent.records import (
    METRIC,
    Dataset,
    Param,
    RunEnded,
    RunStarted,
    RunStatus,
    SealedRecord,
    Tag,
    Warned,
)
from reticent_redact import LEFT_OUT, SealedText

if TYPE_CHECKING:
    from reticent.session import Session
    from reticent.surroundings.console import Kept

Origin = Literal["explicit", "default", "derived"]

_NO_PARAMS: Mapping[str, SealedText] = {}
_now = time.time
_pack = METRIC.pack
NOT_FAST = (AttributeError, KeyError, TypeError, ValueError, struct.error, OSError)
"""What the fast path of `log_metric` may raise: no run, unknown or unhashable key, full or closed segment, odd step,
full disk. The slow path takes it from there."""


def _status(status: RunStatus | str) -> RunStatus:
    try:
        return RunStatus(status)
    except ValueError:
        raise ValueError(
            f"a run ends as {', '.join(RunStatus)}, and as nothing else; it is noted as FINISHED"
        ) from None


class Run(FileLogging):
    """One training: made by `reticent.start_run`, ended by leaving its `with` block or by `end`."""

    def __init__(self, session: Session, started: RunStarted, params: Mapping[str, SealedText] = _NO_PARAMS) -> None:
        self.run_id = started.run_id
        self.name: str = started.name
        self.experiment: str = started.experiment
        self.parent_id = started.parent_id
        self.status = RunStatus.RUNNING
        self.directory = session.run_directory(started.run_id)
        self._session = session
        self._owner = os.getpid()
        self._params = {key: hash(value) for key, value in params.items()}
        self._steps: Counter[str] | None = None if started.resumed else Counter()
        self._outer: Run | None = None
        self.entered = False  # in a `with` block
        self.holding = Holding()
        self.thread: int | None = None
        """The thread that has made it the current run; one that none has, workers and other threads do not log to."""
        self.kept_console: Kept | None = None
        self._fits = 0
        self._before_end: list[Callable[[RunStatus], None]] = []
        self.dataset_names: set[str] = set()
        """Those that integrations have logged."""
        self.validation_digests: set[tuple[str, str]] = set()
        """Of those among them that trainings judge themselves by, with the prefix of each training."""
        self._models: set[str] = set()
        self._lock = threading.RLock()
        self._recorder = Recorder(session, started.run_id)
        self._log = self._recorder.log
        self._keys = self._log.keys
        self._filing = Filing(self._recorder, self.directory)
        self._deferred = self._new_deferred()
        session.runs[self.run_id] = self
        session.begun.add(self.run_id)
        sessions.keep(session)
        with self._recorder.guard("start_run"):
            self._begin(started)
            session.follow(self.run_id)

    def _begin(self, started: RunStarted) -> None:
        with suppress(OSError):  # told and counted when the record below cannot be appended
            self._session.prepare_root()
        self._recorder.append(started)

    def log_param(self, key: str, value: object) -> None:
        """Log one hyperparameter. Another value for a key that has one is kept as a new version, with a warning."""
        self.log_params({key: value})

    def log_params(self, params: Mapping[str, object], origin: Origin | None = None) -> None:
        """Log hyperparameters; `origin`: given by the user, defaulted by the framework, or derived by us."""
        with self._recorder.guard("log_params"):
            records: list[SealedRecord] = []
            for key, value in params.items():
                with self._recorder.guard("log_params"):
                    records += self._param(values.text(values.plain(key)), value, origin)
            self._recorder.append(*records)

    def log_metric(self, key: str, value: float, step: int | None = None) -> None:
        """Log one point of a metric. Without `step` the points of a key are numbered from 0.

        For a CUDA tensor nothing waits: its value is written when the device has it, and is lost if the process is killed
        before.
        """
        try:
            if value.__class__ is float and step is not None:
                self._log.write_metric(_pack(_now(), step, value, self._keys[key]))
                return
        except NOT_FAST:
            pass
        self._log_metric(key, value, step)

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log one point of several metrics, at the same step."""
        with self._recorder.guard("log_metrics"):
            for key, value in metrics.items():
                self.log_metric(key, value, step)

    def set_tag(self, key: str, value: object) -> None:
        """Set a tag; the newest value of a key holds."""
        self.set_tags({key: value})

    def set_tags(self, tags: Mapping[str, object]) -> None:
        """Set tags; the newest value of a key holds."""
        with self._recorder.guard("set_tags"):
            self._recorder.append(*self._tags(tags))

    def log_dataset(
        self, name: str, context: str, *, digest: str, source: object, schema: object, profile: object
    ) -> None:
        """Log what is known of a data set; `context` is its role (train, eval, test)."""
        with self._recorder.guard("log_dataset"):
            seal = self._recorder.seal
            record = Dataset(
                time=clock.now(),
                name=seal("dataset", name),
                context=seal("dataset", context),
                digest=seal("dataset", digest),
                source=seal("dataset", source),
                schema=seal("dataset", schema, render=values.json),
                profile=seal("dataset", profile, render=values.json),
            )
            self._recorder.append(record)

    def warn(self, kind: str, message: str) -> None:
        """Note in the run's health, and say once in this process, that some of the logging went wrong."""
        self._recorder.warn(kind, message)

    def guard(self, kind: str) -> swallowed:
        """`with run.guard(kind):` an error in one part of a capture is noted in the run, and the other parts go on."""
        return self._recorder.guard(kind)

    def in_background(self, kind: str, job: Any) -> None:
        """Have `job()` done off the training thread, before the process ends if the time suffices."""
        self._session.background.submit(kind, job, self._recorder.report)

    def end(
        self,
        status: RunStatus | str = RunStatus.FINISHED,
        error: BaseException | None = None,
        end_time: float | None = None,
    ) -> None:
        """End the run, now or as of `end_time` (epoch seconds). What is still worked on in the background is added to it
        when it is done."""
        if self.status is not RunStatus.RUNNING or not self.owned:
            return
        final = RunStatus.FINISHED
        with self._recorder.guard("end_run"):
            final = _status(status)
            if outcome.is_pruned(error):
                self.set_tag("pruned", True)
                error = None
        if final is RunStatus.FINISHED:
            error = None  # `sys.exit(0)` is one
        if self.parent_id not in self._session.runs:
            self._log_step_times()
        jobs, self._before_end = self._before_end, []
        for job in jobs:
            with self._recorder.guard("end_run"):
                job(final)
        with self._recorder.guard("a metric on a device"):
            self._deferred.settle(time.monotonic() + deferred.END_S)
        with self._recorder.guard("end_run"):
            ended = RunEnded(
                time=clock.now() if end_time is None else end_time,
                status=final,
                error=None if error is None else self._recorder.seal("traceback", outcome.traceback_text(error)),
                counts={**self._recorder.captured, "metrics": self._log.metric_count()},
            )
            self._recorder.append(ended)
        self._leave(final)

    def _log_step_times(self) -> None:
        from reticent import member, ranks

        with self._recorder.guard("step times of a rank"):
            self.log_metrics(member.of_rank(self, ranks.step_times.stop()))

    def _leave(self, final: RunStatus) -> None:
        """Log nothing more, but for what is under way; and have the log closed."""
        self.status = final
        self._recorder.ended = True
        self._session.runs.pop(self.run_id, None)
        if self.thread is not None:
            workers.show_open_run(self._session)
        if self.kept_console is not None:
            with self._recorder.guard("console"):
                self.kept_console.close()
            self.in_background("console", self.kept_console.finish)
        self._filing.seal_waiting()
        self.in_background("closing a run log", self._log.close)
        self.make_inactive()

    @property
    def owned(self) -> bool:
        """Whether this process has started it; a forked one has a copy of its parent's."""
        return self._owner == os.getpid()

    def __enter__(self) -> Run:
        self.entered = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end(outcome.status_of(error), error)

    def __repr__(self) -> str:
        return f"<Run {self.name} {self.run_id} {self.status.value}>"

    def before_end(self, job: Callable[[RunStatus], None]) -> None:
        """Have `job(status)` done just before the run ends, where it is ended: to log what is known only then."""
        self._before_end.append(job)

    def count_fit(self) -> int:
        """The number of a fit that is captured in this run, from 1."""
        with self._lock:
            self._fits += 1
            return self._fits

    def make_active(self) -> None:
        """Have module-level functions in this context log to this run until it ends."""
        self._outer = active.get()
        active.set(self)
        self.thread = self.thread or threading.get_ident()
        workers.show_open_run(self._session)

    def make_inactive(self) -> None:
        """Have module-level functions in this context log to what they did before; the run goes on."""
        if active.get() is self:
            active.set(self._outer)

    def forked(self, session: Session) -> None:
        """In a forked child: log to files of the child's own."""
        self._session = session
        self._lock = threading.RLock()
        self._recorder.forked(session)
        self._filing = Filing(self._recorder, self.directory)  # what waits to be sealed is the parent's
        self._deferred = self._new_deferred()

    def _log_metric(self, key: str, value: Any, step: int | None) -> None:
        with self._recorder.guard("log_metric"):
            if not isinstance(key, str):
                key = values.text(values.plain(key))
            try:
                read = deferred.begin_copy(value) if deferred.on_device(value) else values.number(value)
                whole = self._next_step(key) if step is None else values.step(step)
            except (TypeError, ValueError) as error:
                raise type(error)(f"metric {key!r}: {error}") from None
            try:
                number = self._recorder.metric_key(key)
                if isinstance(read, deferred.Copy):
                    self._deferred.put(deferred.Point(number, whole, _now(), read))
                else:
                    self._recorder.append_metric(_pack(_now(), whole, read, number))
            except OSError as error:
                self._recorder.lose("metrics", 1, error)

    def _new_deferred(self) -> deferred.Deferred:
        return deferred.Deferred(self._write_deferred, partial(self.in_background, "a metric on a device"))

    def _write_deferred(self, point: deferred.Point) -> None:
        with self._recorder.guard("log_metric"):
            try:
                self._recorder.append_metric(_pack(point.time, point.step, values.number(point.copy.host), point.key))
            except OSError as error:
                self._recorder.lose("metrics", 1, error)

    def _next_step(self, key: str) -> int:
        with self._lock:
            if self._steps is None:
                self._steps = resume.next_steps(self.directory)
            step = self._steps[key]
            self._steps[key] = step + 1
            return step

    def _param(self, key: str, value: object, origin: Origin | None) -> list[SealedRecord]:
        sealed_key = self._recorder.name("param name", key)
        sealed = self._recorder.seal("param", value, key)
        known, self._params[sealed_key] = self._params.get(sealed_key), hash(sealed)
        if known == hash(sealed) or sealed == LEFT_OUT:
            return []
        record = Param(time=clock.now(), key=sealed_key, value=sealed, origin=origin)
        if known is None or self.holding.goes_on or origin == "derived":  # what was found out grows as a run goes on
            return [record]
        message = self._recorder.seal(
            "warning", f"param {sealed_key!r} was logged again with another value; the newest one holds"
        )
        return [record, Warned(time=clock.now(), kind=self._recorder.seal("warning", "param changed"), message=message)]

    def _tags(self, tags: Mapping[str, object]) -> Iterator[Tag]:
        for name, value in tags.items():
            key = values.text(values.plain(name))
            sealed = self._recorder.seal("tag", value, key)
            if sealed != LEFT_OUT:
                yield Tag(time=clock.now(), key=self._recorder.name("tag name", key), value=sealed)
