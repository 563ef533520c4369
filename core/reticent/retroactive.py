"""Today's policy on what is stored: every run, then the embedded database anew from them, without the bytes of the old."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from reticent.backends import UnavailableError
from reticent.backends.sqlite.schema import connect, connect_to_read, database_path
from reticent.errors import ReticentError, RunNotFoundError
from reticent.files import write_private
from reticent.recovery import recover
from reticent.rewriting import BusyError, Rewritten, look, rewrite
from reticent.runlog import QUARANTINE, STAGING, RunReader
from reticent.store import reindex
from reticent_redact import Hidden

if TYPE_CHECKING:
    from reticent.session import Session

State = Literal["changed", "same", "live", "failed"]

_EMBEDDED = "sqlite"
_BEGUN = "applying"
"""A file under the root while runs are redacted again; one that was killed leaves it, and the database is not done yet."""


@dataclass
class Applied:
    """What became of one run: `live` was left out, as a process is writing to it, `failed` for the reason in `error`.

    `error` is sealed.
    """

    run_id: str
    state: State
    hidden: dict[Hidden, int] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    withheld: dict[str, str] = field(default_factory=dict)
    """By path the rule that hit in a file which could not be masked."""
    quarantined: list[str] = field(default_factory=list)
    """The files that are in quarantine, raw as they came: those that were withheld before, too."""
    delivered_to: list[str] = field(default_factory=list)
    """The backends elsewhere that have got something of it, which is not recalled."""
    error: str = ""


@dataclass
class Outcome:
    """What was done in all; `database` is how many runs the new embedded database has, None if the old one may stay."""

    runs: list[Applied]
    database: int | None = None
    blobs: int = 0
    """How many contents that no run has any more were removed beside the database."""

    def beyond_recall(self) -> dict[str, list[str]]:
        """By backend the changed runs that it has got as they were."""
        found: dict[str, list[str]] = {}
        for run in self.runs:
            for backend in run.delivered_to if run.state == "changed" else ():
                found.setdefault(backend, []).append(run.run_id)
        return found


def stored_runs(session: Session) -> list[str]:
    """The ids of all runs under the root."""
    directory = session.root / "runs"
    return sorted(path.name for path in directory.iterdir() if path.is_dir()) if directory.is_dir() else []


def preview(session: Session, run_ids: Iterable[str] | None, advance: Callable[[], None]) -> Outcome:
    """What `apply` would do. Nothing is changed."""
    return Outcome(
        _each(session, _wanted(session, run_ids), advance, lambda directory: look(directory, session.redactor))
    )


def apply(session: Session, run_ids: Iterable[str] | None, advance: Callable[[], None]) -> Outcome:
    """Redact stored runs (None: all) again, by the policy of the session; `advance` is called after each.

    Then the embedded database is made anew if it may hold what is hidden now. Killed at any moment, a second call finishes
    what the first one began. Raises RunNotFoundError, and StoreError if the database cannot be made.
    """

    def redact(directory: Path) -> Rewritten:
        recover(session, directory.name)
        if any((directory / STAGING).glob("*")):  # a process that lives has still to publish what is there
            raise BusyError
        return rewrite(directory, session.redactor)

    if not (session.root / "runs").is_dir():
        return Outcome([])
    wanted = _wanted(session, run_ids)
    database = database_path(session.root)
    blobs = _blobs(database)  # those that come later belong to a run that is going on
    begun = session.root / _BEGUN
    unfinished = begun.exists()
    write_private(begun, b"")
    outcome = Outcome(_each(session, wanted, advance, redact))
    changed = any(run.state == "changed" for run in outcome.runs)
    # What is stricter for the database alone shows in no run.
    if changed or unfinished or _EMBEDDED in session.settings.policies.own or _is_stale(session, database):
        outcome.database = reindex()
        outcome.blobs = _without_old(session, database, blobs)
    begun.unlink()
    return outcome


def delete_quarantined(session: Session, outcome: Outcome) -> int:
    """Remove the withheld files of the runs that were not left out; how many. OSError if that cannot be done."""
    deleted = 0
    for run in outcome.runs:
        if run.quarantined:
            shutil.rmtree(session.run_directory(run.run_id) / QUARANTINE)
            deleted += len(run.quarantined)
    return deleted


def _without_old(session: Session, database: Path, blobs: list[Path]) -> int:
    """Remove what the new database replaces: the old one, and the contents in `blobs` that no run has; how many of those."""
    session.sender(_EMBEDDED).close()
    for suffix in ("", "-wal", "-shm"):
        Path(f"{database}.old{suffix}").unlink(missing_ok=True)
    with closing(connect(database)) as connection:
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        used = {sha256 for (sha256,) in connection.execute("SELECT sha256 FROM artifact")}
    unused = [blob for blob in blobs if blob.name not in used]
    for blob in unused:
        blob.unlink(missing_ok=True)
    return len(unused)


def _is_stale(session: Session, database: Path) -> bool:
    """Whether the database cannot be read, or it or one that it has replaced may have what is under the root no more."""
    if Path(f"{database}.old").exists():
        return True
    try:
        with closing(connect_to_read(database)) as connection:
            ids = {run_id for (run_id,) in connection.execute("SELECT run_id FROM run")}
    except (sqlite3.Error, UnavailableError):
        return True
    return not ids <= set(stored_runs(session))


def _wanted(session: Session, run_ids: Iterable[str] | None) -> list[str]:
    known = stored_runs(session)
    wanted = known if run_ids is None else list(run_ids)
    for run_id in wanted:
        if run_id not in known:
            raise RunNotFoundError(session.seal("warning", f"no run under {session.root} has the id {run_id!r}"))
    return wanted


def _each(
    session: Session, run_ids: Iterable[str], advance: Callable[[], None], act: Callable[[Path], Rewritten]
) -> list[Applied]:
    applied = []
    for run_id in run_ids:
        applied.append(_one(session, run_id, act))
        advance()
    return applied


def _one(session: Session, run_id: str, act: Callable[[Path], Rewritten]) -> Applied:
    directory = session.run_directory(run_id)
    if run_id in session.runs or _is_written(directory):
        return Applied(run_id, "live")
    try:
        done = act(directory)
    except BusyError:
        return Applied(run_id, "live")
    except (OSError, ValueError, ReticentError) as error:
        return Applied(run_id, "failed", error=session.seal("warning", f"{type(error).__name__}: {error}"))
    hidden = {one: count for one, count in done.counts.items() if one.action != "keep"}
    elsewhere = sorted(_elsewhere(session, done.delivered_to))
    state: State = "changed" if done.changed else "same"
    return Applied(run_id, state, hidden, done.files, done.withheld, _quarantined(session, directory), elsewhere)


def _quarantined(session: Session, directory: Path) -> list[str]:
    """The files that are withheld, by paths without what today's policy hides in them."""
    place = directory / QUARANTINE
    files = sorted(path for path in place.rglob("*") if path.is_file())
    return [session.seal("artifact name", path.relative_to(place).as_posix()) for path in files]


def _is_written(directory: Path) -> bool:
    """Whether a process may write to the run: one that lives, and has not closed what it wrote."""
    reader = RunReader(directory)
    while reader.read(max_events=10_000, max_metrics=0)[0]:
        pass
    return not reader.finished()


def _elsewhere(session: Session, backends: set[str]) -> set[str]:
    """The backends but the embedded one; a second SQLite file is elsewhere, too."""
    other = any(url.startswith(f"{_EMBEDDED}:") for url in session.settings.backends)
    return backends if other else backends - {_EMBEDDED}


def _blobs(database: Path) -> list[Path]:
    return [path for path in (database.parent / "blobs").rglob("*") if path.is_file()]
