"""Runs as the embedded database has them: many are loaded in a constant number of statements, the rest on demand."""

from __future__ import annotations

import json
import math
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

from reticent import settings
from reticent.backends import name_of
from reticent.backends.sqlite.backend import TABLES, blob_path
from reticent.backends.sqlite.health import TROUBLES, Health
from reticent.backends.sqlite.plain import finite, iso, parsed, plain
from reticent.backends.sqlite.statements import database_file, fetch, fetch_named
from reticent.files import safe_relative
from reticent.progress import known
from reticent.records import (
    Artifact,
    Console,
    Dataset,
    Delivery,
    Lost,
    Metric,
    Model,
    ModelAlias,
    ModelTried,
    Record,
    Redaction,
    Reference,
    RunStatus,
    Warned,
    Withheld,
)

R = TypeVar("R", bound=Record)


class MetricSummary(NamedTuple):
    count: int  # type: ignore[assignment] # hides tuple.count
    first: float
    last: float
    min: float
    max: float


class ParamVersion(NamedTuple):
    value: str
    time: float
    origin: Literal["explicit", "default", "derived"] | None


@dataclass(frozen=True)
class StoredRun:
    """A run as the store has it: what tells runs apart is here, the rest is read when it is asked for.

    Times are seconds since the epoch. `params`, `tags` and `metrics` are the newest values, NaN included. What a method
    reads is as new as the moment; it raises StoreError if the database cannot be read.
    """

    run_id: str
    name: str
    experiment: str
    parent_id: str | None
    status: RunStatus
    start_time: float | None
    end_time: float | None
    error: str | None
    params: dict[str, str]
    param_origins: dict[str, str | None]
    """Whether the user gave a param (explicit), the framework (default), or it was derived; None: not known."""
    tags: dict[str, str]
    metrics: dict[str, float]
    health: Health
    _child_count: int = field(repr=False)
    _connection: sqlite3.Connection = field(repr=False, compare=False)
    _seal: Callable[[str], str] = field(repr=False, compare=False)
    """For errors, which repeat what the caller gave."""
    _row: int = field(repr=False, compare=False)
    _look_further: Callable[[], None] | None = field(repr=False, compare=False)
    """Where the store was brought up to date with this run's log alone: has it be so with those of all others."""

    def __repr__(self) -> str:
        return f"<StoredRun {self.name} {self.run_id} {self.status.value}>"

    @property
    def duration_s(self) -> float | None:
        """None while the run goes on."""
        return None if self.start_time is None or self.end_time is None else self.end_time - self.start_time

    @property
    def child_count(self) -> int:
        """How many other runs have this one as their parent."""
        if self._look_further is None:
            return self._child_count
        return sum(child.run_id != self.run_id for child in self.children())

    def metric_keys(self) -> list[str]:
        return sorted(self.metrics)

    def metric_history(self, key: str) -> list[Metric]:
        """All points by step, then time, then the order in which they were logged; none for an unknown key."""
        rows = self._select(
            "step, time, value FROM metric WHERE run = ? AND key = (SELECT id FROM metric_key WHERE name = ?)"
            " ORDER BY step, time, place",
            key,
        )
        sealed: Any = key
        return [Metric(sealed, _number(row["value"]), row["step"], row["time"]) for row in rows]

    def metric_summary(self, key: str) -> MetricSummary:
        """Raises KeyError for a metric that the run has not got. NaN counts for `min` and `max` if there is nothing else."""
        rows = self._select(
            "count(*) AS count, latest.value AS last, smallest, largest, (SELECT value FROM metric"
            " WHERE run = latest.run AND key = latest.key ORDER BY step, time, place LIMIT 1) AS first"
            " FROM latest_metric AS latest JOIN metric USING (run, key)"
            " WHERE latest.run = ? AND latest.key = (SELECT id FROM metric_key WHERE name = ?) GROUP BY latest.run",
            key,
        )
        if not rows:
            raise KeyError(self._seal(f"run {self.run_id} has no metric {key!r}"))
        row = rows[0]
        return MetricSummary(row["count"], *(_number(row[name]) for name in ("first", "last", "smallest", "largest")))

    def metric_curve(self, key: str, width: int) -> list[float]:
        """The means of all finite points in each of `width` equal spans of steps; NaN in one that has no other.

        Spans without points are left out. No point is decoded on its own: it is fast for millions of them.
        """
        rows = self._select(
            "avg(iif(abs(value) < 9e999, value, NULL)) AS mean FROM metric,"
            " (SELECT run, key, min(step) AS low, max(step) - min(step) + 1.0 AS span FROM metric"
            " WHERE run = ? AND key = (SELECT id FROM metric_key WHERE name = ?)) AS mine"
            " WHERE metric.run = mine.run AND metric.key = mine.key"
            " GROUP BY CAST((step - low) * ? / span AS INTEGER)",
            key,
            width,
        )
        return [_number(row["mean"]) for row in rows]

    def param_versions(self, key: str) -> list[ParamVersion]:
        """Every value that the param had, the newest last."""
        rows = self._select("value, time, origin FROM param WHERE run = ? AND key = ? ORDER BY time", key)
        return [ParamVersion(*row) for row in rows]

    def artifacts(self) -> list[Artifact]:
        return self._records(Artifact, "path")

    def artifact_path(self, path: str) -> Path:
        """Where the content of an artifact lies, or the run's own directory of several, such as a model's.

        Raises FileNotFoundError if the run has none or it is not there now.
        """
        rows = self._select("sha256 FROM artifact WHERE run = ? AND path = ?", path)
        if not rows and any(file.path.startswith(f"{path.rstrip('/')}/") for file in self.artifacts()):
            return self._artifact_directory(path)
        if not rows:
            raise FileNotFoundError(self._seal(f"run {self.run_id} has no artifact {path!r}"))
        blob = blob_path(Path(database_file(self._connection)), rows[0]["sha256"])
        if not blob.is_file():
            message = f"the content of artifact {path!r} of run {self.run_id} is not in the store: {blob}"
            raise FileNotFoundError(self._seal(message))
        return blob

    def _artifact_directory(self, path: str) -> Path:
        root = settings.root(settings.current().settings)
        directory = root / "runs" / self.run_id / "artifacts" / safe_relative(path)
        if not directory.is_dir():
            message = f"the directory of artifacts {path!r} of run {self.run_id} is not there: {directory}"
            raise FileNotFoundError(self._seal(message))
        return directory

    def references(self) -> list[Reference]:
        return self._records(Reference, "path")

    def withheld(self) -> list[Withheld]:
        return self._records(Withheld, "path")

    def datasets(self) -> list[Dataset]:
        return self._records(Dataset, "time, name")

    def models(self) -> list[Model]:
        return self._records(Model, "time, path")

    def tried_models(self) -> list[ModelTried]:
        """What came of loading the models again, of those that were tried."""
        return self._records(ModelTried, "time, path")

    def model_aliases(self) -> list[ModelAlias]:
        """The aliases that were set to versions made of this run's models; some may mean another run's since."""
        return self._records(ModelAlias, "time, name, alias")

    def console(self) -> list[Console]:
        """What the process wrote to its console, if that was kept: batches of whole lines, in their order."""
        return self._records(Console, "time, writer, place")

    def warnings(self) -> list[Warned]:
        return self._records(Warned, "time, writer, place")

    def losses(self) -> list[Lost]:
        return self._records(Lost, "time, writer, place")

    def deliveries(self) -> list[Delivery]:
        """How far each backend has got: those that have had something of the run, and the configured ones."""
        chosen = settings.current().settings
        said = {one.backend: one for one in self._records(Delivery, "backend")}
        for url in chosen.backends:
            nothing = Delivery(time=time.time(), backend=name_of(url), state="pending", delivered=0)
            said.setdefault(nothing.backend, nothing)
        # What the run log says may be old, or be missing: of a run that goes on, or whose process was killed.
        for name, (progress, when) in known(settings.root(chosen), self.run_id).items():
            error: Any = progress.error or None
            if not progress.complete and name in said:
                error = error or said[name].error
            said[name] = Delivery(
                time=when,
                backend=name,
                state="complete" if progress.complete else "pending",
                delivered=progress.delivered,
                rejected=progress.rejected,
                error=error,
            )
        return [said[name] for name in sorted(said)]

    def redactions(self) -> list[Redaction]:
        """How often what was hidden, summed by all that is said of it; `time` is the last one's."""
        rows = self._select(
            "max(time) AS time, channel, rule, action, confidence, sum(count) AS count FROM redaction WHERE run = ?"
            " GROUP BY channel, rule, action, confidence ORDER BY channel, rule, action, confidence"
        )
        return [Redaction(**_dict(row)) for row in rows]

    def children(self) -> list[StoredRun]:
        """The runs whose parent this is, in the order in which they were started, or else of the numbers in their names."""
        if self._look_further is not None:
            self._look_further()
        order = "run.start_time, length(run.name), run.name, run.run_id"
        return load(self._connection, self._seal, f"run.parent_id = ? ORDER BY {order}", [self.run_id])

    def to_dict(self, points: int | None = None) -> dict[str, Any]:
        """All of it for JSON: times in ISO 8601 (of metric points, for brevity, as seconds), NaN and infinities as text.

        Of each metric the last `points` points at most; None: all of them.
        """
        return {
            "run_id": self.run_id,
            "name": self.name,
            "experiment": self.experiment,
            "parent_id": self.parent_id,
            "status": self.status.value,
            "health": {"state": self.health.state, "reasons": list(self.health.reasons)},
            "start_time": iso(self.start_time),
            "end_time": iso(self.end_time),
            "duration_s": self.duration_s,
            "error": self.error,
            "params": self.params,
            "tags": self.tags,
            "metrics": self._histories(points),
            "artifacts": plain(self.artifacts()),
            "references": plain(self.references()),
            "datasets": [
                {**dataset, "schema": parsed(dataset["schema"]), "profile": parsed(dataset["profile"])}
                for dataset in plain(self.datasets())
            ],
            "models": plain(self.models()),
            "console": plain(self.console()),
            "redactions": plain(self.redactions()),
            "warnings": plain(self.warnings()),
            "losses": plain(self.losses()),
            "withheld": plain(self.withheld()),
            "deliveries": plain(self.deliveries()),
        }

    def _histories(self, points: int | None) -> dict[str, list[dict[str, Any]]]:
        keys = self._select("key, name FROM latest_metric JOIN metric_key ON id = key WHERE run = ? ORDER BY name")
        sql = (
            "SELECT step, time, value FROM metric WHERE run = ? AND key = ?"
            " ORDER BY step DESC, time DESC, place DESC LIMIT ?"
        )
        histories = {}
        for key, name in keys:
            last = fetch(self._connection, sql, [self._row, key, -1 if points is None else points])
            histories[name] = [
                {"step": step, "time": time, "value": finite(_number(value))} for step, time, value in reversed(last)
            ]
        return histories

    def _records(self, kind: type[R], order: str) -> list[R]:
        table, columns = TABLES[kind]
        rows = self._select(f"time, {', '.join(columns)} FROM {table} WHERE run = ? ORDER BY {order}")
        return [kind(**_dict(row)) for row in rows]

    def _select(self, sql: str, *values: object) -> list[sqlite3.Row]:
        return fetch_named(self._connection, f"SELECT {sql}", [self._row, *values])


