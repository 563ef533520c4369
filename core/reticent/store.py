"""Runs read back: from the embedded store, brought up to date with the run logs first. No server, no configuration."""

from __future__ import annotations

import difflib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, overload

from reticent import frames
from reticent.backends import UnavailableError, refuse_secrets
from reticent.backends.sqlite import query
from reticent.backends.sqlite.schema import (
    connect_to_read,
    database_path,
    empty_database,
    inode,
    unusable,
)
from reticent.backends.sqlite.stored import StoredRun
from reticent.delivery import Sender
from reticent.delivery.backoff import concerns_all
from reticent.errors import MissingExtraError, RunNotFoundError, SettingsError, StoreError
from reticent.guard import said, warn_once
from reticent.runlog import RUN_ID
from reticent.session import Session
from reticent.sessions import current
from reticent.settings import DRY_RUN_VARIABLE

if TYPE_CHECKING:
    import pandas

Advance = Callable[[int], None]

SHORTEST_PREFIX = 4
READ_WAIT_S = 2.0
"""Who reads a run of this process waits so long for files of it that are just being sealed."""
_EMBEDDED = "sqlite"


@dataclass(frozen=True, slots=True)
class Synced:
    """What one backend was given; `error` (sealed) says why it has not got everything."""

    runs: int = 0
    records: int = 0
    error: str | None = None


def _ignore(records: int) -> None:
    pass


def get_run(run_id: str) -> StoredRun:
    """The run with this id, or the only one whose id begins so (4 characters at least).

    Raises RunNotFoundError, and StoreError if the embedded store cannot be used.
    """
    session = current()
    seal, look_further = partial(session.seal, "warning"), partial(_look_further, session.root)
    if RUN_ID.fullmatch(run_id) and session.run_directory(run_id).is_dir():
        if run_id in session.begun:
            deadline = time.monotonic() + READ_WAIT_S
            session.checkpoints.wait(deadline)  # they are sealed in the background
            session.background.wait(deadline)
        found = query.get(open_store(session, run_id), seal, run_id, look_further)
        if found is not None:
            return found
    connection = open_store(session)
    found = query.get(connection, seal, run_id)
    if found is None and len(run_id) >= SHORTEST_PREFIX:
        ids = query.ids_beginning(connection, run_id, 10)
        if len(ids) > 1:
            raise RunNotFoundError(seal(f"the ids of several runs begin with {run_id!r}: {', '.join(ids)}"))
        found = query.get(connection, seal, ids[0]) if ids else None
    if found is None:
        raise RunNotFoundError(seal(_not_found(connection, session.root, run_id)))
    return found


@overload
def search_runs(
    filter: str = "",
    *,
    order_by: Sequence[str] = (),
    max_results: int | None = 1000,
    experiments: Sequence[str] | None = None,
    output: Literal["list"] = "list",
) -> list[StoredRun]: ...


@overload
def search_runs(
    filter: str = "",
    *,
    order_by: Sequence[str] = (),
    max_results: int | None = 1000,
    experiments: Sequence[str] | None = None,
    output: Literal["pandas"],
) -> pandas.DataFrame: ...


def search_runs(
    filter: str = "",
    *,
    order_by: Sequence[str] = (),
    max_results: int | None = 1000,
    experiments: Sequence[str] | None = None,
    output: Literal["list", "pandas"] = "list",
) -> list[StoredRun] | pandas.DataFrame:
    """The runs that a filter in MLflow's language finds, newest first unless `order_by` says otherwise.

        search_runs("metrics.loss < 0.1 and params.model = 'xgboost'", order_by=["metrics.loss ASC"])

    `max_results=None` gives all of them. Raises FilterError, StoreError, and MissingExtraError where `output` needs pandas.
    """
    session = current()
    if output not in ("list", "pandas"):
        raise ValueError(session.seal("warning", f"output is 'list' or 'pandas', not {output!r}"))
    if output == "pandas":
        frames.import_pandas()
    connection, seal = open_store(session), partial(session.seal, "warning")
    experiment_names = [experiments] if isinstance(experiments, str) else experiments
    runs = query.search(connection, seal, filter, order_by, max_results, experiment_names)
    return frames.frame(runs) if output == "pandas" else runs


