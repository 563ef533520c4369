"""The functions of `reticent`: start a run, log to the current one, read runs back."""

from __future__ import annotations

import os
import re
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from typing import Any

from reticent import clock, holding, member, ranks, settings, system, workers
from reticent.guard import one_at_a_time, swallowed, warn_once
from reticent.names import random_name
from reticent.process import parent_process
from reticent.records import METRIC, RunStarted, RunStatus
from reticent.resume import read_back
from reticent.run import NOT_FAST, Run, active
from reticent.runlog import RUN_ID
from reticent.session import Session
from reticent.sessions import current
from reticent.surroundings import capture, keep_console

_now = time.time
_pack = METRIC.pack
_LIKE_OURS = re.compile("[0-9a-f]{4,32}")


def configure(**changes: Any) -> None:
    """Change settings of this process, for example `configure(backends=["sqlite"], experiment="churn")`.

    `redact` takes what the table `redact` in reticent.toml may have, and `decide`, a function that is asked for each
    `reticent_redact.Match`; or a `reticent_redact.Policy`. What a table leaves out stays as the file says, and so do
    the policies of backends.

    Raises SettingsError for an unknown setting or a value that is not allowed.
    """
    settings.configure(**changes)


def start_run(
    run_name: str | None = None,
    *,
    run_id: str | None = None,
    experiment: str | None = None,
    nested: bool | None = None,
    parent_run_id: str | None = None,
    tags: Mapping[str, object] | None = None,
) -> Run:
    """Start a run and make it the current one; use it in a `with` block, or end it with `end_run`.

    Inside another run it becomes that run's child, unless `nested=False`; so it does in a thread while the main thread has
    one open, and in a worker process (multiprocessing, concurrent.futures, joblib) of one in which a run is open. `run_id`
    resumes the run with this id, or the only one whose id begins so (4 characters at least); else a new run gets this id.
    Raises SettingsError if a setting is wrong; nothing else.
    """
    run = _rank_0s() or _new_run(run_name, run_id, experiment, nested, parent_run_id)
    run.make_active()
    if tags:
        run.set_tags(tags)
    return run


def _new_run(
    run_name: str | None, run_id: str | None, experiment: str | None, nested: bool | None, parent_run_id: str | None
) -> Run:
    session = current()
    with swallowed("secrets of the environment"):
        session.redactor.know_environment()  # of variables that were set after an earlier run, by `load_dotenv` say
    if parent_run_id is not None and not _is_id(session, parent_run_id):
        warn_once("parent run id", "a parent_run_id must be the id of a run; it is left out")
        parent_run_id = None
    if run_id is not None and not _is_id(session, run_id):
        warn_once(
            "run id", "a run_id may hold letters, digits, '_', '.' and '-', 128 at most; a new id is used instead"
        )
        run_id = None
    run_id = None if run_id is None else _whole(session, run_id)
    if run_id in session.runs:
        return session.runs[str(run_id)]
    if parent_run_id is None and nested is None:
        holding.run_to_join()  # a loop gives way to what comes after it
    outer = active_run()
    if parent_run_id is None and nested is not False:
        parent_run_id, inherited = _enclosing(session)
        experiment = experiment or inherited
        if nested is None and outer is not None and not outer.entered:
            warn_once(
                "run in a run",
                "start_run() was called while another run was open: the new one is its child. "
                "end_run() ends the open one, nested=True says that it is meant",
            )
    earlier = None
    if run_id is not None:
        with swallowed("resuming a run"):
            earlier = read_back(session.run_directory(run_id))
        if earlier is None and _LIKE_OURS.fullmatch(run_id):  # mistyped
            message = f"there is no run {run_id} under {session.root}: a new one is started with this id"
            warn_once("a run's id", session.seal("warning", message))
    name = run_name if run_name is not None else (earlier.started.name if earlier else random_name())
    group = experiment or (earlier.started.experiment if earlier else session.settings.experiment)
    started = RunStarted(
        time=clock.now(after=earlier.last if earlier else 0.0),
        run_id=run_id or uuid.uuid4().hex,
        name=session.seal("run name", name),
        experiment=session.seal("experiment name", group),
        parent_id=earlier.started.parent_id if earlier else parent_run_id,
        resumed=earlier is not None,
    )
    run = Run(session, started, earlier.params if earlier else {})
    _watch_process_end()
    if earlier is None:
        _note_source(run)
    if earlier is None and run.parent_id not in session.begun:
        capture(run._recorder)
    run.kept_console = keep_console(run._recorder, run.run_id)
    with swallowed("metrics of the system"):
        system.watch(session)
    return run


