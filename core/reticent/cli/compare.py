"""`reticent compare`: runs side by side. Only what differs is shown of params, everything of metrics."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.text import Text

from reticent.backends.sqlite.stored import StoredRun
from reticent.cli import render
from reticent.cli.waiting import progress_shown

KEY, VALUE = 40, 40
"""The most characters of a key and of a value, where there is an edge."""


def compare_runs(run_ids: Sequence[str], everything: bool, as_json: bool) -> None:
    from reticent.store import get_run

    with progress_shown():
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
    out = render.of_a_run(everything)
    telling = [key for key in params if everything or not render.on_terminal(out) or _telling(key, runs)]
    differences = {key: difference([run.metrics.get(key) for run in runs]) for key in metrics}
    keys = each = None
    if out.width < render.PIPED_WIDTH:
        keys = min(KEY, max(map(len, [*telling, *metrics, "Metrics"])) + 2)
        last = max(map(len, [*differences.values(), "difference"]))
        each = max(10, min(VALUE, (out.width - keys - 2 - last) // len(runs) - 2))
    table = render.table("", *[""] * len(runs), "", right=range(1, len(runs) + 2), firm=(0,))
    table.add_row("", *[render.literal(run.name, render.HEAD, limit=each) for run in runs])
    table.add_row("", *[Text(render.short(run.run_id), style=render.DIM) for run in runs])
    table.add_row("", *[render.status(run.status) for run in runs])
    table.add_row("", *[Text(render.duration(run.duration_s), style=render.DIM) for run in runs])
    table.add_row()
    alike = len(set().union(*[run.params for run in runs])) - len(params)
    note = Text(f"{alike} alike" if alike else "", style=render.DIM)
    table.add_row(Text("Params", style=render.HEAD), *[""] * len(runs), note)
    for key in telling:
        values = [render.literal(run.params[key], limit=each) if key in run.params else _absent() for run in runs]
        table.add_row(render.literal(f"  {key}", limit=keys), *values)
    if len(telling) < len(params):
        left = render.plural(len(params) - len(telling), "more default", "more defaults")
        table.add_row(Text(f"  and {left} (--all)", style=render.DIM))
    table.add_row()
    heading = "difference" if len(runs) == 2 else "spread"
    table.add_row(Text("Metrics", style=render.HEAD), *[""] * len(runs), Text(heading, style=render.DIM))
    for key in metrics:
        numbers = [run.metrics.get(key) for run in runs]
        winner = best(key, numbers)
        cells = [_cell(number, winner) for number in numbers]
        table.add_row(render.literal(f"  {key}", limit=keys), *cells, Text(differences[key], style=render.DIM))
    out.print(render.Block(table))


def _absent() -> Text:
    return Text("·", style=render.DIM)


def _cell(value: float | None, winner: float | None) -> Text:
    if value is None:
        return _absent()
    return Text(render.number(value), style=render.GOOD if value == winner else "")


def differing_params(runs: Sequence[StoredRun]) -> list[str]:
    keys = sorted(set().union(*[run.params for run in runs]))
    return [key for key in keys if len({run.params.get(key) for run in runs}) > 1]


def _telling(key: str, runs: Sequence[StoredRun]) -> bool:
    """Whether more is to say of a param than that one kind of run has it, at its default."""
    having = [run for run in runs if key in run.params]
    return len(having) == len(runs) or any(run.param_origins.get(key) != "default" for run in having)


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
