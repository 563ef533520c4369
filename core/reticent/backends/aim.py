"""Aim: runs in a repository (`.aim`) on this machine, written by Aim's own package.

A run's hash in Aim is its id here. Params are `run["hparams"]`, tags, status and what else Aim has no place for
`run["reticent"]`; name, experiment and times are Aim's own. Files lie in `.aim/artifacts/<run_id>/`, where the run's page
has them. Aim keeps one value of a metric for a step, so that a point which comes again takes its own place.

The URL is `aim`, for a repository in `<root>/aim`, or `aim:///directory`, the one that has `.aim` in it.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from reticent.backends import Batch, Rejection, Target, UnavailableError
from reticent.backends.local import identity, keep_artifact
from reticent.backends.typed import typed
from reticent.files import inside, make_directory
from reticent.records import (
    Artifact,
    ArtifactRemoved,
    Dataset,
    Model,
    Param,
    Reference,
    RunEnded,
    RunStarted,
    SealedRecord,
    Tag,
    is_under,
)

_PARAMS, _OURS = "hparams", "reticent"
_UNNAMED = "(empty)"
"""In place of a name without a character, which makes Aim unable to open the run."""


class AimBackend:
    needs = ("aim",)

    def open(self, target: Target) -> str:
        try:
            from aim import Repo
        except (
            RuntimeError
        ) as error:  # it imports pools of threads, which Python refuses once the main thread has ended
            raise UnavailableError("Aim cannot be imported while the process ends", math.inf) from error
        _, _, path = target.url.partition("://")
        directory = Path(path).expanduser() if path else target.root / "aim"
        make_directory(directory)
        self._repo = Repo.from_path(str(directory), init=not Repo.exists(str(directory)))
        self._directory = Path(self._repo.path)
        return identity(self._directory)

    def write(self, batch: Batch) -> Sequence[Rejection]:
        files = inside(self._directory / "artifacts", batch.run_id)
        if not batch.mark.text:
            self._forget(batch.run_id, files)
        run = self._opened(batch)
        try:
            if run.artifacts_uri is None:
                run.set_artifacts_uri(f"file://{files.parent}")
            for entry in batch.entries:
                keep_artifact(batch, entry.record, files)
                _store(run, entry.record)
            for block in batch.metrics:
                for one in block:  # as Aim's own converters do it: `track` would take the present time
                    run._tracker._track(one.value, one.time, one.key or _UNNAMED, one.step)
        finally:
            ended = run[_OURS].get("ended")
            run.close()  # takes the present time for the run's end
            self._meta(batch.run_id)["end_time"] = ended
        batch.mark.text = "stored"
        return ()

    def close(self) -> None:
        del self._repo

    def _opened(self, batch: Batch) -> Any:
        from aim import Run

        started = batch.started
        # Aim gives hashes of its own to new runs; with a place for its data, one is not new.
        chunk = self._directory / "meta" / "chunks" / batch.run_id
        if not chunk.exists():
            make_directory(chunk)
            self._repo._all_run_hashes.cache_clear()
        begun = None if started is None else datetime.fromtimestamp(started.time, timezone.utc).replace(tzinfo=None)
        self._repo.request_props(batch.run_id, read_only=False, created_at=begun)
        run = Run(batch.run_id, repo=self._repo, system_tracking_interval=None, capture_terminal_logs=False)
        if run.get(_OURS) is None:
            run[_OURS] = {"status": "RUNNING"}
            if started is not None:
                _store(run, started)
        return run

    def _meta(self, run_id: str) -> Any:
        """What Aim knows of a run that is not open."""
        tree = self._repo.request_tree("meta", run_id, read_only=False)
        return tree.subtree(("meta", "chunks", run_id))

    def _forget(self, run_id: str, files: Path) -> None:
        """Remove a run that now comes from its start."""
        if self._repo.run_exists(run_id) and not self._repo.delete_run(run_id):
            raise UnavailableError("Aim does not let go of a run that is to be written anew; is it open elsewhere?")
        shutil.rmtree(files, ignore_errors=True)


def _store(run: Any, record: SealedRecord) -> None:
    if isinstance(record, Param):
        value = typed(record.value)
        run[_PARAMS, record.key or _UNNAMED] = value if _fits(value) else record.value
    elif isinstance(record, Tag):
        run[_OURS, "tags", record.key or _UNNAMED] = record.value
    elif isinstance(record, RunStarted):
        run.name, run.experiment = record.name, record.experiment
        run[_OURS, "parent_id"] = record.parent_id
        run[_OURS, "status"], run[_OURS, "ended"] = "RUNNING", None
    elif isinstance(record, RunEnded):
        run[_OURS, "status"], run[_OURS, "ended"] = record.status.value, record.time
        run[_OURS, "error"] = record.error
    elif isinstance(record, Dataset):
        told = {"context": record.context, "digest": record.digest, "source": record.source}
        run[_OURS, "datasets", record.name or _UNNAMED] = told
    elif isinstance(record, Reference):
        run[_OURS, "references", record.path] = record.location
    elif isinstance(record, Model):
        run[_OURS, "models", record.path] = record.flavor
    elif isinstance(record, Artifact):
        from aim.sdk.objects.artifact import Artifact as Kept

        place = f"{run.artifacts_uri}/{record.path}".removeprefix("file://")
        run.meta_run_tree.subtree("artifacts")[record.path] = Kept(place, uri=run.artifacts_uri, name=record.path)
    elif isinstance(record, ArtifactRemoved):
        kept = run.meta_run_tree.subtree("artifacts")
        for path in [path for path in run.artifacts if is_under(path, record.path)]:
            del kept[path]


def _fits(value: object) -> bool:
    """Whether Aim keeps a param as it is: integers have 64 bits there."""
    if isinstance(value, dict):
        return all(key and _fits(inner) for key, inner in value.items())
    if isinstance(value, list):
        return all(map(_fits, value))
    return not isinstance(value, int) or -(1 << 63) <= value < 1 << 63
