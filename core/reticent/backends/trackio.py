"""Trackio: `trackio`, for `<root>/trackio`, or `trackio:///directory`; `TRACKIO_DIR=<directory> trackio show` shows it.

An experiment is a project: a SQLite database of the tables that Trackio makes, whose later versions bring those of earlier
ones up to date. They are written here, without its package: that has one directory for a whole process, fixed when it is
imported, and keeps a connection and a thread for each run.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime, timezone
from pathlib import Path

import msgspec

from reticent.backends import Batch, Rejection, Target
from reticent.backends.jsonl import number
from reticent.backends.local import identity, keep_artifact, together
from reticent.backends.typed import json_of
from reticent.files import inside, make_directory
from reticent.records import Artifact, Dataset, Param, Reference, RunEnded, RunStarted, RunStatus, Tag

_TABLES = """
CREATE TABLE IF NOT EXISTS metrics (
    id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, timestamp TEXT NOT NULL, run_name TEXT NOT NULL,
    step INTEGER NOT NULL, metrics TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS configs (
    id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, run_name TEXT NOT NULL, config TEXT NOT NULL,
    created_at TEXT NOT NULL, UNIQUE(run_id)
);
CREATE INDEX IF NOT EXISTS idx_metrics_run_step ON metrics(run_id, step);
"""

_RESERVED = {"project", "run", "timestamp", "step", "time", "metrics"}
"""Names of metrics that Trackio puts `__` before."""

_OWN = {"tags", "datasets", "references", "status", "error", "parent_run"}
_PICTURES = {".png", ".jpg", ".jpeg", ".gif", ".webp"}
_SUFFIXES = (
    "_system",
    "_configs",
    "_traces",
    "_artifacts",
    "_artifact_versions",
    "_artifact_aliases",
    "_artifact_links",
)
"""A project whose name ends so would share a file with another one."""

_MOST_NAME = 200
"""Bytes, of the 255 that a file's name may have."""

_WAIT_S = 30.0


class TrackioBackend:
    def open(self, target: Target) -> str:
        _, _, path = target.url.partition("://")
        self._directory = Path(path).expanduser().absolute() if path else target.root / "trackio"
        return identity(self._directory)

    def write(self, batch: Batch) -> Sequence[Rejection]:
        project = _project("default" if batch.started is None else batch.started.experiment)
        media = self._directory / "media" / project / "files" / batch.run_id
        with self._database(project) as database:
            run = _Run(database, batch)
            for entry in batch.entries:
                run.add(entry.record)
                keep_artifact(batch, entry.record, media)
                if isinstance(entry.record, Artifact) and Path(entry.record.path).suffix.lower() in _PICTURES:
                    path = inside(media, entry.record.path).relative_to(self._directory / "media")
                    shown = {"_type": "trackio.image", "file_path": path.as_posix(), "caption": entry.record.path}
                    run.row(entry.record.time, 0, {_metric(entry.record.path): shown})
            for block in batch.metrics:
                for points in together(block):
                    run.row(points[0].time, points[0].step, {_metric(one.key): number(one.value) for one in points})
            run.save()
            database.execute("COMMIT")  # with all that follows the mark, or nothing of it
        batch.mark.text = str(run.last)
        return ()

    def close(self) -> None:
        pass

    @contextmanager
    def _database(self, project: str) -> Iterator[sqlite3.Connection]:
        make_directory(self._directory)
        path = self._directory / f"{project}.db"
        with closing(sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None)) as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.executescript(_TABLES)
            database.execute("BEGIN IMMEDIATE")
            yield database


class _Run:
    """A run's rows within a transaction; what stands behind the mark is taken away."""

    def __init__(self, database: sqlite3.Connection, batch: Batch) -> None:
        self._database = database
        self._id = batch.run_id
        self._name = batch.run_id[:8] if batch.started is None else batch.started.name
        self._started = 0.0 if batch.started is None else batch.started.time
        self.last = int(batch.mark.text or 0)
        database.execute("DELETE FROM metrics WHERE run_id = ? AND id > ?", (self._id, self.last))
        self._config: dict[str, object] = {}
        if self.last:
            found = database.execute("SELECT config FROM configs WHERE run_id = ?", (self._id,)).fetchone()
            self._config = json.loads(found[0]) if found else {}
        else:
            self.row(self._started, 0, {})  # Trackio knows a run by its rows
            group = None if batch.started is None else batch.started.experiment
            self._config = {"_Created": _time(self._started), "_Group": group, "_Username": None}
            self._config["status"] = RunStatus.RUNNING.value

    def row(self, time: float, step: int, values: dict[str, object]) -> None:
        text = msgspec.json.encode(values).decode()
        row = (self._id, _time(time), self._name, step, text)
        made = self._database.execute(
            "INSERT INTO metrics (run_id, timestamp, run_name, step, metrics) VALUES (?, ?, ?, ?, ?)", row
        )
        self.last = made.lastrowid or self.last

    def add(self, record: object) -> None:
        match record:
            case RunStarted(parent_id=parent):
                self._config["status"] = RunStatus.RUNNING.value
                if parent is not None:
                    self._config["parent_run"] = parent
            case Param():
                key = f"logged/{record.key}" if record.key in _OWN or record.key.startswith("_") else record.key
                self._config[key] = json.loads(json_of(record.value))
            case Tag():
                self._under("tags")[record.key] = record.value
            case Dataset():
                told = {"digest": record.digest, "source": record.source, "context": record.context}
                self._under("datasets")[record.name] = told
            case Reference():
                self._under("references")[record.path] = record.location
            case RunEnded():
                self._config["status"] = record.status.value
                if record.error is not None:
                    self._config["error"] = record.error

    def save(self) -> None:
        row = (self._id, self._name, json.dumps(self._config), _time(self._started))
        self._database.execute(
            "INSERT OR REPLACE INTO configs (run_id, run_name, config, created_at) VALUES (?, ?, ?, ?)", row
        )

    def _under(self, kind: str) -> dict[str, object]:
        group = self._config.setdefault(kind, {})
        assert isinstance(group, dict)
        return group


def _project(experiment: str) -> str:
    """The name of an experiment's files, as Trackio makes it; of a name that it keeps for itself another one."""
    name = "".join(one for one in experiment if one.isalnum() or one in "-_") or "default"
    name = name.encode()[:_MOST_NAME].decode("utf-8", "ignore")
    return f"{'_' * name.startswith('registry-')}{name}{'-' * name.endswith(_SUFFIXES)}"


def _metric(key: str) -> str:
    return f"__{key}" if key in _RESERVED or key.startswith("__") else key


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat()