def top_runs(
    *, order_by: Sequence[str] = (), max_results: int | None = 1000, experiments: Sequence[str] | None = None
) -> list[StoredRun]:
    """The runs that are no other one's child, ordered as `search_runs` does. Raises FilterError and StoreError."""
    session = current()
    return query.top_level(open_store(session), partial(session.seal, "warning"), order_by, max_results, experiments)


def with_descendants(runs: Sequence[StoredRun], order_by: Sequence[str] = ()) -> list[StoredRun]:
    """Runs, and behind them their children, the children of these, and so on."""
    session = current()
    connection, seal = open_store(session), partial(session.seal, "warning")
    found = {run.run_id: run for run in runs}
    parents = list(found)
    while parents:
        level = [run for run in query.children(connection, seal, parents, order_by) if run.run_id not in found]
        found.update({run.run_id: run for run in level})
        parents = [run.run_id for run in level if run.child_count]
    return list(found.values())


def sync(
    to: Sequence[str] | None = None,
    run_ids: Iterable[str] | None = None,
    advance: Advance = _ignore,
    since: float | None = None,
) -> dict[str, Synced]:
    """Deliver what is outstanding to the configured backends, or to those in `to`, and say how far each one got.

    `run_ids`: of these runs alone; `since`: of those alone whose log was written to at that time (epoch seconds) or later.
    In this thread; `advance(n)` is called as records arrive. The keys are the backends' URLs. A backend that fails does
    not stop the others. In a dry run nothing is delivered. Raises RunNotFoundError if one of `run_ids` is not in the root,
    SettingsError if a URL holds a password.
    """
    session = current()
    if DRY_RUN_VARIABLE in os.environ:
        return {}
    urls = session.settings.backends if to is None else [to] if isinstance(to, str) else to
    for url in urls:
        refuse_secrets(url)
    wanted = None if run_ids is None else list(run_ids)
    for run_id in wanted or ():
        if not RUN_ID.fullmatch(run_id) or not session.run_directory(run_id).is_dir():
            raise RunNotFoundError(session.seal("warning", f"no run under {session.root} has the id {run_id!r}"))
    return {session.seal("backend", url): _sync(session, url, wanted, advance, since) for url in dict.fromkeys(urls)}


def reindex(advance: Advance = _ignore) -> int:
    """Set the embedded database aside (as `reticent.db.old`) and build a new one from the run logs; how many runs it has.

    Whatever state the old one is in. Raises StoreError if the new one cannot be made.
    """
    session = current()
    path = database_path(session.root)
    sender = session.sender(_EMBEDDED)
    sender.close()
    try:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{path}.old{suffix}").unlink(missing_ok=True)
            with suppress(FileNotFoundError):
                os.replace(f"{path}{suffix}", f"{path}.old{suffix}")
        sender.close()  # its thread may have opened the old one again
        return _deliver(session, sender, advance)
    except sqlite3.Error as error:
        raise unusable(path, error) from error
    except OSError as error:
        raise StoreError(f"the embedded store {path} cannot be built anew: {error}") from error


def _look_further(root: Path) -> None:
    """Have the store up to date with all runs of a root, where it was with one of them."""
    session = current()
    if session.root == root:
        open_store(session)


def open_store(session: Session, run_id: str | None = None) -> sqlite3.Connection:
    """The embedded database, with all that the run logs hold by now, or one run's, to be read from. Do not close it: it
    is shared.

    If the run logs cannot be written into it now, what it has is read, with a warning. Raises StoreError if it is damaged or
    locked against reading.
    """
    path = database_path(session.root)
    if not path.exists() and not (session.root / "runs").is_dir():
        return empty_database()  # nothing was ever logged here, and looking leaves no trace
    sender = session.sender(_EMBEDDED)
    try:
        file = inode(path)
        if _filled.get(path) != file:
            sender.close()  # it may still hold a database that another process has replaced since
        _deliver(session, sender, _ignore, run_id)
        _filled[path] = file or inode(path)
        return _reader(path)
    except sqlite3.OperationalError as error:
        return _as_it_is(session, path, error)
    except sqlite3.Error as error:
        raise unusable(path, error) from error
    except (OSError, UnavailableError) as error:
        return _as_it_is(session, path, error)


_lock = threading.Lock()
_filled: dict[Path, tuple[int, int] | None] = {}
"""The database files that this process has brought up to date."""
_shared: tuple[int, Path, tuple[int, int] | None, sqlite3.Connection] | None = None


