"""Files of another tracker, as they come over the network: each has a limit, for a server may send without an end."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from reticent import settings
from reticent.errors import SourceError
from reticent.files import make_directory


def check_size(name: str, size: int) -> None:
    """SourceError for a file that has more bytes than one may have."""
    most = settings.current().settings.max_import_mb
    if size > most * 1e6:
        raise SourceError(
            f"its file {name!r} has more than {most:g} MB: to take it too, set RETICENT_MAX_IMPORT_MB to what it needs "
            "(MB), and import again"
        )


def keep(pieces: Iterable[bytes], path: Path, name: str) -> None:
    """Write a file that comes bit by bit. SourceError if it is too large, OSError if the disk does not take it: nothing
    of it is kept then."""
    make_directory(path.parent)
    size = 0
    try:
        with path.open("wb") as file:
            for piece in pieces:
                size += len(piece)
                check_size(name, size)
                file.write(piece)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
