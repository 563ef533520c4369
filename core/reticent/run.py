"""A run: everything that can be logged to it, each call sealed and in the run log when it returns.

No method raises into training: what cannot be logged is told once, counted, and shows in the run's health.
"""

from __future__ import annotations

import errno
import os
import struct
import threading
import time
import traceback
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from reticent import artifacts, recovery, resume, values
from reticent.files import safe_relative
from reticent.guard import swallowed, warn_once
from reticent.records import (
    METRIC,
    Dataset,
    Lost,
    Param,
    Reference,
    RunEnded,
    RunStarted,
    RunStatus,
    SealedRecord,
    Staged,
    Tag,
    Warned,
)
from reticent_redact import Report, SealedText

if TYPE_CHECKING:
    from reticent.session import Session

active: ContextVar[Run | None] = ContextVar("reticent_run", default=None)
"""The run that module-level functions log to in this context."""

Origin = Literal["explicit", "default", "derived"]

_NO_PARAMS: Mapping[str, SealedText] = {}
_now = time.time
_pack = METRIC.pack
_DISK_REFUSES = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
# What the fast path of log_metric may raise: unknown or unhashable key, full or closed segment, odd step, full disk.
_NOT_FAST = (KeyError, TypeError, ValueError, struct.error, OSError)


class Run:
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
        self._report = Report()
        self._params = {key: hash(value) for key, value in params.items()}
        self._steps: Counter[str] | None = None if started.resumed else Counter()
        self._captured: Counter[str] = Counter()
        self._losses: dict[str, tuple[int, str]] = {}
        self._outer: Run | None = None
        self._fits = 0
        self._lock = threading.RLock()
        self._log = session.log_writer(started.run_id)
        self._keys = self._log.keys
        session.runs[self.run_id] = self
        with self._guard("start_run"):
            with suppress(OSError):  # told and counted when the record below cannot be appended
                session.prepare_root()
            self._append(started)
            session.follow(self.run_id)

    def log_param(self, key: str, value: object) -> None:
        """Log one hyperparameter. Another value for a key that has one is kept as a new version, with a warning."""
        self.log_params({key: value})

    def log_params(self, params: Mapping[str, object], origin: Origin | None = None) -> None:
        """Log hyperparameters; `origin`: given by the user, defaulted by the framework, or derived by us."""
        with self._guard("log_params"):
            records: list[SealedRecord] = []
            for key, value in params.items():
                with self._guard("log_params"):
                    records += self._param(values.text(values.plain(key)), value, origin)
            self._append(*records)

    def log_metric(self, key: str, value: float, step: int | None = None) -> None:
        """Log one point of a metric. Without `step` the points of a key are numbered from 0."""
        try:
            if value.__class__ is float and step is not None:
                self._log.write_metric(_pack(_now(), step, value, self._keys[key]))
                return
        except _NOT_FAST:
            pass
        self._log_metric(key, value, step)

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log one point of several metrics, at the same step."""
        with self._guard("log_metrics"):
            for key, value in metrics.items():
                self.log_metric(key, value, step)

    def set_tag(self, key: str, value: object) -> None:
        """Set a tag; the newest value of a key holds."""
        self.set_tags({key: value})

    def set_tags(self, tags: Mapping[str, object]) -> None:
        """Set tags; the newest value of a key holds."""
        with self._guard("set_tags"):
            self._append(*[self._tag(key, value) for key, value in tags.items()])

    def log_artifact(self, local_path: str | os.PathLike[str], artifact_path: str | None = None) -> None:
        """Log a file, or a directory with all in it, as it is now, under `artifact_path`. It may be deleted afterwards."""
        with self._guard("log_artifact"):
            source = Path(local_path)
            prefix = Path(artifact_path or "")
            if source.is_dir():
                for file in self._files_in(source):
                    self._log_file(file, prefix / source.name / file.relative_to(source))
            else:
                self._log_file(source, prefix / source.name)

    def log_artifacts(self, local_dir: str | os.PathLike[str], artifact_path: str | None = None) -> None:
        """Log the files in a directory, as they are now, under `artifact_path`."""
        with self._guard("log_artifacts"):
            source = Path(local_dir)
            if not source.is_dir():
                raise NotADirectoryError(20, "not a directory", str(source))
            for file in self._files_in(source):
                self._log_file(file, Path(artifact_path or "") / file.relative_to(source))

    def log_text(self, text: str, artifact_file: str) -> None:
        """Log text as the artifact `artifact_file`."""
        with self._guard("log_text"):
            self._log_text(values.text(values.plain(text)), artifact_file)

    def log_dict(self, dictionary: Mapping[str, Any] | list[Any], artifact_file: str) -> None:
        """Log a dictionary or list as JSON (which is YAML too) in the artifact `artifact_file`."""
        with self._guard("log_dict"):
            content = self._session.redactor.seal(
                values.plain(dictionary), channel="artifact", report=self._report, render=values.json
            )
            self._append(artifacts.write_sealed(self.directory, self._path(artifact_file), content))

    def log_figure(self, figure: Any, artifact_file: str) -> None:
        """Log a matplotlib figure (format by the file's suffix) or a plotly one (HTML), drawn as it is now."""
        with self._guard("log_figure"):
            path = self._path(artifact_file)
            token, directory = artifacts.stage_directory(self.directory)
            drawn = directory / safe_relative(path).name
            if hasattr(figure, "savefig"):
                figure.savefig(drawn)
            elif hasattr(figure, "write_html"):
                figure.write_html(drawn)
            else:
                raise TypeError(f"a figure must be matplotlib's or plotly's, not {type(figure).__name__}")
            self._publish(f"{token}/{drawn.name}", path, "file")

    def log_model(self, model: Any, name: str = "model", **options: Any) -> None:
        """Log a model in MLmodel form under `name`; options as of `reticent.models.stage`."""
        with self._guard("log_model"):
            from reticent.models import stage

            path = self._path(name)
            self._publish(stage(self.directory, model, **options), path, "model")

    def log_dataset(
        self, name: str, context: str, *, digest: str, source: object, schema: object, profile: object
    ) -> None:
        """Log what is known of a data set; `context` is its role (train, eval, test)."""
        with self._guard("log_dataset"):
            seal = self._session.redactor.seal
            record = Dataset(
                time=_now(),
                name=self._seal("dataset", name),
                context=context,
                digest=digest,
                source=self._seal("dataset", source),
                schema=seal(values.plain(schema), channel="dataset", report=self._report, render=values.json),
                profile=seal(values.plain(profile), channel="dataset", report=self._report, render=values.json),
            )
            self._append(record)

    def warn(self, kind: str, message: str) -> None:
        """Note in the run's health, and say once in this process, that some of the logging went wrong."""
        with swallowed("a warning"):
            sealed = self._seal("warning", message)
            warn_once(kind, sealed)
            self._append(Warned(time=_now(), kind=kind, message=sealed))

    def in_background(self, kind: str, job: Any) -> None:
        """Have `job()` done off the training thread, before the process ends if the time suffices."""
        self._session.background.submit(kind, job, self._warn_of)

    def end(self, status: RunStatus | str = RunStatus.FINISHED, error: BaseException | None = None) -> None:
        """End the run. What is still worked on in the background is added to it when it is done."""
        if self.status is not RunStatus.RUNNING or self._owner != os.getpid():
            return
        final = RunStatus(status)
        with self._guard("end_run"):
            ended = RunEnded(
                time=_now(),
                status=final,
                error=None if error is None else self._seal("traceback", _traceback(error)),
                counts={**self._captured, "metrics": self._log.metric_count()},
            )
            self._append(ended)
        self.status = final
        self._session.runs.pop(self.run_id, None)
        self.in_background("closing a run log", self._log.close)
        if active.get() is self:
            active.set(self._outer)

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end(status_of(error), error)

    def __repr__(self) -> str:
        return f"<Run {self.name} {self.run_id} {self.status.value}>"

    def count_fit(self) -> int:
        """The number of a fit that is captured in this run, from 1."""
        with self._lock:
            self._fits += 1
            return self._fits

    def losses(self) -> Counter[str]:
        """What could not be appended to the run log, nor told there until now: how many of what."""
        with self._lock:
            return Counter({what: count for what, (count, _) in self._losses.items()})

    def make_active(self) -> None:
        """Have module-level functions in this context log to this run until it ends."""
        self._outer = active.get()
        active.set(self)

    def forked(self, session: Session) -> None:
        """In a forked child: log to files of the child's own."""
        self._session = session
        self._lock = threading.RLock()
        self._report = Report()

    def _log_metric(self, key: str, value: Any, step: int | None) -> None:
        with self._guard("log_metric"):
            converted = values.number(value)
            if step is None:
                step = self._next_step(key)
            try:
                number = self._keys.get(key)
            except TypeError:  # an unhashable key
                key = values.text(values.plain(key))
                number = self._keys.get(key)
            try:
                if number is None:
                    number = self._log.intern(key, self._seal("metric name", key))
                    self._append_redactions()
                self._write_metric(_pack(_now(), int(step), converted, number))
            except OSError as error:
                self._lose("metrics", 1, error)

    def _write_metric(self, packed: bytes) -> None:
        if self.status is not RunStatus.RUNNING:
            self._session.reopened(self.run_id, self._log)
        try:
            self._log.write_metric(packed)
        except ValueError:
            self._log.append_metric(packed)

    def _next_step(self, key: str) -> int:
        with self._lock:
            if self._steps is None:
                self._steps = resume.next_steps(self.directory)
            step = self._steps[key]
            self._steps[key] = step + 1
            return step

    def _param(self, key: str, value: object, origin: Origin | None) -> list[SealedRecord]:
        sealed_key = self._seal("param name", key)
        sealed = self._session.redactor.seal(
            values.plain(value), channel="param", key=key, report=self._report, render=values.text
        )
        known, self._params[sealed_key] = self._params.get(sealed_key), hash(sealed)
        if known == hash(sealed):
            return []
        record = Param(time=_now(), key=sealed_key, value=sealed, origin=origin)
        if known is None:
            return [record]
        message = self._seal(
            "warning", f"param {sealed_key!r} was logged again with another value; the newest one holds"
        )
        return [record, Warned(time=_now(), kind="param changed", message=message)]

    def _tag(self, key: str, value: object) -> Tag:
        key = values.text(values.plain(key))
        sealed = self._session.redactor.seal(
            values.plain(value), channel="tag", key=key, report=self._report, render=values.text
        )
        return Tag(time=_now(), key=self._seal("tag name", key), value=sealed)

    def _log_text(self, text: str, artifact_file: str) -> None:
        path = self._path(artifact_file)
        if len(text) <= artifacts.INLINE_BYTES:
            self._append(artifacts.write_sealed(self.directory, path, self._seal("artifact", text)))
            return
        token, directory = artifacts.stage_directory(self.directory)
        raw = directory / "text"
        with os.fdopen(os.open(raw, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(text.encode("utf-8", "backslashreplace"))
        self._publish(f"{token}/{raw.name}", path, "file")

    def _files_in(self, directory: Path) -> list[Path]:
        """All files below a directory but our own, which grow while they are looked at."""
        own = self._session.root
        return sorted(path for path in directory.rglob("*") if own not in path.absolute().parents and path.is_file())

    def _log_file(self, source: Path, target: Path) -> None:
        path = self._path(target.as_posix())
        size = source.stat().st_size
        if size > self._session.settings.max_artifact_mb * 1e6:
            location = self._seal("artifact", str(source.absolute()))
            self._append(Reference(time=_now(), path=path, location=location, size=size))
            self.warn("large artifact", f"artifact {path!r} is over max_artifact_mb and is referenced, not copied")
            return
        self._publish(artifacts.stage_file(self.directory, source), path, "file")

    def _publish(self, token: str, path: SealedText, kind: Literal["file", "model"]) -> None:
        """Note the snapshot in the log, where it now survives us, and have it sealed in the background."""
        staged = Staged(time=_now(), token=token, path=path, kind=kind)
        self._append(staged)
        session, directory = self._session, self.directory

        def seal() -> None:
            self._append(*recovery.publish(session, directory, staged))
            artifacts.discard(directory, token)

        self.in_background(f"sealing a {kind}", seal)

    def _path(self, path: str) -> SealedText:
        sealed = self._seal("artifact name", path)
        safe_relative(sealed)
        return sealed

    def _seal(self, channel: str, value: object) -> SealedText:
        return self._session.redactor.seal(value, channel=channel, report=self._report, render=values.text)

    def _append(self, *records: SealedRecord) -> None:
        """Append to the run log, after what was redacted on the way and what was lost before."""
        if not records:
            return
        if self.status is not RunStatus.RUNNING:
            self._session.reopened(self.run_id, self._log)
        if self._report:
            records = (*records, *recovery.redactions(self._report))
        try:
            with self._lock:
                self._log.append(*self._lost(), *records)
                self._losses.clear()
        except OSError as error:
            self._lose("records", len(records), error)
            return
        for record in records:
            self._captured[str(record.__struct_config__.tag)] += getattr(record, "count", 1)

    def _append_redactions(self) -> None:
        if self._report:
            self._append(*recovery.redactions(self._report))

    def _lose(self, what: str, count: int, error: OSError) -> None:
        with self._lock:
            self._losses[what] = self._losses.get(what, (0, ""))[0] + count, error.strerror or type(error).__name__
            self._session.losing[self.run_id] = self
        warn_once(
            "lost records",
            f"the run log under {self._session.root} cannot be written ({error.strerror}); training goes on, and what is "
            "logged is lost until it can be written again",
        )

    def _lost(self) -> list[SealedRecord]:
        return [
            Lost(time=_now(), what=what, count=count, reason=self._seal("warning", reason))
            for what, (count, reason) in self._losses.items()
        ]

    def _guard(self, kind: str) -> swallowed:
        return swallowed(kind, self._warn_of)

    def _warn_of(self, kind: str, error: Exception) -> None:
        if isinstance(error, OSError) and (error.errno in _DISK_REFUSES or self._losses):
            self._lose("artifacts", 1, error)  # params and metrics have told of theirs themselves
            return
        self.warn(kind, f"{kind}: {type(error).__name__}: {error}; the training is not affected")


def status_of(error: BaseException | None) -> RunStatus:
    """The status of a run that this exception ended; None: it came to its end."""
    if error is None or isinstance(error, GeneratorExit):
        return RunStatus.FINISHED
    if isinstance(error, KeyboardInterrupt):
        return RunStatus.KILLED
    if isinstance(error, SystemExit):
        return RunStatus.FINISHED if error.code in (None, 0) else RunStatus.KILLED
    return RunStatus.FAILED


def _traceback(error: BaseException) -> str:
    return "".join(traceback.format_exception(type(error), error, error.__traceback__, limit=50))