def _reader(path: Path) -> sqlite3.Connection:
    """This process's connection to the database for reading; runs that were read from an earlier one keep that."""
    global _shared
    with _lock:
        wanted = os.getpid(), path, inode(path)
        if _shared is None or _shared[:3] != wanted:
            _shared = (*wanted, connect_to_read(path))
        return _shared[3]


def _as_it_is(session: Session, path: Path, why: Exception) -> sqlite3.Connection:
    try:
        connection = _reader(path)
    except (sqlite3.Error, UnavailableError) as error:
        raise unusable(path, error) from error
    told = session.seal("store", f"{type(why).__name__}: {why}")
    warn_once("stale store", f"{path} cannot be brought up to date now ({told}); what it has is read")
    return connection


def _deliver(session: Session, sender: Sender, advance: Advance, only: str | None = None) -> int:
    """Deliver what is outstanding, of all runs or of one; how many had something. A log that cannot be read does not stop
    the others.

    Raises what the backend raises.
    """
    for attempt in (1, 2, 3):
        try:
            outstanding = sender.outstanding(only)
            delivered = 0
            for number, run_id in enumerate(outstanding):
                session.working("reading run logs", number, len(outstanding))
                delivered += _deliver_run(session, sender, run_id, advance)
            return delivered
        except UnavailableError:  # the database was replaced meanwhile: begin again with the new one
            sender.close()
            if attempt == 3:
                raise
    raise AssertionError("unreachable")


def _deliver_run(session: Session, sender: Sender, run_id: str, advance: Advance) -> bool:
    try:
        sender.deliver([run_id], advance)
        return True
    except BaseException as error:  # what was read and not written is read again
        sender.close()
        if isinstance(error, (sqlite3.Error, UnavailableError)) or not isinstance(error, Exception):
            raise
        told = session.seal("store", f"{type(error).__name__}: {error}")
        warn_once("unreadable run log", f"the log of run {run_id}, and maybe of others, cannot be read ({told})")
        return False


def written_since(run: Path, since: float | None) -> bool:
    """Whether something was added to the log of a run, whose directory this is, at that time (epoch seconds) or later."""
    if since is None:
        return True
    try:
        with os.scandir(run) as entries:
            return any(entry.is_file() and entry.stat().st_mtime >= since for entry in entries)
    except FileNotFoundError:
        return False


def _sync(session: Session, url: str, run_ids: list[str] | None, advance: Advance, since: float | None) -> Synced:
    sender = session.sender(url)
    runs = records = 0
    failed: dict[str, Exception] = {}

    def arrived(count: int) -> None:
        nonlocal records
        records += count
        advance(count)

    try:
        wanted = sender.outstanding() if run_ids is None else run_ids
        wanted = [run_id for run_id in wanted if written_since(session.run_directory(run_id), since)]
        for number, run_id in enumerate(wanted):
            session.working("delivering", number, len(wanted))
            before = records
            try:
                sender.deliver([run_id], arrived)
            except Exception as error:  # what is wrong with one run is nothing to the others
                if concerns_all(error) or isinstance(error, (SettingsError, MissingExtraError, sqlite3.Error)):
                    raise
                failed[run_id] = error
            runs += records > before
    except Exception as error:  # noqa: BLE001 - a backend may raise anything; the others go on
        return Synced(runs, records, session.seal_error(said(error)))
    finally:
        sender.close()  # what it had read and could not deliver is read again
    if not failed:
        return Synced(runs, records)
    run_id, first = next(iter(failed.items()))
    others = f"; and {len(failed) - 1} more runs" if len(failed) > 1 else ""
    return Synced(runs, records, session.seal_error(f"run {run_id}: {said(first)}{others}"))


def _not_found(connection: sqlite3.Connection, root: Path, run_id: str) -> str:
    known = dict(query.newest(connection, 1000))
    if not known:
        return f"there are no runs under {root}"
    if 0 < len(run_id) < SHORTEST_PREFIX and any(known_id.startswith(run_id) for known_id in known):
        return f"no run has the id {run_id!r}; the beginning of one needs {SHORTEST_PREFIX} characters"
    near = [known_id for known_id, name in known.items() if name == run_id][:5]
    near = near or difflib.get_close_matches(run_id, known, 3) or list(known)[:3]
    listed = ", ".join(f"{known_id} ({known[known_id]})" for known_id in near)
    return f"no run under {root} has an id that is or begins with {run_id!r}; near: {listed}"
