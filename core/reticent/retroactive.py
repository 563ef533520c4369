"""Today's policy on what is stored: every run, then the embedded database anew from them, without the bytes of the old."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from reticent.backends.sqlite.schema import connect, database_path
from reticent.errors import ReticentError, RunNotFoundError
from reticent.recovery import recover
from reticent.rewriting import BusyError, Rewritten, look, rewrite
from reticent.runlog import STAGING, RunReader
from reticent.store import reindex
from reticent_redact import Hidden

if TYPE_CHECKING:
    from reticent.session import Session

State = Literal["changed", "same", "live", "failed"]

_EMBEDDED = "sqlite"


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
    delivered_to: list[str] = field(default_factory=list)
    """The backends elsewhere that have got something of it, which is not recalled."""
    error: str = ""


@dataclass
class Outcome:
    """What was done in all; `database` is how many runs the new embedded database has, None if none was made."""

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
    return Outcome(_each(session, run_ids, advance, lambda directory: look(directory, session.redactor)))


def apply(session: Session, run_ids: Iterable[str] | None, advance: Callable[[], None]) -> Outcome:
    """Redact stored runs (None: all) again, by the policy of the session; `advance` is called after each.

    Then the embedded database is made anew, whatever was changed, so that a second call finishes what one that was killed
    began. Raises RunNotFoundError, and StoreError if the database cannot be made.
    """

    def redact(directory: Path) -> Rewritten:
        recover(session, directory.name)
        if any((directory / STAGING).glob("*")):  # a process that lives has still to publish what is there
            raise BusyError
        return rewrite(directory, session.redactor)

    if not (session.root / "runs").is_dir():
        return Outcome([])
    database = database_path(session.root)
    blobs = _blobs(database)  # those that come later belong to a run that is going on
    outcome = Outcome(_each(session, run_ids, advance, redact))
    outcome.database = reindex()
    session.sender(_EMBEDDED).close()
    for suffix in ("", "-wal", "-shm"):
        Path(f"{database}.old{suffix}").unlink(missing_ok=True)
    with closing(connect(database)) as connection:
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        used = {sha256 for (sha256,) in connection.execute("SELECT sha256 FROM artifact")}
    for blob in blobs:
        if blob.name not in used:
            blob.unlink(missing_ok=True)
            outcome.blobs += 1
    return outcome


def _each(
    session: Session,
    run_ids: Iterable[str] | None,
    advance: Callable[[], None],
    act: Callable[[Path], Rewritten],
) -> list[Applied]:
    known = stored_runs(session)
    wanted = known if run_ids is None else list(run_ids)
    for run_id in wanted:
        if run_id not in known:
            raise RunNotFoundError(session.seal("warning", f"no run under {session.root} has the id {run_id!r}"))
    applied = []
    for run_id in wanted:
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
    return Applied(run_id, state, hidden, done.files, done.withheld, elsewhere)


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
