"""Imports bundles, which may come from anywhere: nothing is taken that the manifest does not name, and nothing is visible
before all of it is as the manifest says."""

from __future__ import annotations

import errno
import os
import shutil
import tarfile
import time
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from reticent.bundle.compression import Readable, damages, unpacking
from reticent.bundle.manifest import MANIFEST, SIGNATURE, BundledFile, BundledRun, Manifest, read_manifest
from reticent.bundle.signing import verify
from reticent.bundle.workplace import workplace
from reticent.errors import BundleError
from reticent.files import make_directory, open_private
from reticent.progress import set_back
from reticent.runlog.events import SUFFIX
from reticent.session import Session

LARGEST_MANIFEST = 64 << 20
_LARGEST_HEADER = 1 << 16
"""Of one file in the archive, a long name included."""
_SIGNATURE_BYTES = 64
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Imported:
    new: list[BundledRun] = field(default_factory=list)
    known: list[BundledRun] = field(default_factory=list)
    """Those that were here already, just as they are in the bundle."""
    signed: bool = False


def import_bundle(session: Session, bundle: Path, key_file: Path | None = None) -> Imported:
    """Bring the runs of a bundle under the root, where every backend is still to be given them.

    With `key_file` only if it is signed by the key whose public half that is. Raises BundleError, MissingExtraError, and
    OSError from the disk.
    """
    session.prepare_root()
    with bundle.open("rb") as file, workplace(session.root) as place:
        try:
            return _import(session, place, _Limited(unpacking(file)), key_file)
        except damages() as error:
            raise BundleError(f"{bundle.name} is damaged: {error}; nothing of it was taken") from None


def _import(session: Session, place: Path, stream: _Limited, key_file: Path | None) -> Imported:
    stream.allow(LARGEST_MANIFEST)
    archive = _Archive(stream)
    content = archive.small_file(MANIFEST, LARGEST_MANIFEST)
    signature = archive.small_file(SIGNATURE, _SIGNATURE_BYTES) if archive.next_is(SIGNATURE) else None
    if key_file is not None:
        verify(content, signature, key_file)
    manifest = read_manifest(content)
    known = [run for run in manifest.runs if _is_here(session, run)]
    ids = {run.run_id for run in known}
    new = [run for run in manifest.runs if run.run_id not in ids]
    _check_space(session, new)
    _unpack(session, archive, manifest, place, ids)
    for run in new:
        _show(session, place, run)
    return Imported(new, known, signature is not None)


