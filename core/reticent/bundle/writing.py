"""Exports runs: held as they are at one moment, described, then written in one stream."""

from __future__ import annotations

import os
import tarfile
import uuid
from collections.abc import Iterator, Sequence
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import msgspec

from reticent.bundle.compression import check_name, packing
from reticent.bundle.manifest import FORMAT, MANIFEST, SIGNATURE, BundledFile, BundledRun, Manifest, is_part_of_a_run
from reticent.bundle.signing import sign
from reticent.bundle.workplace import workplace
from reticent.errors import BundleError
from reticent.files import open_private, share, snapshot
from reticent.runlog import ARTIFACTS, RunReader
from reticent.runlog.events import SUFFIX
from reticent.session import Session

_CHUNK = 1 << 20


def export_runs(session: Session, run_ids: Sequence[str], bundle: Path, key_file: Path | None = None) -> Manifest:
    """Write runs to a bundle, which takes the place of a file of that name when it is whole; what it holds.

    Raises BundleError, MissingExtraError, and OSError from the disk.
    """
    from reticent import __version__

    check_name(bundle)
    with workplace(session.root) as place:
        held = [_hold(session.run_directory(run_id), place / run_id) for run_id in run_ids]
        progress = _Progress(session, 2 * sum(size for _, sizes in held for size in sizes.values()))
        runs = [
            BundledRun(
                run_id, ended, [_described(place / run_id, path, size, progress) for path, size in sizes.items()]
            )
            for run_id, (ended, sizes) in zip(run_ids, held, strict=True)
        ]
        manifest = Manifest(FORMAT, f"reticent {__version__}", runs)
        content = msgspec.json.encode(manifest)
        signature = None if key_file is None else sign(content, key_file)
        temporary = bundle.with_name(f".{bundle.name}.{uuid.uuid4().hex}")
        try:
            with os.fdopen(open_private(temporary, os.O_WRONLY | os.O_EXCL), "wb") as file:
                with packing(file, bundle.name) as packed, tarfile.open(fileobj=packed, mode="w|") as tar:
                    _add(tar, MANIFEST, BytesIO(content), len(content))
                    if signature is not None:
                        _add(tar, SIGNATURE, BytesIO(signature), len(signature))
                    for run in runs:
                        for part in run.files:
                            _add_file(tar, run.name_of(part), place / run.run_id / part.path, part.size, progress)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, bundle)
        finally:
            temporary.unlink(missing_ok=True)
    return manifest


class _Progress:
    """Told of bytes, tells the session."""

    def __init__(self, session: Session, total: int) -> None:
        self._session = session
        self._total = total
        self._done = 0

    def __call__(self, count: int) -> None:
        self._done += count
        self._session.working("writing a bundle", self._done, self._total)


def _hold(directory: Path, place: Path) -> tuple[bool, dict[str, int]]:
    """Have `place` hold a run's files as they are now, mostly by hard links; whether it has ended, and their sizes.

    Event files only grow, and artifacts are replaced, not changed: the first bytes of a link stay. Metrics are written in
    place while a run goes on, and come first, for the events before a point explain it.
    """
    ended = has_ended(directory)
    sizes = {}
    for path in _parts(directory):
        held = place / path
        try:
            (share if ended or not path.endswith(".metrics") else snapshot)(directory / path, held)
        except FileNotFoundError:  # an artifact that was just removed, or is being replaced
            continue
        sizes[path] = held.stat().st_size
    if not any(path.endswith(SUFFIX) for path in sizes):
        raise BundleError(f"the run {directory.name} has no log: there is nothing to export")
    return ended, sizes


def has_ended(directory: Path) -> bool:
    """Whether nobody writes a run's log any more."""
    reader = RunReader(directory)
    while reader.read(max_metrics=0)[0]:  # whether a writer has closed is known at its end
        pass
    return reader.finished()


def _parts(directory: Path) -> Iterator[str]:
    own = sorted(entry.name for entry in os.scandir(directory) if entry.is_file(follow_symlinks=False))
    yield from (name for name in own if name.endswith(".metrics") and is_part_of_a_run(name))
    yield from (name for name in own if name.endswith(SUFFIX) and is_part_of_a_run(name))
    for file in sorted((directory / ARTIFACTS).rglob("*")):
        path = file.relative_to(directory).as_posix()
        if file.is_file() and not file.is_symlink() and is_part_of_a_run(path):
            yield path


def _described(place: Path, path: str, size: int, progress: _Progress) -> BundledFile:
    digest = sha256()
    with (place / path).open("rb") as file:
        left = size
        while left and (chunk := file.read(min(_CHUNK, left))):
            digest.update(chunk)
            left -= len(chunk)
            progress(len(chunk))
    return BundledFile(path, size, digest.hexdigest())


def _add_file(tar: tarfile.TarFile, name: str, path: Path, size: int, progress: _Progress) -> None:
    with path.open("rb") as file:
        _add(tar, name, file, size, int(path.stat().st_mtime))
    progress(size)


def _add(tar: tarfile.TarFile, name: str, content: BinaryIO, size: int, changed: int = 0) -> None:
    """The first `size` bytes of a file. When it was changed says, of an event file, when its process last lived."""
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = size, changed, 0o600
    tar.addfile(member, content)
