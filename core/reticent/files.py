"""Files that only their owner reads, made and copied safely, and what the file system under them can be trusted with.

The only module with differences between operating systems in how files behave.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

PRIVATE_FILE = 0o600
MOST_NAME = 200
"""Bytes of a file's name; file systems take 255, of which some are ours while it is written."""

PRIVATE_DIRECTORY = 0o700

_RESERVING = {"ext2", "ext3", "ext4", "xfs", "tmpfs", "overlay", "f2fs"}
"""File systems where posix_fallocate really reserves, so that a mapped page cannot fail to get its block."""

_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "lustre", "gpfs", "beegfs", "ceph", "afs", "9p", "glusterfs"}

_FICLONE = 0x40049409  # ioctl of Linux <linux/fs.h>: share the blocks of another file, copy on write


class LockedError(Exception):
    """Another process has a lock, and goes on having it."""


def make_directory(path: Path | str) -> None:
    """`path` and its missing parents, mode 0700."""
    if os.path.isdir(path):
        return
    path, missing = Path(path), []
    while not path.is_dir():
        missing.append(path)
        path = path.parent
    for directory in reversed(missing):
        with contextlib.suppress(FileExistsError):
            os.mkdir(directory, PRIVATE_DIRECTORY)


_ONLY_FILES = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
"""For places that others may write to as well: no symbolic link is followed, and no pipe is waited for."""


def open_private(path: Path | str, flags: int) -> int:
    """A descriptor of `path`, created with mode 0600 whatever the umask."""
    return os.open(path, flags | os.O_CREAT | _ONLY_FILES | getattr(os, "O_CLOEXEC", 0), PRIVATE_FILE)


NOTE_BYTES = 4096


def read_note(path: Path, most: int = NOTE_BYTES) -> bytes:
    """The beginning of a small file that anybody may have put there. OSError if there is none, or no file."""
    with os.fdopen(os.open(path, os.O_RDONLY | _ONLY_FILES | getattr(os, "O_BINARY", 0)), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not a file", str(path))
        return file.read(most)


def write_note(path: Path, content: bytes) -> None:
    """Write over the beginning of a file in place: ten times as fast as a new one that takes its place. What is no file
    is replaced."""
    try:
        with _open(path) as descriptor:
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.write(descriptor, content)
                return
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENXIO, errno.EMLINK):
            raise
    write_private(path, content)


def write_private(path: Path | str, content: bytes, changed: int | None = None) -> None:
    """`path` has `content`, mode 0600, all at once: a reader sees the old file or the new one. `changed` (ns) is the
    time of change that it has then."""
    place, name = os.path.split(path)
    temporary = os.path.join(place, f".{name[:100]}.{os.urandom(16).hex()}")
    make_directory(place)
    try:
        descriptor = open_private(temporary, os.O_WRONLY | os.O_EXCL)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        if changed is not None:
            os.utime(temporary, ns=(changed, changed))
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def write_first(path: Path, content: bytes) -> None:
    """`path` has `content`, mode 0600, unless it has one already: of several threads and processes the first one writes."""
    if path.exists():
        return
    temporary = path.with_name(f".{path.name}.{os.urandom(16).hex()}")
    write_private(temporary, content)
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    except OSError:  # a file system without hard links
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def lock(descriptor: int) -> bool:
    """Lock an open file against other processes until it is closed; False if one of them has it. A forked child has no part
    in it. Where the system has no such locks, or the file system refuses, everybody gets it."""
    try:
        import fcntl
    except ImportError:  # Windows
        return True
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EACCES, errno.EAGAIN)
    return True


@contextlib.contextmanager
def locked(path: Path | str, wait_s: float) -> Iterator[None]:
    """While it is open, no other process has this path locked, which may be removed then. LockedError if one goes on
    having it."""
    make_directory(os.path.dirname(path))
    deadline = time.monotonic() + wait_s
    while True:
        with _open(path) as descriptor:
            if lock(descriptor) and _is_at(descriptor, path):
                yield
                return
        if time.monotonic() >= deadline:
            raise LockedError(f"another process has {path} locked")
        time.sleep(0.01)


@contextlib.contextmanager
def _open(path: Path | str) -> Iterator[int]:
    """A descriptor to write to a file by, which is closed unless it has become another's: a program may close all that there
    are, as daemons do when they start, and open files of its own meanwhile."""
    descriptor = open_private(path, os.O_WRONLY)
    ours = os.fstat(descriptor)
    try:
        yield descriptor
    finally:
        with contextlib.suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), ours):
                os.close(descriptor)