def _enclosing(session: Session) -> tuple[str | None, str | None]:
    """Id and experiment of the run that a new one is started in: here, in the main thread if this one has none, or in the
    process that this is a worker of."""
    outer = active_run() or _of_main_thread(session)
    if outer is None or not outer.owned:
        with swallowed("the run of another process"):
            run_id = workers.open_run(session)
            parent = None if run_id is None else read_back(session.run_directory(run_id))
            if parent is not None:
                return run_id, parent.started.experiment
    return (None, None) if outer is None else (outer.run_id, outer.experiment)


def _of_main_thread(session: Session) -> Run | None:
    """In another thread: the innermost run that the user has opened in the main one. Those of trainings there, and of other
    threads beside this one, are others than what goes on here."""
    main = threading.main_thread().ident
    if threading.get_ident() == main:
        return None
    runs = [one for one in list(session.runs.values()) if one.thread == main and one.holding.by == "user"]
    found = workers.innermost(one for one in runs if one.owned)
    return None if found is None else session.runs.get(found)


def past_run(name: str, parent: Run, start_time: float) -> Run:
    """A child of `parent` for a training that is over and began at `start_time` (epoch seconds); end it by its
    `end(end_time=...)`. It does not become the current run."""
    session = current()
    started = RunStarted(
        time=start_time,
        run_id=uuid.uuid4().hex,
        name=session.seal("run name", name),
        experiment=session.seal("experiment name", parent.experiment),
        parent_id=parent.run_id,
    )
    run = Run(session, started)
    _note_source(run)
    return run


def _note_source(run: Run) -> None:
    if sys.argv and sys.argv[0]:
        run.set_tag("source", os.path.basename(sys.argv[0]))


def _whole(session: Session, run_id: str) -> str:
    """The id of the only run whose id begins so, as everywhere else; otherwise the one that was given."""
    whole = len(run_id) == 32  # of which there may be thousands: they are not looked through
    if whole or not _LIKE_OURS.fullmatch(run_id) or session.run_directory(run_id).is_dir():
        return run_id
    found = [path.name for path in (session.root / "runs").glob(f"{run_id}*")]
    return found[0] if len(found) == 1 and RUN_ID.fullmatch(found[0]) else run_id


def _is_id(session: Session, text: object) -> bool:
    """Whether a text can be the id of a run; a secret can not."""
    return bool(RUN_ID.fullmatch(str(text))) and session.seal("run id", str(text)) == text


def active_run() -> Run | None:
    """The run that the log functions act on here, or None."""
    run = active.get()
    return run if run is not None and run.status is RunStatus.RUNNING else None


def end_run(status: RunStatus | str = RunStatus.FINISHED) -> None:
    """End the current run, if there is one."""
    run = active_run()
    if run is None:
        with swallowed("end_run"):
            run = current().implicit
    if run is not None:
        run.end(status)


def _run() -> Run:
    """The current run; in a thread of its own the process's only open run; else a new one, ended with the process."""
    run = active.get()
    if run is not None and run.status is RunStatus.RUNNING:
        return run
    session = current()
    run = _only_open_run(session)
    if run is not None:
        return run
    if parent_process() is not None:
        return _run_of_worker(session)
    run = _rank_0s()
    if run is not None:
        return run
    with one_at_a_time(session.beginning):
        # Of two threads that log first at once, the second one finds the run of the first.
        return _only_open_run(session) or start_run()


def _only_open_run(session: Session) -> Run | None:
    runs = [run for run in list(session.runs.values()) if run.thread is not None]
    return runs[0] if len(runs) == 1 else None


def _rank_0s() -> Run | None:
    """In a distributed training, on another rank than 0: the run that rank 0 has open, waited for once."""
    if not ranks.follows():
        return None
    with swallowed("the run of rank 0"):
        system.watch(current())
        run = member.of(current(), wait=True)
        if run is None:
            place = current().seal("warning", str(current().root))
            warn_once("the run of rank 0", f"rank 0 has no run open under {place}: this rank logs to one of its own")
        return run
    return None


