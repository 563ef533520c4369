"""What follows a snapshot of a model, none of which training waits for: it is finished, sealed and tried."""

from __future__ import annotations

import inspect
from typing import Any

from reticent import clock, registry
from reticent.errors import ReticentError
from reticent.filing import Filing
from reticent.models import description, mlmodel, trial
from reticent.models.description import Description
from reticent.models.finish import finish, prove, size_of
from reticent.models.staging import Snapshot, stage
from reticent.models.trial import Trial
from reticent.recorder import Recorder
from reticent.records import ModelTried
from reticent.runlog import ARTIFACTS, STAGING
from reticent_redact import SealedText

FINISHING = "finishing a model"
MOST_TRIALS = 15
"""So many models may wait to be tried, after a lot of short trainings in a row."""


def known_options(recorder: Recorder, options: dict[str, Any]) -> dict[str, Any]:
    """The options that `stage` knows; of the others the run's health tells, and the model is logged without."""
    known = set(inspect.signature(stage).parameters) - {"directory", "model"}
    unknown = sorted(options.keys() - known)
    if unknown:
        told = ", ".join(sorted(known | {"registered_model_name"}))
        message = f"log_model knows no option {', '.join(unknown)}; it knows {told}"
        recorder.warn("log_model", f"{message}; the model is logged without")
    return {name: value for name, value in options.items() if name in known}


def registered_name(recorder: Recorder, name: object) -> SealedText | None:
    """The name of a registered model, sealed. None, with a warning, for one that cannot be."""
    sealed = recorder.seal("artifact name", name)
    try:
        registry.checked(sealed)
    except ReticentError as error:
        recorder.warn("log_model", f"{error}; the model is logged, and not registered")
        return None
    return sealed


def file_model(filing: Filing, snapshot: Snapshot, path: SealedText, registered: SealedText | None) -> None:
    """Note a snapshot in the log of its run, and have the rest done in the background."""
    session, recorder = filing.recorder.session, filing.recorder
    staging = filing.directory / STAGING / snapshot.token
    staged = filing.note(snapshot.token, path, "model", registered)

    try_bytes = session.settings.try_models_mb * 1e6

    def prove_it() -> None:
        try:
            prove(staging, session.root_key())
        finally:
            session.models.submit(FINISHING, finish_it, recorder.report)

    def finish_it() -> None:
        tried = None
        try:
            tried = finish(session.model_aside, staging, snapshot.flavor, try_bytes)
        finally:
            filing.in_background("sealing a model", lambda: seal_it(tried))

    def seal_it(tried: Trial | None = None) -> None:
        described = description.read(staging)
        if not filing.seal(staged):
            return
        if tried is not None:
            _note(filing, path, tried)
        elif snapshot.flavor.finish is None and may_be_tried():
            published = _mlmodel(filing, path)
            session.trials.submit("trying a model", lambda: _try(filing, described, path, published), recorder.report)

    def may_be_tried() -> bool:
        return session.trials.pending() < MOST_TRIALS and 0 < size_of(filing.directory / ARTIFACTS / path) <= try_bytes

    if snapshot.flavor.finish is None:
        filing.in_background("sealing a model", seal_it)
    else:
        filing.in_background("proving a model", prove_it)  # at once: who comes after a kill finishes what is proven


def _try(filing: Filing, described: Description, path: SealedText, published: bytes) -> None:
    session = filing.recorder.session
    try:
        result = trial.attempt(session.model_aside, str(filing.directory / ARTIFACTS / path), described)
    except OSError:  # no other process can be had, and here it might do anything
        return
    # Else it was cut off, or another model has taken its place: a training that goes on logs its model again.
    if not session.ending and _mlmodel(filing, path) == published:
        _note(filing, path, result)


def _mlmodel(filing: Filing, path: SealedText) -> bytes:
    """What tells a published model from all others; nothing for one that is not there."""
    try:
        return (filing.directory / ARTIFACTS / path / mlmodel.FILE).read_bytes()
    except OSError:
        return b""


def _note(filing: Filing, path: SealedText, tried: Trial) -> None:
    if tried.outcome in ("different", "failed"):
        what = "predicts something else" if tried.outcome == "different" else f"cannot be used ({tried.detail})"
        filing.recorder.warn("trying a model", f"the model {path!r}, loaded again by another process, {what}")
    detail = filing.recorder.seal("warning", tried.detail)
    filing.recorder.append(ModelTried(time=clock.now(), path=path, outcome=tried.outcome, detail=detail))
