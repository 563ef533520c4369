"""`reticent models list`: the models of all runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

from reticent.backends.sqlite.stored import StoredRun
from reticent.cli import render
from reticent.cli.waiting import progress_shown
from reticent.records import Model, ModelTried


@dataclass(frozen=True, slots=True)
class Logged:
    run: StoredRun
    model: Model
    tried: ModelTried | None

    @property
    def uri(self) -> str:
        return f"runs:/{self.run.run_id}/{self.model.path}"


def list_models(experiments: Sequence[str], as_json: bool) -> None:
    from reticent.store import search_runs

    with progress_shown():
        runs = search_runs(max_results=None, experiments=experiments or None)
        logged = [one for run in runs for one in models_of(run)]
    logged.sort(key=lambda one: one.model.time, reverse=True)
    if as_json:
        render.dump([_as_json(one) for one in logged])
        return
    out = render.console(kind=render.Cutting)
    if not logged:
        out.print(
            Text("No run has a model; run.log_model(model) gives it one, autologging does so by itself.", render.DIM)
        )
        return
    table = render.table("uri", "flavor", "size", "tried", "time", "run", right=(2,), firm=(3, 4))
    for one in logged:
        table.add_row(
            render.literal(one.uri),
            render.literal(one.model.flavor),
            render.size(one.model.size),
            outcome(one.tried),
            Text(render.ago(one.model.time), render.DIM),
            render.literal(one.run.name, limit=40),
        )
    out.print(render.Block(table))


def models_of(run: StoredRun) -> list[Logged]:
    """The models of a run, of each name the newest, which is the one that is there."""
    tried = {one.path: one for one in run.tried_models()}
    newest = {model.path: model for model in run.models()}
    return [Logged(run, model, _of(model, tried.get(model.path))) for model in newest.values()]


def _of(model: Model, tried: ModelTried | None) -> ModelTried | None:
    """What came of trying a model, unless that was an earlier one of this name."""
    return tried if tried is not None and tried.time >= model.time else None


def outcome(tried: ModelTried | None) -> Text:
    """What came of it that another process loaded the model."""
    if tried is None:
        return Text("no", render.DIM)
    unsure = {"different": render.FAIR, "undefined": render.FAIR}
    colour = {"equal": render.GOOD, "loaded": render.GOOD, "failed": render.BAD, **unsure}
    return Text(tried.outcome, colour[tried.outcome])


def tried_json(tried: ModelTried | None) -> dict[str, str] | None:
    return None if tried is None else {"outcome": tried.outcome, "detail": tried.detail}


def _as_json(one: Logged) -> dict[str, object]:
    return {
        "uri": one.uri,
        "run_id": one.run.run_id,
        "run_name": one.run.name,
        "experiment": one.run.experiment,
        "path": one.model.path,
        "flavor": one.model.flavor,
        "size": one.model.size,
        "time": render.iso(one.model.time),
        "tried": tried_json(one.tried),
    }
