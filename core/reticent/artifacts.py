"""Files of a run: the snapshot at the log call, the sealing later, the place where a user finds them.

A file is copied into `staging/` at once, so its owner may delete or overwrite it. In the background it is hashed,
scanned and sealed into `artifacts/`; if a rule hits in a file that cannot be masked (a binary one), it goes to
`quarantine/` instead. A snapshot whose process died is published by the next process that reads the run.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import stat
import uuid
from pathlib import Path

from reticent import clock
from reticent.files import make_directory, safe_relative, snapshot, write_private
from reticent.records import Artifact, SealedRecord, Staged, Withheld
from reticent.runlog import ARTIFACTS, QUARANTINE, STAGING
from reticent_redact import Redactor, Report, SealedText
from reticent_redact import Withheld as WithheldFile

INLINE_BYTES = 1 << 20
"""Text up to this size is sealed within the log call."""


def stage_file(directory: Path, source: Path) -> str:
    """A snapshot of `source` in the run's staging; its token. OSError if it cannot be read or the disk is full."""
    token = uuid.uuid4().hex
    target = directory / STAGING / token
    try:
        snapshot(source, target)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return token


def stage_directory(directory: Path) -> tuple[str, Path]:
    """A new, empty directory in the run's staging, and its token."""
    token = uuid.uuid4().hex
    target = directory / STAGING / token
    make_directory(target)
    return token, target


def write_sealed(directory: Path, path: SealedText, content: SealedText) -> Artifact:
    """Write sealed text as the artifact `path`. ValueError for a path that leaves the run, OSError from the disk."""
    data = content.encode("utf-8", "backslashreplace")
    write_private(directory / ARTIFACTS / safe_relative(path), data)
    return Artifact(time=clock.now(), path=path, size=len(data), sha256=hashlib.sha256(data).hexdigest())


_TOKEN = re.compile(r"[0-9a-f]{32}(/[^/\\\0]{1,255})?")


def check_run(directory: Path) -> None:
    """Raises ValueError for a run directory that holds what no writer of ours makes, such as symbolic links.

    A run may have been copied in from anywhere: it must not make us read, write or delete outside of itself.
    """
    for place in (directory, *(directory / name for name in (STAGING, ARTIFACTS, QUARANTINE))):
        if place.is_symlink():
            raise ValueError(f"{place.name} is a symbolic link")
        for folder, folders, files in os.walk(place) if place is not directory else ():
            for name in (*folders, *files):
                mode = os.lstat(os.path.join(folder, name)).st_mode
                if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                    raise ValueError(f"{place.name} holds what is no file: a symbolic link, a pipe or a device")


def check_token(token: str) -> str:
    """`token`, if it is one of ours; ValueError otherwise."""
    if not _TOKEN.fullmatch(token) or token.endswith(("/.", "/..")):
        raise ValueError("a token of a snapshot is 32 hexadecimal digits and a name at most")
    return token


def publish(directory: Path, staged: Staged, redactor: Redactor, report: Report) -> SealedRecord | None:
    """Seal a staged file to its place and say what became of it; None if another process has done it."""
    source = directory / STAGING / check_token(staged.token)
    return seal_to(directory, source, staged.path, redactor, report, staged.token)


UNKNOWN_RULE = "secrets-unknown"
"""The rule by which a snapshot is withheld whose process knew secrets that the one that seals it may not know."""

OTHER_POLICY_RULE = "policy-differs"
"""And that of one whose process may have had another policy."""


def withhold(directory: Path, staged: Staged, rule: str) -> Withheld:
    """Move a snapshot to quarantine as it is."""
    entry = directory / STAGING / check_token(staged.token).partition("/")[0]
    kept = directory / QUARANTINE / safe_relative(staged.path) / entry.name
    make_directory(kept.parent)
    with contextlib.suppress(FileNotFoundError):  # another process has done it
        os.replace(entry, kept)
    return Withheld(time=clock.now(), path=staged.path, rule=rule, staged=staged.token)


UNPUBLISHABLE_RULE = "unpublishable"
"""The rule by which a snapshot is withheld that is not as we make them, or whose name the file system does not take."""


def set_aside(directory: Path, staged: Staged) -> Withheld:
    """Move a snapshot to quarantine as it is, under a name that is sure to be one."""
    entry = directory / STAGING / check_token(staged.token).partition("/")[0]
    make_directory(directory / QUARANTINE)
    with contextlib.suppress(FileNotFoundError):  # another process has done it
        os.replace(entry, directory / QUARANTINE / entry.name)
    return Withheld(time=clock.now(), path=staged.path, rule=UNPUBLISHABLE_RULE, staged=staged.token)


def discard(directory: Path, token: str) -> None:
    """Remove a snapshot from staging, once the log says what became of it."""
    entry = directory / STAGING / check_token(token).partition("/")[0]
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry, ignore_errors=True)
    else:
        entry.unlink(missing_ok=True)


def remove(directory: Path, path: SealedText) -> None:
    """Remove an artifact, or all that lie under `path`, and the directories that are empty then."""
    root = directory / ARTIFACTS
    target = root / safe_relative(path)
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    else:
        target.unlink(missing_ok=True)
    for parent in target.parents:
        if parent == root or not parent.is_dir() or any(parent.iterdir()):
            break
        parent.rmdir()


def seal_to(
    directory: Path, source: Path, path: SealedText, redactor: Redactor, report: Report, token: str | None = None
) -> Artifact | Withheld | None:
    """Seal `source` to the artifact `path`, or move it to quarantine; None if `source` is gone."""
    relative = safe_relative(path)
    target, workspace = directory / ARTIFACTS / relative, directory / STAGING
    make_directory(target.parent)
    try:
        sealed = redactor.seal_file(source, target, name=relative.name, report=report, workspace=workspace)
    except FileNotFoundError:
        return None
    if isinstance(sealed, WithheldFile):
        kept = directory / QUARANTINE / relative
        make_directory(kept.parent)
        os.replace(source, kept)
        return Withheld(time=clock.now(), path=path, rule=sealed.rule, staged=token)
    return Artifact(time=clock.now(), path=path, size=sealed.size, sha256=sealed.sha256, staged=token)