def load(
    connection: sqlite3.Connection,
    seal: Callable[[str], str],
    condition: str,
    values: Sequence[object],
    look_further: Callable[[], None] | None = None,
) -> list[StoredRun]:
    """The runs that fulfil a condition on `run`, left-joined with `experiment`; it may go on to order and limit them."""
    described = fetch_named(
        connection,
        "SELECT run.id, run_id, run.name, experiment.name AS experiment, parent_id, status, start_time, end_time, error,"
        " (SELECT count(*) FROM run AS child WHERE child.parent_id = run.run_id AND child.id != run.id) AS child_count"
        f" FROM run LEFT JOIN experiment ON experiment.id = run.experiment WHERE {condition}",
        values,
    )
    found = {
        row["id"]: StoredRun(
            run_id=row["run_id"],
            name=row["name"],
            experiment=row["experiment"] or "",
            parent_id=row["parent_id"],
            status=RunStatus(row["status"]),
            start_time=row["start_time"],
            end_time=row["end_time"],
            error=row["error"],
            params={},
            param_origins={},
            tags={},
            metrics={},
            health=Health("ok"),
            _child_count=row["child_count"],
            _connection=connection,
            _seal=seal,
            _row=row["id"],
            _look_further=look_further,
        )
        for row in described
    }
    _fill(connection, found)
    return list(found.values())


