"""The embedded store's schema, its migrations, and where the file lies.

Times are seconds since the epoch. A NaN is stored as NULL, which SQLite makes of it; infinities are stored as they are.

    experiment      name of each group of runs
    run             one row per run: state, times, error, health
    param, tag      every version of a value; the newest time of a key holds (views latest_param, latest_tag)
    metric_key      the names of metrics
    metric          every point; `place` is its number in the run log, so that a point that comes again is the same row
    latest_metric   per run and key: the last point (by step, then time), the smallest and the largest value
    artifact        files; the content is `blobs/<first two digits>/<sha256>` beside the database
    console         what the process wrote to stdout and stderr, in batches of whole lines
    dataset, model, model_tried, redaction, warning, loss, delivery, withheld, reference   as in reticent.records
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import sqlite3
import time
import uuid
from pathlib import Path
from typing import Any
from weakref import WeakSet

from reticent.backends import UnavailableError
from reticent.errors import StoreError
from reticent.files import PRIVATE_FILE, is_network, make_directory, open_private
from reticent.forks import after_fork_in_child
from reticent.ownfile import OwnDescriptor, never_close

FILE = "reticent.db"

BUSY_S = 5.0
"""How long a statement waits for the locks of others."""

MIGRATIONS = (
    """
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE experiment (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE run (
        id INTEGER PRIMARY KEY,
        run_id TEXT NOT NULL UNIQUE,
        experiment INTEGER REFERENCES experiment (id),
        name TEXT NOT NULL DEFAULT '',
        parent_id TEXT,
        status TEXT NOT NULL DEFAULT 'RUNNING',
        status_time REAL NOT NULL DEFAULT 0,
        start_time REAL,
        end_time REAL,
        error TEXT,
        counts TEXT
    );
    CREATE INDEX run_by_experiment ON run (experiment, start_time);
    CREATE INDEX run_by_parent ON run (parent_id);
    CREATE TABLE writer (id INTEGER PRIMARY KEY, run INTEGER NOT NULL, name TEXT NOT NULL, UNIQUE (run, name));
    CREATE TABLE param (
        run INTEGER NOT NULL, key TEXT NOT NULL, time REAL NOT NULL, value TEXT NOT NULL, origin TEXT,
        PRIMARY KEY (run, key, time)
    ) WITHOUT ROWID;
    CREATE TABLE tag (
        run INTEGER NOT NULL, key TEXT NOT NULL, time REAL NOT NULL, value TEXT NOT NULL,
        PRIMARY KEY (run, key, time)
    ) WITHOUT ROWID;
    CREATE VIEW latest_param AS SELECT run, key, max(time) AS time, value, origin FROM param GROUP BY run, key;
    CREATE VIEW latest_tag AS SELECT run, key, max(time) AS time, value FROM tag GROUP BY run, key;
    CREATE TABLE metric_key (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE metric (
        run INTEGER NOT NULL, key INTEGER NOT NULL, place INTEGER NOT NULL,
        step INTEGER NOT NULL, time REAL NOT NULL, value REAL,
        PRIMARY KEY (run, key, place)
    ) WITHOUT ROWID;
    CREATE TABLE latest_metric (
        run INTEGER NOT NULL, key INTEGER NOT NULL, step INTEGER NOT NULL, time REAL NOT NULL, value REAL,
        smallest REAL, largest REAL,
        PRIMARY KEY (run, key)
    ) WITHOUT ROWID;
    CREATE INDEX latest_metric_by_value ON latest_metric (key, value);
    CREATE TABLE artifact (
        run INTEGER NOT NULL, path TEXT NOT NULL, time REAL NOT NULL, size INTEGER NOT NULL, sha256 TEXT NOT NULL,
        PRIMARY KEY (run, path)
    ) WITHOUT ROWID;
    CREATE TABLE reference (
        run INTEGER NOT NULL, path TEXT NOT NULL, time REAL NOT NULL, size INTEGER NOT NULL, location TEXT NOT NULL,
        PRIMARY KEY (run, path)
    ) WITHOUT ROWID;
    CREATE TABLE withheld (
        run INTEGER NOT NULL, path TEXT NOT NULL, time REAL NOT NULL, rule TEXT NOT NULL, PRIMARY KEY (run, path)
    ) WITHOUT ROWID;
    CREATE TABLE dataset (
        run INTEGER NOT NULL, name TEXT NOT NULL, context TEXT NOT NULL, digest TEXT NOT NULL, time REAL NOT NULL,
        source TEXT NOT NULL, schema TEXT NOT NULL, profile TEXT NOT NULL,
        PRIMARY KEY (run, name, context, digest)
    ) WITHOUT ROWID;
    CREATE TABLE model (
        run INTEGER NOT NULL, path TEXT NOT NULL, time REAL NOT NULL, flavor TEXT NOT NULL, mlmodel TEXT NOT NULL,
        size INTEGER NOT NULL,
        PRIMARY KEY (run, path)
    ) WITHOUT ROWID;
    CREATE TABLE delivery (
        run INTEGER NOT NULL, backend TEXT NOT NULL, time REAL NOT NULL, state TEXT NOT NULL,
        delivered INTEGER NOT NULL, rejected INTEGER NOT NULL, error TEXT,
        PRIMARY KEY (run, backend)
    ) WITHOUT ROWID;
    CREATE TABLE redaction (
        run INTEGER NOT NULL, writer INTEGER NOT NULL, place INTEGER NOT NULL, time REAL NOT NULL,
        channel TEXT NOT NULL, rule TEXT NOT NULL, action TEXT NOT NULL, count INTEGER NOT NULL,
        PRIMARY KEY (run, writer, place)
    ) WITHOUT ROWID;
    CREATE TABLE warning (
        run INTEGER NOT NULL, writer INTEGER NOT NULL, place INTEGER NOT NULL, time REAL NOT NULL,
        kind TEXT NOT NULL, message TEXT NOT NULL,
        PRIMARY KEY (run, writer, place)
    ) WITHOUT ROWID;
    CREATE TABLE loss (
        run INTEGER NOT NULL, writer INTEGER NOT NULL, place INTEGER NOT NULL, time REAL NOT NULL,
        what TEXT NOT NULL, count INTEGER NOT NULL, reason TEXT NOT NULL,
        PRIMARY KEY (run, writer, place)
    ) WITHOUT ROWID;
    """,
    "ALTER TABLE redaction ADD COLUMN confidence TEXT NOT NULL DEFAULT 'high';",
    """
    CREATE TABLE console (
        run INTEGER NOT NULL, writer INTEGER NOT NULL, place INTEGER NOT NULL, time REAL NOT NULL,
        stream TEXT NOT NULL, text TEXT NOT NULL,
        PRIMARY KEY (run, writer, place)
    );
    """,
    """
    CREATE TABLE model_tried (
        run INTEGER NOT NULL, path TEXT NOT NULL, time REAL NOT NULL, outcome TEXT NOT NULL, detail TEXT NOT NULL,
        PRIMARY KEY (run, path)
    ) WITHOUT ROWID;
    """,
    "CREATE INDEX artifact_by_content ON artifact (sha256);",
    "ALTER TABLE model ADD COLUMN registered_name TEXT;",
    """
    CREATE TABLE model_alias (
        run INTEGER NOT NULL, name TEXT NOT NULL, alias TEXT NOT NULL, time REAL NOT NULL, path TEXT NOT NULL,
        PRIMARY KEY (run, name, alias)
    ) WITHOUT ROWID;
    """,
)
"""Script n brings a database from version n to n + 1 (`PRAGMA user_version`)."""


def database_path(root: Path) -> Path:
    """The embedded database of a root; in the user's cache if the root is on a network file system, where SQLite's
    locks cannot be trusted."""
    if not is_network(root):
        return root / FILE
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "reticent" / hashlib.blake2b(str(root).encode(), digest_size=8).hexdigest() / FILE


class Connection(sqlite3.Connection):
    """Closed with the last object that uses it, and by the process that opened it alone.

    The locks of SQLite belong to a process: in a forked child a copy is neither used nor closed. Nor is one whose
    descriptors the program has closed: their numbers may be those of the program's own files by now.
    """

    def __init__(self, database: str, **options: Any) -> None:
        check_held()
        self._sentinels = [_sentinel()]
        try:
            super().__init__(database, timeout=BUSY_S, isolation_level=None, check_same_thread=False, **options)
        except BaseException:
            self._sentinels.pop().close()
            raise
        self._sentinels.append(_sentinel())
        _watched.extend(self._sentinels)
        _open.add(self)

    def close(self) -> None:
        if any(sentinel.lost() for sentinel in self._sentinels):
            never_close(self)
            return
        super().close()
        sentinels, self._sentinels = self._sentinels, []
        for sentinel in sentinels:
            sentinel.close()
            if sentinel in _watched:
                _watched.remove(sentinel)

    def __del__(self) -> None:
        with contextlib.suppress(sqlite3.ProgrammingError, AttributeError):  # it could not be opened
            self.close()


_open: WeakSet[Connection] = WeakSet()
_inherited: list[Connection] = []
_watched: list[OwnDescriptor] = []
"""Of every connection a descriptor opened before and one opened behind those of SQLite, which does not tell its own."""


def _sentinel() -> OwnDescriptor:
    """A descriptor like no other. Not of the database: closing one of its descriptors would drop the locks on it."""
    reading, writing = os.pipe()
    os.close(writing)
    return OwnDescriptor(reading)


def check_held() -> None:
    """Raises UnavailableError if the program has closed SQLite's descriptors, once and for all in this process.

    A new connection would not do: SQLite has one descriptor of the index of the write-ahead log for all connections of a
    process, and goes on to lock and write whatever file has its number now.
    """
    if any(sentinel.lost() for sentinel in list(_watched)):
        raise UnavailableError(
            "the program has closed file descriptors that it had not opened, SQLite's among them, so this process cannot "
            "use the database any longer",
            retry_after=math.inf,
        )


def _forked() -> None:
    _inherited.extend(_open)
    _open.clear()


after_fork_in_child(_forked)


def connect(path: Path) -> Connection:
    """Open, create or migrate the database. sqlite3.Error if it is locked, damaged or made by a newer version."""
    make_directory(path.parent)
    with contextlib.suppress(FileExistsError):
        # SQLite gives its -wal and -shm files the mode of the database. Never a file that exists: closing a descriptor of
        # it would drop the locks of every connection that this process has to it.
        os.close(open_private(path, os.O_RDWR | os.O_EXCL))
    connection = Connection(str(path))
    try:
        os.chmod(path, PRIVATE_FILE)
        _switch_to_wal(connection)
        connection.execute("PRAGMA synchronous = NORMAL")  # the run log is the truth: a lost tail is written again
        connection.execute("PRAGMA cache_size = -16000")
        migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _switch_to_wal(connection: Connection) -> None:
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:  # another process switches at this moment; SQLite does not wait for that
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def connect_to_read(path: Path) -> Connection:
    """Open the database for reading alone. sqlite3.Error if it is absent, locked, damaged or of another version."""
    options = "mode=ro"
    log = Path(f"{path}-wal")
    if not os.access(path.parent, os.W_OK) and not (log.exists() and log.stat().st_size):
        # It has to be told that nobody writes: readers make files beside it. Nor does anybody, who would have his log there.
        options += "&immutable=1"
    connection = Connection(f"{path.absolute().as_uri()}?{options}", uri=True)
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version != len(MIGRATIONS):
            raise sqlite3.DatabaseError(f"its version is {version}, not {len(MIGRATIONS)}")
    except BaseException:
        connection.close()
        raise
    return connection


def empty_database() -> Connection:
    """One without runs, in memory."""
    connection = Connection(":memory:")
    migrate(connection)
    return connection


def migrate(connection: sqlite3.Connection) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == len(MIGRATIONS):
        return
    if version > len(MIGRATIONS):
        raise sqlite3.DatabaseError("the embedded database was made by a newer version of reticent")
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]  # another process may have been first
        for script in MIGRATIONS[version:]:
            for statement in script.split(";"):
                connection.execute(statement)
        if version == 0:
            connection.execute("INSERT INTO meta VALUES ('identity', ?)", (uuid.uuid4().hex,))
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite itself rolls back on some errors
            connection.execute("ROLLBACK")
        raise


def identity(connection: sqlite3.Connection) -> str:
    """What tells this database from every other one, also from its own predecessor."""
    return str(connection.execute("SELECT value FROM meta WHERE key = 'identity'").fetchone()[0])


def inode(path: Path) -> tuple[int, int] | None:
    """Which file this is, None if there is none: `reticent reindex` puts another one in its place."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def unusable(path: object, error: sqlite3.Error | UnavailableError) -> StoreError:
    """What a reader is told when SQLite refuses."""
    if isinstance(error, UnavailableError):
        return StoreError(f"the embedded store {path} cannot be read: {error}")
    why = "is locked by another process; try again later" if "locked" in str(error) else f"cannot be read ({error})"
    return StoreError(f"the embedded store {path} {why}, or have `reticent reindex` build a new one from the run logs")
