"""SELECTs on the embedded database, with what a reader is told where SQLite refuses."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from reticent.backends import UnavailableError
from reticent.backends.sqlite.schema import check_held, unusable


def fetch(connection: sqlite3.Connection, sql: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
    return _all(connection.cursor(), sql, values)


def fetch_named(connection: sqlite3.Connection, sql: str, values: Sequence[object]) -> list[sqlite3.Row]:
    cursor = connection.cursor()
    cursor.row_factory = sqlite3.Row
    return _all(cursor, sql, values)


def _all(cursor: sqlite3.Cursor, sql: str, values: Sequence[object]) -> list[Any]:
    try:
        check_held()
        return cursor.execute(sql, values).fetchall()
    except (sqlite3.Error, UnavailableError) as error:
        raise unusable(database_file(cursor.connection), error) from error


def database_file(connection: sqlite3.Connection) -> str:
    """The path of the database; "" of one in memory, or that is closed."""
    try:
        return str(connection.execute("PRAGMA database_list").fetchone()[2])
    except sqlite3.Error:
        return ""