class _Limited:
    """Gives no more bytes than are allowed: headers are read as a whole, and a few bytes may unfold to anything."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._left = 0

    def allow(self, count: int) -> None:
        self._left = count + _LARGEST_HEADER

    def read(self, size: int, /) -> bytes:
        data = self._source.read(min(size, self._left + 1))
        self._left -= len(data)
        if self._left < 0:
            raise BundleError("the bundle unfolds to more than its manifest says; nothing of it was taken")
        return data


class _Archive:
    """The files in a tar, one after the other."""

    def __init__(self, stream: _Limited) -> None:
        self._stream = stream
        self._tar = tarfile.open(fileobj=stream, mode="r|")  # type: ignore[call-overload] # noqa: SIM115 - nothing to close
        self._next = self._tar.next()

    def next_is(self, name: str) -> bool:
        return self._next is not None and self._next.name == name

    def open(self, name: str, largest: int) -> tuple[tarfile.TarInfo, Readable]:
        """The next file, which has to be this one. BundleError if it is another one, or none."""
        member = self._next
        if member is None:
            raise BundleError(f"the bundle ends before {name}; nothing of it was taken")
        if member.name != name:
            raise BundleError(f"the bundle holds {member.name!r} where {name} should be; nothing of it was taken")
        if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.issparse():
            raise BundleError(f"{name} in the bundle is no file, but a link or a device; nothing of it was taken")
        if member.size > largest:
            raise BundleError(f"{name} in the bundle is larger than it may be; nothing of it was taken")
        self._stream.allow(member.size)
        content = self._tar.extractfile(member)
        assert content is not None
        return member, content

    def done(self) -> None:
        """The file was read: go on to what follows it."""
        self._stream.allow(0)
        self._next = self._tar.next()

    def small_file(self, name: str, largest: int) -> bytes:
        member, content = self.open(name, largest)
        data = content.read(member.size)
        self.done()
        return data

    def end(self) -> None:
        if self._next is not None:
            raise BundleError(f"the bundle holds {self._next.name!r}, which its manifest does not name")


def _is_here(session: Session, run: BundledRun) -> bool:
    """Whether the root has the run already. BundleError if it has another one of this id."""
    directory = session.run_directory(run.run_id)
    if not os.path.lexists(directory):
        return False
    for file in run.files:
        if not _begins_as(directory / file.path, file):
            raise BundleError(
                f"another run {run.run_id} is here already: its {file.path} is not that of the bundle. Import it under "
                "another root (RETICENT_DIR), or move the one that is here away; nothing was taken"
            )
    return True


def _begins_as(path: Path, file: BundledFile) -> bool:
    """Whether a file is the one in the bundle; what happened later may have been appended to events."""
    try:
        size = path.stat().st_size
        if path.is_symlink() or (size < file.size if path.suffix == SUFFIX else size != file.size):
            return False
        with path.open("rb") as content:
            return _copy(content, None, file.size) == file.sha256
    except OSError:
        return False


def _check_space(session: Session, runs: list[BundledRun]) -> None:
    needed = sum(file.size for run in runs for file in run.files)
    free = shutil.disk_usage(session.root).free
    if needed > free:
        raise BundleError(f"the bundle holds {needed >> 20} MB, the disk of {session.root} has {free >> 20} MB left")


def _unpack(session: Session, archive: _Archive, manifest: Manifest, place: Path, known: set[str]) -> None:
    """Look at all files, and keep those of runs that are not known."""
    done, total = 0, manifest.size()
    for run in manifest.runs:
        for file in run.files:
            session.working("reading a bundle", done, total)
            name = run.name_of(file)
            member, content = archive.open(name, file.size)
            if run.run_id in known:
                digest = _copy(content, None, file.size)
            else:
                digest = _write(content, place / run.run_id / file.path, file.size, member.mtime)
            if member.size != file.size or digest != file.sha256:
                raise BundleError(f"{name} is not what the bundle's manifest says; nothing of it was taken")
            archive.done()
            done += file.size
    archive.end()


def _write(content: Readable, path: Path, size: int, changed: float) -> str:
    try:
        make_directory(path.parent)
        with os.fdopen(open_private(path, os.O_WRONLY | os.O_EXCL), "wb") as file:
            digest = _copy(content, file, size)
            file.flush()
            os.fsync(file.fileno())
    except (FileExistsError, NotADirectoryError):
        raise BundleError(f"the bundle has a file where it has a directory, or two of one name: {path.name}") from None
    # The last sign of life of a process: one in the future would let it seem alive.
    moment = min(changed, time.time())
    os.utime(path, (moment, moment))
    return digest


def _copy(source: Readable, target: BinaryIO | None, size: int) -> str:
    """Read `size` bytes, write them where there is a target; their SHA-256."""
    digest = sha256()
    while size and (chunk := source.read(min(_CHUNK, size))):
        digest.update(chunk)
        size -= len(chunk)
        if target is not None:
            target.write(chunk)
    return digest.hexdigest()


def _show(session: Session, place: Path, run: BundledRun) -> None:
    """Have a run that is complete be one of the root's."""
    directory = session.run_directory(run.run_id)
    set_back(directory)  # what has had it, before it was moved away, is given all of it
    try:
        os.rename(place / run.run_id, directory)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise
        raise BundleError(f"a run {run.run_id} was made here meanwhile; it was left as it is") from None
