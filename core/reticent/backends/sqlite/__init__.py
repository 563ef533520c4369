"""The embedded store: one SQLite file beside the run logs, which it can be rebuilt from at any time."""

from reticent.backends.sqlite.backend import SqliteBackend
from reticent.backends.sqlite.schema import database_path

__all__ = ["SqliteBackend", "database_path"]
