"""The courier: delivers what is logged under its roots to all configured backends, for as long as it runs."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from reticent import couriers, layers, settings
from reticent.backends.credentials import knowing
from reticent.delivery import Arrived, Failed, Lane, end
from reticent.guard import said, tried
from reticent.session import Session
from reticent.settings import Settings


@dataclass(frozen=True, slots=True)
class Stands:
    """How it stands with a root."""

    text: str


class Post:
    """One root's part of the courier, in a thread of its own: a root that hangs or fails is nothing to the others.

    `told` is called with what happens, from several threads.
    """

    def __init__(self, root: Path, told: Callable[[Arrived | Failed | Stands], object]) -> None:
        self.root = root
        self._told = told
        self._lanes: list[Lane] = []
        self._session: Session | None = None
        self._standing = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"reticent-courier-{root.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End with what is being written just now."""
        self._stop.set()

    def join(self, deadline: float) -> bool:
        """Wait for the end until `time.monotonic()` has reached `deadline`; whether it has come."""
        self._thread.join(max(0.0, deadline - time.monotonic()))
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._tend()
            self._stop.wait(couriers.SIGN_S)
        with tried():
            self._leave()

    def _tend(self) -> None:
        """Give a sign of life, and begin what could not be begun before."""
        with tried() as attempt:
            standing = self._tended()
        if attempt.error is not None:  # a wrong setting, a disk that is not there: it is tried again
            standing = knowing().seal(_told(attempt.error), channel="courier")
        if standing != self._standing:
            self._standing = standing
            self._told(Stands(standing))

    def _leave(self) -> None:
        if self._session is not None:
            couriers.withdraw(self.root)  # first: trainings then deliver by themselves
            end(self._lanes, self._session.settings.exit_timeout_s)
            self._session.aside.close()
        self._lanes, self._session = [], None

    def _tended(self) -> str:
        other = couriers.living(self.root)
        if other is not None and not other.is_this_process():
            self._leave()
            return f"another courier serves it (process {other.pid} on {other.host}); takes over if that ends"
        if not self.root.is_dir():
            return "not there yet; made by the first training"
        session = self._session = self._session or Session(settings_of(self.root))
        session.prepare_root()
        if not self._lanes:
            self._lanes += [session.new_sender(url, Lane) for url in session.settings.backends]
            for lane in self._lanes:
                lane.told = self._told
                lane.start(session.settings.deliver_s)
                lane.wake()
        session.close_ended()
        policies = {lane.url: session.policy_towards(lane.url) for lane in self._lanes}
        couriers.announce(self.root, session.host, policies, {one.url: one.error for one in self._lanes if one.error})
        return f"delivers to {', '.join(map(str, policies)) or 'nothing: no backend is configured'}"


def _told(error: Exception) -> str:
    """The same each time that the same is wrong: files that are written have another name each time."""
    if isinstance(error, OSError) and error.strerror:
        return f"{type(error).__name__}: {error.strerror}"
    return said(error)


def settings_of(root: Path) -> Settings:
    """The settings of the project that a root belongs to; where that has none, those of the directory that we are in."""
    start = root.parent if layers.files(root.parent) else Path.cwd()
    return msgspec.structs.replace(settings.load(start, os.environ, layers.configured).settings, dir=str(root))
