"""What is left to do with a model that was saved in a hurry: rewriting it in a format that is safe to open.

Done aside, from the files of a snapshot, by the process that took it, or by a later one on the same root: a proof beside the
snapshot, made with the root's key, says that nobody else has made these files. A run directory may come from anywhere, and
what is in it is not unpickled. Where there is no proof, or finishing fails, the model is published as it was saved.
"""

from __future__ import annotations

import hmac
import shutil
from importlib import import_module
from pathlib import Path

import msgspec

from reticent.aside import Aside
from reticent.files import PRIVATE_DIRECTORY, PRIVATE_FILE, make_directory, sha256_of, write_private
from reticent.guard import tried
from reticent.models import code, description
from reticent.models.description import Description
from reticent.models.flavor import Flavor, named
from reticent.models.trial import Trial, of_staged

PROOF = "reticent-proof"
"""Beside a description: that the files of the snapshot are those that a process of this root has written."""

TIMEOUT_S = 900.0
"""Models of gigabytes take minutes."""


def finish(aside: Aside, staging: Path, flavor: Flavor, try_bytes: float = 0) -> Trial | None:
    """Have the rest done of a model in a run's staging, and have it tried where it is at most `try_bytes` large; None if it
    was not. Raises what `flavor.finish` raises, after which all is as before."""
    if flavor.finish is None:
        return None
    function = flavor.finish
    call = (function.__module__, function.__qualname__, str(staging), str(try_bytes))
    try:
        tried = aside.call(_finish_named, *call, timeout_s=TIMEOUT_S, size=size_of(staging))
    except OSError:  # no other process can do it, or there is no time for that
        _finish(flavor.finish, staging)
        return None
    return msgspec.json.decode(tried, type=Trial) if tried else None


def prove(staging: Path, key: bytes) -> None:
    """Write the proof of a snapshot that this process has taken."""
    write_private(staging / PROOF, _proof(staging, key).encode())


def is_proven(staging: Path, key: bytes) -> bool:
    """Whether a snapshot is as a process of the root with this key has taken it."""
    try:
        written = (staging / PROOF).read_bytes()
        return hmac.compare_digest(written, _proof(staging, key).encode())
    except OSError:
        return False


def _proof(staging: Path, key: bytes) -> str:
    files = sorted(path for path in staging.rglob("*") if path.is_file() and path.name != PROOF)
    told = [f"{path.relative_to(staging).as_posix()}\0{sha256_of(path)}" for path in files]
    return hmac.new(key, "\n".join([staging.name, *told]).encode("utf-8", "backslashreplace"), "sha256").hexdigest()


def _finish_named(module: str, name: str, staging: str, try_bytes: str) -> str:
    described = _finish(getattr(import_module(module), name), Path(staging))
    directory = Path(staging) / described.directory
    if size_of(directory) > float(try_bytes):
        return ""
    # Here and now, as what the model needs is imported.
    return msgspec.json.encode(of_staged(directory, described)).decode()


def _finish(function: description.Finish, staging: Path) -> Description:
    described = description.read(staging)
    if described.directory == description.FINISHED:  # by another process, which could not say so any more
        return described
    saved, finished = staging / described.directory, staging / description.FINISHED
    shutil.rmtree(finished, ignore_errors=True)
    make_directory(finished)
    flavors = function(saved, finished, described.flavors)
    if code.take_over(saved, finished):
        flavors = code.noted(flavors, described.flavor)
    make_private(finished)
    done = msgspec.structs.replace(described, flavors=flavors, directory=finished.name)
    # From here on, and not before, the other directory is the model.
    description.write(staging, msgspec.structs.replace(done, imports=imports(staging, done)))
    shutil.rmtree(saved)
    return done


def imports(staging: Path, described: Description) -> list[str]:
    """What loading a staged model would import or run because its files say so."""
    flavor = named([described.flavor])
    if described.imports is not None or flavor is None:
        return described.imports or []
    config = described.flavors[flavor.name]
    found = code.imports(config)
    if flavor.imports is None:
        return found
    with tried():  # what reads it may be missing in this process; who loads the model looks anyway
        return found + flavor.imports(staging / described.directory, config)
    return found


def size_of(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def make_private(directory: Path) -> None:
    for path in directory.rglob("*"):
        path.chmod(PRIVATE_DIRECTORY if path.is_dir() else PRIVATE_FILE)
