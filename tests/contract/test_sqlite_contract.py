"""The embedded store keeps what backends promise."""

from __future__ import annotations

import math
import sqlite3
from collections import defaultdict
from contextlib import closing
from pathlib import Path

from reticent.backends.sqlite import SqliteBackend
from reticent.testing import BackendContract


class TestSqlite(BackendContract):
    backend = SqliteBackend

    def url(self, directory: Path) -> str:
        return f"sqlite://{directory}/store.db"

    def read(self, url: str, run_id: str) -> dict[str, object]:
        with closing(sqlite3.connect(url.removeprefix("sqlite://"))) as database:
            found = database.execute("SELECT id, status FROM run WHERE run_id = ?", (run_id,)).fetchone()
            if found is None:
                return {}
            number, status = found
            points = database.execute(
                "SELECT name, step, value FROM metric JOIN metric_key ON metric_key.id = metric.key WHERE run = ?"
                " ORDER BY step",
                (number,),
            )
            metrics = defaultdict(list)
            for key, step, value in points:
                metrics[key].append((step, math.nan if value is None else value))
            artifacts = database.execute("SELECT path FROM artifact WHERE run = ? ORDER BY path", (number,))
            aliases = database.execute("SELECT name || '@' || alias, path FROM model_alias WHERE run = ?", (number,))
            return {
                "status": status,
                "params": dict(database.execute("SELECT key, value FROM latest_param WHERE run = ?", (number,))),
                "tags": dict(database.execute("SELECT key, value FROM latest_tag WHERE run = ?", (number,))),
                "metrics": dict(metrics),
                "artifacts": [path for (path,) in artifacts],
                "aliases": dict(aliases),
            }