def _is_at(descriptor: int, path: Path | str) -> bool:
    """Whether the open file is still the one at `path`: who held the lock before may have removed it."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def snapshot(source: Path, target: Path) -> None:
    """Copy a file as it is now: by reflink where the file system shares blocks, else by content. Mode 0600."""
    make_directory(target.parent)
    descriptor = open_private(target, os.O_RDWR | os.O_EXCL)
    with os.fdopen(descriptor, "wb") as output, source.open("rb") as input_:
        if sys.platform == "linux":
            import fcntl

            try:
                fcntl.ioctl(output.fileno(), _FICLONE, input_.fileno())
                return
            except OSError:
                pass  # no reflinks here: copy
        shutil.copyfileobj(input_, output, 1 << 20)


def share(source: Path, target: Path) -> None:
    """`target` has the content of `source`, which is never changed in place: by hard link if possible, else by copy."""
    if target.exists():
        return
    make_directory(target.parent)
    temporary = target.with_name(f".{target.name[:100]}.{uuid.uuid4().hex}")
    try:
        try:
            os.link(source, temporary)
        except OSError:
            snapshot(source, temporary)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal digits."""
    from hashlib import sha256  # OpenSSL: not before there is a file

    digest = sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def reserve(descriptor: int, size: int) -> bool:
    """Reserve `size` bytes for a file; False where the system cannot. OSError when the disk or the quota is full."""
    if not hasattr(os, "posix_fallocate"):
        return False
    os.posix_fallocate(descriptor, 0, size)
    return True


def reserves(path: Path) -> bool:
    """Whether a reservation under `path` can be trusted with a memory map (else a full disk would be a SIGBUS)."""
    return hasattr(os, "posix_fallocate") and file_system(path) in _RESERVING


def is_network(path: Path) -> bool:
    kind = file_system(path)
    return kind in _NETWORK or kind.startswith("fuse.")


def file_system(path: Path) -> str:
    """The name of the file system that holds `path` ("ext4"), or "" where the system does not tell."""
    try:
        device = path.stat().st_dev
    except OSError:
        return _file_system(path)
    if device not in _kinds:
        _kinds[device] = _file_system(path)
    return _kinds[device]


_kinds: dict[int, str] = {}
"""The kinds of the file systems that were asked for, by their numbers: reading what is mounted takes milliseconds."""


def _file_system(path: Path) -> str:
    place = path.resolve()
    best, kind = -1, ""
    for point, name in _mounts():
        if len(point.parts) >= best and (place == point or point in place.parents):
            best, kind = len(point.parts), name
    return kind


def _mounts() -> Iterator[tuple[Path, str]]:
    import psutil

    for partition in psutil.disk_partitions(all=True):
        yield Path(partition.mountpoint), partition.fstype


def change_times(directory: Path) -> dict[str, int]:
    """When each entry of a directory was changed (ns); none if there is no such directory."""
    found = {}
    try:
        if os.stat not in os.supports_dir_fd:  # Windows, where listing a directory tells it
            with os.scandir(directory) as entries:
                return {entry.name: entry.stat().st_mtime_ns for entry in entries}
        opened = os.open(directory, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except FileNotFoundError:
        return {}
    try:  # by names in the open directory, which takes a third of the time that paths take
        for name in os.listdir(opened):
            try:  # noqa: SIM105 - `suppress` would take half of the time
                found[name] = os.stat(name, dir_fd=opened).st_mtime_ns
            except FileNotFoundError:  # another process has just renamed or removed it
                pass
    finally:
        os.close(opened)
    return found


def safe_relative(path: str) -> Path:
    """`path` as a relative path that stays below its directory.

    Raises ValueError for an empty path, an absolute one, one with `..`, or one with a NUL.
    """
    cleaned = Path(path.replace("\\", "/"))
    if not cleaned.parts or cleaned.is_absolute() or ".." in cleaned.parts or "\0" in path:
        raise ValueError("an artifact's path must be relative and stay inside the run, without '..'")
    if any(len(os.fsencode(part)) > MOST_NAME for part in cleaned.parts):
        raise ValueError(f"a part of an artifact's path may have {MOST_NAME} bytes, not more")
    return cleaned


def inside(directory: Path, name: str) -> Path:
    """The file `name` of a directory that may come from anywhere.

    Raises ValueError if it leads out of the directory, also by a symbolic link.
    """
    path = directory / safe_relative(name)
    root = directory.resolve()
    if root not in path.resolve().parents:
        raise ValueError(f"{name!r} leads out of its directory")
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise ValueError(f"{name!r} is no file: a pipe, a socket or a device")
    return path
