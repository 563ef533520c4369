"""`reticent courier`: what it prints, and what `reticent doctor` says of it."""

from __future__ import annotations

import queue
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from reticent import couriers, settings
from reticent.backends import name_of
from reticent.cli import render
from reticent.cli.finding import Finding
from reticent.cli.watch import TICK_S, line, until_stopped
from reticent.courier import Post, Stands
from reticent.delivery import Arrived, Failed
from reticent.settings import Settings

MOST_WAIT_S = 60.0


def serve(roots: Sequence[Path] | None) -> None:
    """Serve these roots, or the project's, and print a line for each run that has arrived whole, and for what fails."""
    chosen = settings.current().settings
    places = dict.fromkeys(path.expanduser().absolute() for path in roots or [settings.root(chosen)])
    told: queue.SimpleQueue[tuple[Path, Arrived | Failed | Stands]] = queue.SimpleQueue()
    lines = _Lines(told, len(places) > 1)
    posts = [Post(place, partial(_put, told, place)) for place in places]
    with until_stopped() as stopped:
        for post in posts:
            post.start()
        while not stopped():
            time.sleep(TICK_S)
            lines.print()
        for post in posts:
            post.stop()
        deadline = time.monotonic() + min(chosen.exit_timeout_s + 1.0, MOST_WAIT_S)
        left = [str(post.root) for post in posts if not post.join(deadline)]
    lines.print()
    lines.say(f"stopped; under way still in {', '.join(left)}, which comes again" if left else "stopped")


def _put(
    told: queue.SimpleQueue[tuple[Path, Arrived | Failed | Stands]], root: Path, event: Arrived | Failed | Stands
) -> None:
    told.put((root, event))


class _Lines:
    def __init__(self, told: queue.SimpleQueue[tuple[Path, Arrived | Failed | Stands]], several: bool) -> None:
        self._told = told
        self._several = several
        self._out = render.console()
        self._records: Counter[tuple[Path, str, str]] = Counter()
        """What has arrived of runs that go on, by root, backend and run."""

    def print(self) -> None:
        with suppress(queue.Empty):
            while True:
                root, event = self._told.get_nowait()
                self._event(root, event)

    def say(self, text: str) -> None:
        self._out.print(render.literal(f"{render.clock(time.time())}  {text}"), soft_wrap=True)
        self._out.file.flush()

    def _event(self, root: Path, event: Arrived | Failed | Stands) -> None:
        if isinstance(event, Stands):
            self.say(f"{root}  {event.text}")
            return
        if isinstance(event, Arrived):
            key = root, event.backend, event.run_id
            self._records[key] += event.records
            if not event.complete:
                return
            event = Arrived(event.backend, event.run_id, self._records.pop(key), True)
        self._out.print(line(event, *([str(root)] if self._several else [])), soft_wrap=True)
        self._out.file.flush()


def finding(root: Path, chosen: Settings) -> Iterator[Finding]:
    """How the courier of a root is, if one has ever been here."""
    announced = couriers.announced(root)
    if announced is None:
        return
    who = f"process {announced.pid} on {announced.host}"
    if couriers.living(root) is None:
        yield Finding("fair", "courier", who, "has vanished; trainings deliver by themselves, or start it again")
        return
    unserved = [name_of(url) for url in chosen.backends if url not in announced.backends]
    wrong = [f"{name_of(url)}: {error}" for url, error in announced.errors.items()]
    wrong += [f"does not deliver to {', '.join(unserved)}: it has other settings"] if unserved else []
    names = ", ".join(name_of(url) for url in announced.backends)
    yield Finding("fair" if wrong else "good", "courier", who, "; ".join(wrong) or f"delivers to {names}")