def _run_of_worker(session: Session) -> Run:
    """A worker process's own run within the one that is open where it was started. Not the current run, as then nothing
    would look, at the next call, whether the worker now works for another."""
    run = session.implicit
    if run is not None and run.status is RunStatus.RUNNING and run.parent_id == workers.open_run(session):
        return run
    with one_at_a_time(session.beginning):
        if session.implicit is not None and session.implicit is not run:
            return session.implicit  # another thread has just begun it
        if run is not None:
            run.end()
        run = session.implicit = _new_run(None, None, None, None, None)
        return run


def log_metric(key: str, value: float, step: int | None = None) -> None:
    """Log one point of a metric to the current run. Without `step` the points of a key are numbered from 0."""
    run = active.get()
    try:
        # What Run.log_metric does, here for the sake of a call that would cost a fifth of all this.
        if value.__class__ is float and step is not None:
            run._log.write_metric(_pack(_now(), step, value, run._keys[key]))  # type: ignore[union-attr] # see NOT_FAST
            return
    except NOT_FAST:
        pass
    with swallowed("log_metric"):
        (run or _run()).log_metric(key, value, step)


def log_param(key: str, value: object) -> None:
    """Log one hyperparameter to the current run."""
    with swallowed("log_param"):
        _run().log_param(key, value)


def log_params(params: Mapping[str, object]) -> None:
    """Log hyperparameters to the current run."""
    with swallowed("log_params"):
        _run().log_params(params)


def log_metrics(metrics: Mapping[str, float], step: int | None = None) -> None:
    """Log one point of several metrics to the current run."""
    with swallowed("log_metrics"):
        _run().log_metrics(metrics, step)


def set_tag(key: str, value: object) -> None:
    """Set a tag of the current run."""
    with swallowed("set_tag"):
        _run().set_tag(key, value)


def set_tags(tags: Mapping[str, object]) -> None:
    """Set tags of the current run."""
    with swallowed("set_tags"):
        _run().set_tags(tags)


def log_artifact(local_path: str | os.PathLike[str], artifact_path: str | None = None) -> None:
    """Log a file or directory, as it is now, to the current run."""
    with swallowed("log_artifact"):
        _run().log_artifact(local_path, artifact_path)


def log_artifacts(local_dir: str | os.PathLike[str], artifact_path: str | None = None) -> None:
    """Log the files in a directory, as they are now, to the current run."""
    with swallowed("log_artifacts"):
        _run().log_artifacts(local_dir, artifact_path)


def log_text(text: str, artifact_file: str) -> None:
    """Log text as an artifact of the current run."""
    with swallowed("log_text"):
        _run().log_text(text, artifact_file)


def log_dict(dictionary: Mapping[str, Any] | list[Any], artifact_file: str) -> None:
    """Log a dictionary or list as a JSON artifact of the current run."""
    with swallowed("log_dict"):
        _run().log_dict(dictionary, artifact_file)


def log_figure(figure: Any, artifact_file: str) -> None:
    """Log a matplotlib or plotly figure as an artifact of the current run."""
    with swallowed("log_figure"):
        _run().log_figure(figure, artifact_file)


def log_model(model: Any, name: str = "model", **options: Any) -> str | None:
    """Log a model to the current run; its URI for `reticent.load_model`. Options as of `Run.log_model`: `input_example=X,
    signature_outputs=model.predict(X)` and others."""
    with swallowed("log_model"):
        return _run().log_model(model, name, **options)
    return None


def flush(timeout: float | None = None) -> bool:
    """Wait until every backend has everything logged so far, at most `timeout` seconds; whether they have it.

    What they have not is kept in the run log and delivered later. The default timeout is the setting `exit_timeout_s`.
    What a courier delivers (`reticent courier`) has been handed over when it is in the run log, and is waited for no
    longer; `reticent.sync()` brings it to the backends here and now.
    """
    with swallowed("flush"):
        return current().flush(timeout)
    return False


def _watch_process_end() -> None:
    with swallowed("watching the end of the process"):
        from reticent.closing import watch

        watch(current().root)
