"""How files get into a run: a snapshot at the log call, a note of it in the log, the sealing in the background."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias

from reticent import artifacts, clock, pictures, recovery
from reticent.aside import EndedError
from reticent.background import Job
from reticent.files import safe_relative
from reticent.guard import warn_once
from reticent.pictures import Draw
from reticent.recorder import Recorder
from reticent.records import ArtifactRemoved, Reference, SealedRecord, Staged, Withheld, is_under
from reticent_redact import SealedText

Publish: TypeAlias = Callable[[str, SealedText], None]
"""`Filing.publish`, or another way to have a snapshot sealed."""

SEALING = "sealing a file"
DRAWING = "drawing a picture"
MOST_PICTURES = 30
"""So many may wait to be drawn: the end of the process waits for them."""


class LeftOutError(ValueError):
    """All of a directory was logged but for what has a name that no artifact can have."""


class Filing:
    """Brings files into the run in `directory`. Its methods raise what the disk raises, and ValueError for a bad path."""

    def __init__(self, recorder: Recorder, directory: Path) -> None:
        self.recorder = recorder
        self.directory = directory
        self._waiting: dict[str, Staged] = {}
        """The snapshots of files that are not sealed yet, by token."""
        self._removing: list[SealedText] = []
        """What is about to be removed."""

    def add(self, source: Path, target: Path, publish: Publish | None = None) -> None:
        """Log a file as the artifact `target`, or all files below a directory under it; our own, which grow while they
        are looked at, are left out. `publish` of this object has the snapshots sealed, if it is not told otherwise.

        A file that cannot be logged keeps no other one from it. LeftOutError if that is so because of what it is."""
        publish = publish or self.publish
        if not source.is_dir():
            self._add_file(source, target, publish)
            return
        unreadable: OSError | None = None
        refused: ValueError | None = None
        own = self.recorder.session.root
        for file in sorted(path for path in source.rglob("*") if path.is_file()):
            if own not in file.absolute().parents:
                try:
                    self._add_file(file, target / file.relative_to(source), publish)
                except (FileNotFoundError, PermissionError) as error:
                    unreadable = unreadable or error
                except ValueError as error:
                    refused = refused or error
        if unreadable is not None:
            raise unreadable
        if refused is not None:
            raise LeftOutError(str(refused)) from refused

    def add_text(self, text: str, name: str) -> None:
        """Log text as the artifact `name`: sealed at once, or in the background if it is long."""
        path = self.path(name)
        if len(text) <= artifacts.INLINE_BYTES:
            self.add_sealed(self.recorder.seal("artifact", text), path)
        else:
            self._stage_text(text, path)

    def add_sealed(self, content: SealedText, path: SealedText) -> None:
        """Log sealed text as the artifact `path`: at once, or after what is about to be removed there."""
        if any(is_under(path, removed) for removed in list(self._removing)):
            self._stage_text(content, path)
        else:
            self.recorder.append(artifacts.write_sealed(self.directory, path, content))

    def publish(self, token: str, path: SealedText) -> None:
        """Note a snapshot of a file in the log, where it now survives us, and have it sealed in the background."""
        self._waiting[token] = self.note(token, path, "file")
        self.in_background(SEALING, partial(self._seal_waiting, token))

    def publish_late(self, token: str, path: SealedText) -> None:
        """The same for what may soon be removed: sealing takes the interpreter from the training, and so it waits."""
        self._waiting[token] = self.note(token, path, "file")

        def seal() -> None:  # in the background as well: in turn with what removes artifacts
            self.in_background(SEALING, partial(self._seal_waiting, token))

        self.recorder.session.checkpoints.submit(SEALING, seal, self.recorder.report)

    def seal_waiting(self) -> None:
        """Have what waits sealed now: at the end of a run nothing comes that would take its place."""
        for token in list(self._waiting):
            self.in_background(SEALING, partial(self._seal_waiting, token))

    def remove(self, path: SealedText) -> None:
        """Remove an artifact, or all that lie under `path`, from the run. A snapshot that waits is never sealed.

        It is told at once, so that whoever recovers the run does it if this process cannot, and again when it is done:
        what was being sealed meanwhile has been told of in between.
        """
        self.recorder.append(ArtifactRemoved(time=clock.now(), path=path))
        self._removing.append(path)
        for token, staged in list(self._waiting.items()):
            if is_under(staged.path, path) and self._waiting.pop(token, None) is not None:
                artifacts.discard(self.directory, token)

        def remove() -> None:  # after what was to be published before
            try:
                artifacts.remove(self.directory, path)
                self.recorder.append(ArtifactRemoved(time=clock.now(), path=path))
            finally:
                self._removing.remove(path)

        self.in_background("removing an artifact", remove)

    def note(
        self,
        token: str,
        path: SealedText,
        kind: Literal["file", "model"],
        registered_name: SealedText | None = None,
    ) -> Staged:
        """Note a snapshot in the log."""
        session = self.recorder.session
        staged = Staged(
            time=clock.now(),
            token=token,
            path=path,
            kind=kind,
            registered_name=registered_name,
            known=session.known_secrets(),
            policy=session.policy,
        )
        self.recorder.append(staged)
        return staged

    def seal(self, staged: Staged) -> bool:
        """Seal a snapshot into its place; whether it can be seen there."""
        self.recorder.log.check_there()
        records = recovery.publish(self.recorder.session, self.directory, staged)
        self.recorder.append(*records)
        artifacts.discard(self.directory, staged.token)
        _say_what_is_withheld(records)
        return not any(isinstance(record, Withheld) for record in records)

    def _seal_waiting(self, token: str) -> None:
        """Seal a snapshot, if it was not removed meanwhile."""
        staged = self._waiting.pop(token, None)
        if staged is not None:
            self.seal(staged)

    def in_background(self, kind: str, job: Job) -> None:
        self.recorder.session.background.submit(kind, job, self.recorder.report)

    def draw(self, draw: Draw, content: SealedText, path: SealedText) -> None:
        """Have a picture drawn of sealed JSON, and file it; not if many wait, after a lot of short trainings in a row."""
        session = self.recorder.session
        if session.pictures.pending() >= MOST_PICTURES:
            return
        token, directory = artifacts.stage_directory(self.directory)
        file = directory / safe_relative(path).name

        def job() -> None:
            try:
                pictures.draw(session.aside, draw, content, file)
            except EndedError as error:
                self.recorder.report(DRAWING, error)
                return
            self.publish(f"{token}/{file.name}", path)

        session.pictures.submit(DRAWING, job, self.recorder.report)

    def path(self, name: str) -> SealedText:
        """The name of an artifact, sealed; of two that are the same then, the second is numbered. ValueError if it leads
        out of the run, FileNotFoundError if its log was deleted: files alone are no run."""
        self.recorder.log.check_there()
        sealed = self.recorder.seal("artifact name", name)
        safe_relative(sealed)
        number = self.recorder.number("artifact name", name, sealed)
        if number == 1:
            return sealed
        numbered = Path(sealed).with_name(f"{number}-{Path(sealed).name}")  # what its end says of its kind stays
        return self.recorder.seal("artifact name", numbered.as_posix())

    def _stage_text(self, text: str, path: SealedText) -> None:
        token, directory = artifacts.stage_directory(self.directory)
        raw = directory / "text"
        with os.fdopen(os.open(raw, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(text.encode("utf-8", "backslashreplace"))
        self.publish(f"{token}/{raw.name}", path)

    def _add_file(self, source: Path, target: Path, publish: Publish) -> None:
        path = self.path(target.as_posix())
        status = source.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("only files and directories can be logged, no pipes, sockets or devices")
        if status.st_size > self.recorder.session.settings.max_artifact_mb * 1e6:
            location = self.recorder.seal("artifact", str(source.absolute()))
            self.recorder.append(Reference(time=clock.now(), path=path, location=location, size=status.st_size))
            message = f"artifact {path!r} is over max_artifact_mb and is referenced, not copied"
            self.recorder.warn("large artifact", message)
            return
        publish(artifacts.stage_file(self.directory, source), path)


def _say_what_is_withheld(records: list[SealedRecord]) -> None:
    for record in records:
        if isinstance(record, Withheld):
            warn_once(
                "withheld",
                f"artifact {record.path!r} is withheld, because of {record.rule}: it cannot be masked, and lies in the "
                "run's quarantine/, which no backend gets. `reticent show` lists all that are",
            )
