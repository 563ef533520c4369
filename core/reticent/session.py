"""What one process holds while it logs: its settings, its redactor, its open runs, its threads."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from reticent import couriers, workers
from reticent import settings as settings_module
from reticent.aside import Aside
from reticent.backends import name_of
from reticent.backends.credentials import knowing
from reticent.background import Background
from reticent.delivery import Sender, Stricter
from reticent.files import make_directory, write_first, write_private
from reticent.process import renew_sigterm_mark
from reticent.records import Delivery
from reticent.recovery import recover
from reticent.redaction import digest
from reticent.runlog import LogWriter
from reticent.settings import Settings
from reticent.spool import Budget
from reticent_redact import Redactor, Report, SealedText

if TYPE_CHECKING:
    from reticent.recorder import Recorder
    from reticent.run import Run

Kind = TypeVar("Kind", bound=Sender)


PICTURES_S = 1.0
"""So long a picture waits to be drawn: a process that ends sooner starts no other one for it."""
MODELS_S = 10.0
"""And a model to be finished or tried, for which another process has to import the framework."""
CHECKPOINTS_S = 10.0
"""And a checkpoint to be sealed: one that a newer one takes the place of in this time is not sealed at all."""


class Session:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.root = settings_module.root(settings)
        self.redactor = Redactor(settings.policies.base)
        self.redactor.know_process()
        for key in settings.policies.hash_keys():
            self.redactor.register(key)
        self.host = self.seal("host", socket.gethostname())
        self.runs: dict[str, Run] = {}
        """The runs of this process that have not ended."""
        self.inherited: list[Run] = []
        """Those that were open where this process was forked from; they end there."""
        self.begun: set[str] = set()
        """The ids of all runs of this process, those that have ended too."""
        self.implicit: Run | None = None
        """In a worker process: the run of what is logged there outside of any run."""
        self.shown: str | None = None
        """The open run that worker processes of this one are shown."""
        self.showing = threading.RLock()
        """While `shown` changes."""
        self.beginning = threading.RLock()
        """While a run begins that nobody has asked for by name."""
        self.writers: dict[str, LogWriter] = {}
        """The open log writers by run id, ended runs with work in the background included."""
        self.losing: dict[str, Recorder] = {}
        """The runs that have lost records and could not say so in their logs."""
        self.background = Background(self._sync, min(settings.disk_sync_s, 10.0))
        self.pictures = Background(lambda: None, 3600.0, PICTURES_S)
        """Drawing pictures, by `aside`."""
        self.aside = Aside()
        self.checkpoints = Background(lambda: None, 3600.0, CHECKPOINTS_S)
        """Passing checkpoints on to `background`, which seals them."""
        self.models = Background(lambda: None, 3600.0, MODELS_S)
        """Finishing models, by `model_aside`, which has their frameworks imported."""
        self.trials = Background(lambda: None, 3600.0, MODELS_S)
        """Trying models that are published, by the same. The end of the process does not wait for it."""
        self.model_aside = Aside()
        self.ending = False
        self.working: Callable[[str, int, int], object] = lambda *_: None
        """Told what somebody who reads is waiting for, how much of it is done, and of how much."""
        self._senders: dict[str, Sender] = {}
        self._budget = Budget(self)
        self._recovering: dict[str, threading.Lock] = {}
        self._prepared = False
        self._key: bytes | None = None

    def seal(self, channel: str, value: object, key: str = "", report: Report | None = None) -> SealedText:
        return self.redactor.seal(value, channel=channel, key=key, report=report)

    def seal_error(self, text: str) -> SealedText:
        """Seal what a backend says. What was sent to one is hidden there, and not made known to be secret everywhere: two
        processes with the same environment know the same."""
        redactor = knowing(self.settings.policies.base)
        redactor.inherit(self.redactor)
        return redactor.seal(text, channel="backend error")

    def known_secrets(self) -> str:
        """A keyed digest of what is known to be secret in this process."""
        return self.redactor.known.digest(self.root_key())

    @cached_property
    def policy(self) -> str:
        """A keyed digest of the policy that this process seals by; "" if it cannot be compared with that of another."""
        return digest(self.redactor.policy, self.root_key())

    def root_key(self) -> bytes:
        """The key for digests, which stays under the root and leaves it with no run."""
        if self._key is None:
            self.prepare_root()
            write_first(self.root / "key", os.urandom(32))
            self._key = (self.root / "key").read_bytes()
        return self._key

    def prepare_root(self) -> None:
        """Make the root directory, hidden from git. OSError if that cannot be done."""
        if not self._prepared:
            make_directory(self.root / "runs")
            if not (self.root / ".gitignore").exists():
                write_private(self.root / ".gitignore", b"*\n")
            self._prepared = True

    def run_directory(self, run_id: str) -> Path:
        return self.root / "runs" / run_id

    def log_writer(self, run_id: str) -> LogWriter:
        """This process's writer of a run's log."""
        writer = self.writers.get(run_id)
        if writer is None:
            writer = LogWriter(self.run_directory(run_id), self.host)
            self._budget.apply(writer)
            writer = self.writers.setdefault(run_id, writer)  # another thread may have been first
        return writer

    def reopened(self, run_id: str, writer: LogWriter) -> None:
        """Have a record that came after the end of its run delivered, and the writer closed again."""
        self.writers[run_id] = writer
        self.follow(run_id)

    def follow(self, run_id: str) -> None:
        """Have every configured backend follow this run's log."""
        self.background.start()
        for url in self.settings.backends:
            self.sender(url).follow(run_id)
        self.delivering()

    def sender(self, url: str) -> Sender:
        sender = self._senders.get(url)
        if sender is None:
            sender = self._senders.setdefault(url, self.new_sender(url, Sender))  # likewise
        return sender

    def new_sender(self, url: str, kind: type[Kind]) -> Kind:
        return kind(
            url,
            self.root,
            self.settings.batch_records,
            seal=self.seal_error,
            prepare=self._recover,
            completed=self._note_delivery,
            stricter=self._stricter(name_of(url)),
        )

    def _stricter(self, backend: str) -> Stricter | None:
        policies = self.settings.policies
        return Stricter(Redactor(policies.of(backend)), self.redactor) if backend in policies.own else None

    def senders(self) -> list[Sender]:
        """The senders of the configured backends."""
        return [self.sender(url) for url in self.settings.backends]

    def delivering(self) -> list[Sender]:
        """The senders that are for this process to run, at work if there is any. The others rest: a courier delivers."""
        served = self._served()
        for url in self.settings.backends:
            sender = self.sender(url)
            if url in served:
                sender.stop()
            elif sender.pending():
                with suppress(
                    RuntimeError
                ):  # of Python 3.12.0 and 3.12.1, which start no thread at the end of a process
                    sender.start(self.settings.deliver_s)
        return [sender for sender in self.senders() if sender.url not in served]

    def _served(self) -> set[str]:
        """The URLs of the backends that a living courier delivers to, not less strictly than is said here."""
        found = couriers.living(self.root)
        if found is None:
            return set()
        return {
            url
            for url in found.backends.keys() & set(self.settings.backends)
            if name_of(url) not in self.settings.policies.own or found.backends[url] == self.policy_towards(url) != ""
        }

    def policy_towards(self, url: str) -> str:
        """A keyed digest of the stricter policy for a backend; "" if there is none, or none that can be compared."""
        policies, name = self.settings.policies, name_of(url)
        return digest(policies.of(name), self.root_key()) if name in policies.own else ""

    def flush(self, timeout: float | None) -> bool:
        """Wait until background work is done and every backend has everything; False if the time did not suffice."""
        deadline = time.monotonic() + (self.settings.exit_timeout_s if timeout is None else timeout)
        done = self.work_done(deadline)
        self.close_ended()
        senders = self.delivering()
        for sender in senders:  # all at once: one that is slow may take the whole time
            sender.wake()
        results = [sender.flush(deadline) for sender in senders]
        return done and all(results)

    def work_done(self, deadline: float) -> bool:
        """Wait until nothing is left to do in the background; whether that came in time."""
        queues = [*self._must_be_done(), *([] if self.ending else [self.trials])]
        # Of what is made aside, each file is sealed in the background, and what was sealed is tried.
        while any(queue.pending() for queue in queues):
            for queue in queues:
                queue.hurry()
            if not all(queue.wait(deadline) for queue in queues):
                return False
        return True

    def take_back(self) -> None:
        """At the end of the process: the models that another process was to finish are finished here, and not tried.

        Pictures are not drawn here: compiled code that comes back into an interpreter that ends aborts the process, and the
        child can be given up.
        """
        self.ending = True
        self.trials.drop()
        self.model_aside.take_back()

    def work_here_done(self, deadline: float) -> None:
        """Wait for the picture and the model that this process works on itself, and for no picture that the child draws."""
        self.aside.end()
        self.pictures.wait(deadline)
        if not self.model_aside.is_calling():
            self.models.wait(deadline)

    def working_on(self) -> int:
        """How many jobs are not done."""
        return sum(queue.pending() for queue in self._must_be_done())

    def is_unused(self) -> bool:
        """Whether nothing has come of it that its end would have to see to: no run, no work, no loss."""
        return not self.losing and not any(queue.is_used() for queue in self._must_be_done())

    def _must_be_done(self) -> tuple[Background, ...]:
        return (self.checkpoints, self.background, self.pictures, self.models)

    def close_ended(self) -> None:
        """Close the log writers of runs that have ended; a late record had opened them again."""
        if not self.background.pending():
            for run_id, writer in list(self.writers.items()):
                if run_id not in self.runs:
                    with suppress(OSError):  # a full disk: the writer's process, once gone, closes it as well
                        writer.close()
                    if not any(run_id in one.pending() for one in list(self._senders.values()) if not one.stopped):
                        self.writers.pop(run_id, None)

    def _recover(self, run_id: str) -> None:
        with self._recovering.setdefault(run_id, threading.Lock()):  # the next sender finds it done
            recover(self, run_id)
        self._recovering.pop(run_id, None)

    def _note_delivery(self, run_id: str, delivery: Delivery) -> None:
        with suppress(OSError):  # a full disk: the progress file still knows
            writer = self.log_writer(run_id)
            writer.append(delivery)
            if run_id not in self.runs:
                writer.close()

    def _sync(self) -> None:
        for writer in list(self.writers.values()):
            with suppress(OSError):  # a disk that refuses now is met again by the next record
                writer.sync()
        with suppress(OSError):
            renew_sigterm_mark()
        with suppress(OSError):
            self._budget.keep()
        workers.end_left_run(self)
        self.close_ended()
        if any(sender.pending() for sender in list(self._senders.values())):
            self.delivering()  # a courier may have come, or died
