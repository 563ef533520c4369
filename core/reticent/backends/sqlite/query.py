"""Finds runs in the embedded database: by a filter, by their ids, by whose children they are."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence

from reticent.backends.sqlite.filters import compile_filter, compile_order
from reticent.backends.sqlite.statements import fetch
from reticent.backends.sqlite.stored import StoredRun, load

_AMONG = "{name} IN (SELECT value FROM json_each(?))"


def search(
    connection: sqlite3.Connection,
    seal: Callable[[str], str],
    filter: str = "",
    order_by: Sequence[str] = (),
    max_results: int | None = 1000,
    experiment_names: Sequence[str] | None = None,
    offset: int = 0,
) -> list[StoredRun]:
    """The runs that a filter finds, newest first unless `order_by` says otherwise; `max_results=None`: all of them.

    Raises FilterError, StoreError, and ValueError for a negative number of results or offset. What errors repeat of the
    caller's passes `seal`.
    """
    if offset < 0 or (max_results is not None and max_results < 0):
        raise ValueError("max_results and offset must not be negative")
    condition, values = compile_filter(filter, seal)
    if experiment_names is not None:
        condition += f" AND {_AMONG.format(name='experiment.name')}"
        values = [*values, json.dumps(list(experiment_names))]
    order, order_values = compile_order(order_by, seal)
    limit = [-1 if max_results is None else min(max_results, 1 << 62), min(offset, 1 << 62)]
    return load(connection, seal, f"{condition} ORDER BY {order} LIMIT ? OFFSET ?", [*values, *order_values, *limit])


def top_level(
    connection: sqlite3.Connection,
    seal: Callable[[str], str],
    order_by: Sequence[str] = (),
    max_results: int | None = None,
    experiment_names: Sequence[str] | None = None,
) -> list[StoredRun]:
    """Like `search`, the runs whose parent is not among those that are searched."""
    searched, names = "1", []
    if experiment_names is not None:
        searched, names = _AMONG, [json.dumps(list(experiment_names))]
    condition = (
        f"{searched.format(name='experiment.name')} AND NOT EXISTS (SELECT 1 FROM run AS parent"
        " LEFT JOIN experiment AS theirs ON theirs.id = parent.experiment WHERE parent.run_id = run.parent_id"
        f" AND parent.run_id != run.run_id AND {searched.format(name='theirs.name')})"
    )
    order, values = compile_order(order_by, seal)
    limit = -1 if max_results is None else min(max_results, 1 << 62)
    return load(connection, seal, f"{condition} ORDER BY {order} LIMIT ?", [*names, *names, *values, limit])


def children(
    connection: sqlite3.Connection,
    seal: Callable[[str], str],
    run_ids: Sequence[str],
    order_by: Sequence[str] = (),
) -> list[StoredRun]:
    """The runs whose parents these are, in the order of `search`."""
    order, values = compile_order(order_by, seal)
    condition = f"run.parent_id IN (SELECT value FROM json_each(?)) ORDER BY {order}"
    return load(connection, seal, condition, [json.dumps(list(run_ids)), *values])


def get(
    connection: sqlite3.Connection,
    seal: Callable[[str], str],
    run_id: str,
    look_further: Callable[[], None] | None = None,
) -> StoredRun | None:
    """The run with exactly this id. `look_further`, see there."""
    found = load(connection, seal, "run.run_id = ?", [run_id], look_further)
    return found[0] if found else None


def ids_beginning(connection: sqlite3.Connection, prefix: str, limit: int) -> list[str]:
    """The ids of runs that begin with `prefix`, in their order."""
    sql = "SELECT run_id FROM run WHERE run_id >= ? AND run_id < ? ORDER BY run_id LIMIT ?"
    return [run_id for (run_id,) in fetch(connection, sql, [prefix, prefix + "\U0010ffff", limit])]


def newest(connection: sqlite3.Connection, limit: int) -> list[tuple[str, str]]:
    """The ids and names of the newest runs."""
    sql = "SELECT run_id, name FROM run ORDER BY start_time DESC NULLS LAST, run_id LIMIT ?"
    return [(run_id, name) for run_id, name in fetch(connection, sql, [limit])]
