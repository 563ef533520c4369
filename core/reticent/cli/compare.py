"""`reticent compare`: runs side by side. Only what differs is shown of params, everything of metrics."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.text import Text

from reticent.backends.sqlite.query import StoredRun
from reticent.cli import render

ABSENT = "·"


def compare_runs(run_ids: Sequence[str], as_json: bool) -> None:
    from reticent.store import get_run

    runs = [get_run(run_id) for run_id in run_ids]
    params = differing_params(runs)
    metrics = sorted(set().union(*[run.metrics for run in runs]))
    if as_json:
        render.dump(
            {
                "runs": [{"run_id": run.run_id, "name": run.name, "status": run.status.value} for run in runs],
                "params": {key: [run.params.get(key) for run in runs] for key in params},
                "metrics": {key: [run.metrics.get(key) for run in runs] for key in metrics},
            }
        )
        return
    out = render.console()
    table = render.table("", *[""] * len(runs), "", right=range(1, len(runs) + 2))
    table.add_row("", *[render.literal(run.name, render.HEAD, limit=24) for run in runs])
    table.add_row("", *[Text(render.short(run.run_id), style=render.DIM) for run in runs])
    table.add_row("", *[render.status(run.status) for run in runs])
    table.add_row("", *[Text(render.duration(run.duration_s), style=render.DIM) for run in runs])
    alike = len(set().union(*[run.params for run in runs])) - len(params)
    table.add_row()
    note = Text(f"{alike} alike" if alike else "", style=render.DIM)
    table.add_row(Text("Params", style=render.HEAD), *[""] * len(runs), note)
    for key in params:
        table.add_row(
            Text("  ").append_text(render.literal(key, limit=40)),
            *[render.literal(run.params.get(key, ABSENT), limit=40) for run in runs],
        )
    table.add_row()
    heading = "difference" if len(runs) == 2 else "spread"
    table.add_row(Text("Metrics", style=render.HEAD), *[""] * len(runs), Text(heading, style=render.DIM))
    for key in metrics:
        values = [run.metrics.get(key) for run in runs]
        winner = best(key, values)
        name = Text("  ").append_text(render.literal(key, limit=40))
        table.add_row(name, *[_cell(value, winner) for value in values], Text(difference(values), style=render.DIM))
    out.print(render.Block(table))


def _cell(value: float | None, winner: float | None) -> Text:
    if value is None:
        return Text(ABSENT, style=render.DIM)
    return Text(render.number(value), style=render.GOOD if value == winner else "")


def differing_params(runs: Sequence[StoredRun]) -> list[str]:
    keys = sorted(set().union(*[run.params for run in runs]))
    return [key for key in keys if len({run.params.get(key) for run in runs}) > 1]


def best(key: str, values: Sequence[float | None]) -> float | None:
    """The best value if the metric's name says which is better, and they are not all the same."""
    finite = [value for value in values if value is not None and math.isfinite(value)]
    wanted = render.direction(key)
    if wanted is None or len(set(finite)) < 2:
        return None
    return max(finite) if wanted == "higher" else min(finite)


def difference(values: Sequence[float | None]) -> str:
    """The second minus the first, with the change in percent; of more runs, the largest minus the smallest."""
    finite = [value for value in values if value is not None and math.isfinite(value)]
    if len(finite) < 2 or len(finite) < len(values) == 2:
        return ""
    if len(values) > 2:
        return render.number(max(finite) - min(finite))
    first, second = finite
    change = second - first
    text = f"{'+' if change > 0 else ''}{render.number(change)}"
    return f"{text} ({change / abs(first):+.1%})" if first and change else text
