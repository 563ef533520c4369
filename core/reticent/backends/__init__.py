"""Backends: where runs are delivered. A backend is a class with three methods, found by the scheme of its URL.

To write one: implement `Backend`, register the class under the entry-point group `reticent.backends` with the scheme of
its URLs as the name, and have its tests inherit `reticent.testing.BackendContract`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from reticent.errors import MissingExtraError, SettingsError
from reticent.files import safe_relative
from reticent.records import Artifact, Entry, MetricBlock, RunStarted


@dataclass(frozen=True, slots=True)
class Target:
    """What the user configured: the backend's URL, and the root that the runs come from."""

    url: str
    root: Path


@dataclass(slots=True)
class Mark:
    """What a backend wants to know again with the next batch of a run, say how long its file is now.

    It is kept together with how far the run has been delivered: if a write fails, or its process dies in it, the same
    records come again with the former mark, and what was appended since can be cut off.
    """

    text: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one run, in the order of the log within each writer.

    `started` is how the run began, also where that came with an earlier batch; None only if its log has lost it.
    """

    run_id: str
    directory: Path
    entries: Sequence[Entry] = ()
    metrics: Sequence[MetricBlock] = ()
    started: RunStarted | None = None
    mark: Mark = field(default_factory=Mark)

    def __len__(self) -> int:
        return len(self.entries) + sum(map(len, self.metrics))

    def file(self, artifact: Artifact) -> Path | None:
        """The sealed file of an artifact; None if one of another size has replaced it since (`sha256` tells for sure).

        Raises ValueError for a path that leaves the run, which only a forged log has.
        """
        path = self.directory / "artifacts" / safe_relative(artifact.path)
        if not path.resolve().is_relative_to(self.directory.resolve()):
            raise ValueError("an artifact's path leads out of its run, by a symbolic link")
        return path if path.is_file() and path.stat().st_size == artifact.size else None


@dataclass(frozen=True, slots=True)
class Rejection:
    """Records that the backend will never take, whatever is tried; the rest of the batch went through."""

    count: int
    reason: str


class UnavailableError(Exception):
    """The backend cannot take records now; `retry_after` is the least wait in seconds that it asked for, infinite if it
    takes nothing more from this process."""

    def __init__(self, reason: str, retry_after: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class RunUnavailableError(UnavailableError):
    """Something of this one run cannot be taken now, say a file; others need not wait for it."""


class Backend(Protocol):
    """May also have an attribute `needs`, the modules that have to be installed for it, which are not imported before
    `open`; and `aliases`, True if it keeps `ModelAlias` records. Where it does not, the run's health counts them."""

    def open(self, target: Target) -> str:
        """Connect, and return a text that names this very store: one that was emptied or replaced has another, and is
        given every run anew."""

    def write(self, batch: Batch) -> Sequence[Rejection]:
        """Store the batch. Any exception means that its records will come again.

        Then, and if the process dies before it has noted that they arrived, a batch comes that begins with the same ones,
        and with the mark that came with this one; it may hold fewer or more. With an empty mark a run comes from its start,
        also one that the store has already: its log was copied, or sealed anew. Each record must then be stored once.
        No two processes write one run of a root to a store at the same time.
        """

    def close(self) -> None: ...


def name_of(url: str) -> str:
    """The backend's name in a URL: `mlflow` of `mlflow+http://host`, `sqlite` of `sqlite`."""
    return url.split(":", 1)[0].split("+", 1)[0]


def refuse_secrets(url: str) -> None:
    """SettingsError if a backend's URL holds a secret: URLs are stored and shown.

    Whatever stands before an `@` is taken for one: a token may stand there alone, and a password may look like a word.
    """
    from reticent_redact import Redactor

    _, _, place = url.partition("://")
    if "@" in re.split("[/?#]", place, maxsplit=1)[0] or Redactor().redact_text(url) != url:
        raise SettingsError(
            f"the URL of backend {name_of(url)!r} holds a password or a token; leave it out: credentials are taken from "
            "the environment, ~/.netrc or the keyring"
        )


def create(url: str) -> Backend:
    """A new, unopened backend for `url`.

    Raises SettingsError for a name that nothing registers, MissingExtraError if what it needs is not installed.
    """
    name = name_of(url)
    if name == "sqlite":  # the default one: no search through all that is installed
        from reticent.backends.sqlite import SqliteBackend

        return SqliteBackend()
    kind = entry_point(url).load()
    if lacking := missing(kind):
        raise MissingExtraError(f"the backend {name} needs {', '.join(lacking)}: {how_to_install(name)}")
    backend: Backend = kind()
    return backend


def missing(kind: type[Backend]) -> list[str]:
    """The modules that a backend needs and that are not installed."""
    return [module for module in getattr(kind, "needs", ()) if not _is_there(module)]


def _is_there(module: str) -> bool:
    try:
        spec = find_spec(module)
        return (
            spec is not None and spec.origin is not None
        )  # else it is only a directory of that name, as users have them
    except ModuleNotFoundError:  # nor is the package that it is in
        return False


def how_to_install(name: str) -> str:
    return f"pip install 'reticent[{name}]'"


def installed() -> dict[str, EntryPoint]:
    """All that is registered, by its name."""
    return {point.name: point for point in entry_points(group="reticent.backends")}


def entry_point(url: str) -> EntryPoint:
    """What is registered for the backend of `url`. SettingsError for a name that nothing registers."""
    known = installed()
    if name_of(url) not in known:
        names = ", ".join(sorted(known))
        raise SettingsError(f"no backend is called {name_of(url)!r}; installed backends: {names}")
    return known[name_of(url)]
