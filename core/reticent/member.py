"""Distributed training: one run for all ranks. Rank 0 logs as if it were alone; what the others log goes into its run, under
`rank_<n>/`, in files of their own.

Rank 0 leaves a note under the root by which the other ranks of its job find the run that it has open. They never wait for
each other here, and nothing is sent between them.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from reticent import deferred, workers
from reticent.files import read_note, write_private
from reticent.process import ProcessIdentity, identity_of, this_process
from reticent.ranks import rank, step_times
from reticent.records import RunStarted, RunStatus
from reticent.resume import read_back
from reticent.run import Origin, Run

if TYPE_CHECKING:
    from reticent.pictures import Draw
    from reticent.session import Session

FIND_S = 5.0
"""How long a call of the user's on another rank may wait, once, for rank 0 to open its run."""


def show(session: Session, opened: bool) -> None:
    """On rank 0: let the other ranks of the job find this process while it has a run open. Raises OSError."""
    if rank() != 0:
        return
    me = this_process()
    for key in _job_keys():
        path = session.root / "open" / _note(key)
        if opened:
            write_private(path, f"{me.machine}\n{me.pid}\n{me.started}".encode())
        else:
            path.unlink(missing_ok=True)


_patience_s = FIND_S
_found = False
"""Whether rank 0 ever had a run open."""


def of(session: Session, wait: bool = False) -> Member | None:
    """On another rank: what to log to, in the run that rank 0 has open now; None if it has none.

    With `wait`, the first time that it has none is waited for, a few seconds at most.
    """
    global _patience_s, _found
    number = rank()
    if not number:
        return None
    deadline = time.monotonic() + (_patience_s if wait else 0.0)
    while True:
        for leader in _leaders(session):
            run_id = workers.run_shown_by(session, leader)
            if run_id is not None:
                _found = True
                return _member(session, run_id, number)
        if time.monotonic() >= deadline:
            _patience_s = 0.0 if wait else _patience_s
            return None
        time.sleep(0.05)


def alone(session: Session) -> str | None:
    """At the end of another rank: what there is to say if no run of rank 0 was ever seen."""
    if _found or not rank():
        return None
    return session.seal(
        "warning",
        f"this process is rank {rank()} of a distributed training (RANK, WORLD_SIZE, MASTER_ADDR), so that rank 0 logs "
        f"for it, but no run of rank 0 was seen under {session.root}: its trainings were not captured",
    )


def of_rank(run: Run, metrics: Mapping[str, float]) -> dict[str, float]:
    """Metrics under the names that tell which rank they are of."""
    prefix = "" if isinstance(run, Member) else "rank_0/"
    return {f"{prefix}{name}": value for name, value in metrics.items()}


class Member(Run):
    """The run of rank 0, for another rank: its names begin with `rank_<n>/`, and it neither begins nor ends the run."""

    def __init__(self, session: Session, started: RunStarted, number: int) -> None:
        self._prefix = f"rank_{number}/"
        super().__init__(session, started)
        self._keys: dict[str, int] = {}
        """Empty: the fast path knows no prefix."""

    def _begin(self, started: RunStarted) -> None:
        """Rank 0 has told."""

    def log_params(self, params: Mapping[str, object], origin: Origin | None = None) -> None:
        super().log_params({f"{self._prefix}{key}": value for key, value in params.items()}, origin)

    def log_metric(self, key: str, value: float, step: int | None = None) -> None:
        self._log_metric(f"{self._prefix}{key}", value, step)

    def set_tags(self, tags: Mapping[str, object]) -> None:
        super().set_tags({f"{self._prefix}{key}": value for key, value in tags.items()})

    def log_artifact(self, local_path: str | os.PathLike[str], artifact_path: str | None = None) -> None:
        super().log_artifact(local_path, f"{self._prefix}{artifact_path or ''}")

    def log_artifacts(self, local_dir: str | os.PathLike[str], artifact_path: str | None = None) -> None:
        super().log_artifacts(local_dir, f"{self._prefix}{artifact_path or ''}")

    def log_artifact_as(self, local_path: str | os.PathLike[str], artifact_file: str) -> bool:
        return super().log_artifact_as(local_path, f"{self._prefix}{artifact_file}")

    def log_checkpoint_as(self, local_path: str | os.PathLike[str], artifact_file: str) -> bool:
        return super().log_checkpoint_as(local_path, f"{self._prefix}{artifact_file}")

    def remove_artifact(self, artifact_file: str) -> None:
        super().remove_artifact(f"{self._prefix}{artifact_file}")

    def log_text(self, text: str, artifact_file: str) -> None:
        super().log_text(text, f"{self._prefix}{artifact_file}")

    def log_dict(self, dictionary: Mapping[str, Any] | list[Any], artifact_file: str) -> None:
        super().log_dict(dictionary, f"{self._prefix}{artifact_file}")

    def log_figure(self, figure: Any, artifact_file: str) -> None:
        super().log_figure(figure, f"{self._prefix}{artifact_file}")

    def log_picture(self, draw: Draw, data: Mapping[str, Any], artifact_file: str) -> None:
        super().log_picture(draw, data, f"{self._prefix}{artifact_file}")

    def log_model(self, model: Any, name: str = "model", **options: Any) -> str | None:
        return super().log_model(model, f"{self._prefix}{name}", **options)

    def log_dataset(self, name: str, context: str, **told: Any) -> None:
        super().log_dataset(f"{self._prefix}{name}", context, **told)

    def end(
        self,
        status: RunStatus | str = RunStatus.FINISHED,  # noqa: ARG002 - the run ends as rank 0 says
        error: BaseException | None = None,  # noqa: ARG002
        end_time: float | None = None,  # noqa: ARG002
    ) -> None:
        if self.status is RunStatus.RUNNING and self.owned:
            self.log_metrics(step_times.stop())
            with self.guard("a metric on a device"):
                self._deferred.settle(time.monotonic() + deferred.END_S)
            self._leave(RunStatus.FINISHED)


def _member(session: Session, run_id: str, number: int) -> Member | None:
    known = session.runs.get(run_id)
    if isinstance(known, Member):
        return known
    for run in list(session.runs.values()):
        if isinstance(run, Member):  # of the training before
            run.end()
    earlier = read_back(session.run_directory(run_id))
    return None if earlier is None else Member(session, earlier.started, number)


def _job_keys() -> Iterator[str]:
    """What only the ranks of one job have in common: the process that started them, or the job of a cluster."""
    told = os.environ
    address = f"{told.get('MASTER_ADDR')}:{told.get('MASTER_PORT')}"
    launcher = identity_of(os.getppid())
    if launcher is not None:
        yield f"launcher {launcher.machine} {launcher.pid} {launcher.started:.1f} {address}"
    for variable in ("SLURM_JOB_ID", "TORCHELASTIC_RUN_ID", "PBS_JOBID", "LSB_JOBID"):
        if told.get(variable, "none") not in ("", "none"):
            yield f"{variable} {told[variable]} {address} {told.get('TORCHELASTIC_RESTART_COUNT', '')}"


def _leaders(session: Session) -> Iterator[ProcessIdentity]:
    """The processes that may be rank 0."""
    launcher = identity_of(os.getppid())
    if launcher is not None:  # Lightning's rank 0 starts the others
        yield launcher
    for key in _job_keys():
        with suppress(OSError, ValueError):
            machine, pid, started = read_note(session.root / "open" / _note(key)).decode().split("\n")
            yield ProcessIdentity("", machine, int(pid), float(started))


def _note(key: str) -> str:
    return f"rank-0-{hashlib.blake2b(key.encode(), digest_size=12).hexdigest()}"
