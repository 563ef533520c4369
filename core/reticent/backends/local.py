"""What backends that write files have in common."""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path

from reticent.backends import Batch, Target
from reticent.errors import SettingsError
from reticent.files import inside, make_directory, sha256_of, snapshot, write_private
from reticent.records import Artifact, ArtifactRemoved, SealedRecord


def directory_of(target: Target, instead: str) -> Path:
    """Where a store is that is only files: `<root>/<name>`, or the directory that its URL names.

    SettingsError for a URL that looks as if it meant a server, with what there is `instead`.
    """
    name, _, path = target.url.partition("://")
    if not path:
        return target.root / name
    if not path.startswith(("/", "~")):
        raise SettingsError(f"the backend {name} takes {name}:///directory; {instead}")
    return Path(path).expanduser()


def identity(directory: Path) -> str:
    """The text that names a store of files, from a file in it that is made with the store."""
    path = directory / ".store"
    if not path.exists():
        write_private(path, uuid.uuid4().hex.encode())
    return path.read_text()


def append(path: Path, length: int, data: bytes) -> int:
    """Append to a file that has this many bytes; what is behind them is cut off. How many it has then."""
    if not data and not length and not path.exists():
        return 0
    with path.open("r+b" if path.exists() else "wb") as file:
        file.truncate(length)
        file.seek(length)
        file.write(data)
        return file.tell()


def keep_artifact(batch: Batch, record: SealedRecord, directory: Path) -> None:
    """Have the file of an artifact lie under a directory by its path, or no longer if it was removed."""
    if isinstance(record, ArtifactRemoved):
        gone = inside(directory, record.path)
        if gone.is_dir():
            shutil.rmtree(gone)
        else:
            gone.unlink(missing_ok=True)
    if not isinstance(record, Artifact) or (source := batch.file(record)) is None:
        return
    target = inside(directory, record.path)
    make_directory(target.parent)
    taken = target.with_name(f".{uuid.uuid4().hex}")
    try:
        snapshot(source, taken)  # no link: what lies in a store of files may be edited there
        if sha256_of(taken) == record.sha256:
            os.replace(taken, target)
    except FileNotFoundError:  # a later version is about to take its place
        pass
    finally:
        taken.unlink(missing_ok=True)