def _fill(connection: sqlite3.Connection, found: dict[int, StoredRun]) -> None:
    """Give all runs their params, tags, metrics and health."""
    ids = [json.dumps(list(found))]
    mine = "run IN (SELECT value FROM json_each(?1))"
    params = fetch(connection, f"SELECT run, key, value, origin FROM param WHERE {mine} ORDER BY run, key, time", ids)
    for row, key, value, origin in params:  # the newest of a key comes last
        run = found[row]
        run.params[key] = value
        run.param_origins[key] = origin
    for row, key, value in fetch(
        connection, f"SELECT run, key, value FROM tag WHERE {mine} ORDER BY run, key, time", ids
    ):
        found[row].tags[key] = value
    metrics = "SELECT run, name, value FROM latest_metric CROSS JOIN metric_key ON metric_key.id = latest_metric.key"
    for row, key, value in fetch(connection, f"{metrics} WHERE {mine}", ids):
        found[row].metrics[key] = _number(value)
    for row, trouble, count, backend in fetch(connection, TROUBLES.format(runs=mine), ids):
        object.__setattr__(found[row], "health", found[row].health.worse(trouble, count, backend))


def _dict(row: sqlite3.Row) -> dict[str, Any]:
    return dict(zip(row.keys(), row, strict=True))


def _number(value: float | None) -> float:
    return math.nan if value is None else value
