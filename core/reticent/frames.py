"""Runs as a table of pandas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reticent.backends.sqlite.stored import StoredRun
from reticent.errors import MissingExtraError

if TYPE_CHECKING:
    import pandas


def import_pandas() -> None:
    try:
        import pandas  # noqa: F401 - only whether it is there
    except ImportError:
        raise MissingExtraError("output='pandas' needs pandas: pip install 'reticent[pandas]'") from None


def frame(runs: Sequence[StoredRun]) -> pandas.DataFrame:
    import pandas

    columns: dict[str, object] = {
        "run_id": [run.run_id for run in runs],
        "name": [run.name for run in runs],
        "experiment": [run.experiment for run in runs],
        "parent_run_id": [run.parent_id for run in runs],
        "status": [run.status.value for run in runs],
        "health": [run.health.state for run in runs],
        "start_time": _moments([run.start_time for run in runs]),
        "end_time": _moments([run.end_time for run in runs]),
        "duration_s": pandas.Series([run.duration_s for run in runs], dtype="float64"),
    }
    for kind in ("metrics", "params", "tags"):
        values = [getattr(run, kind) for run in runs]
        for key in sorted(set().union(*values)):
            columns[f"{kind}.{key}"] = [found.get(key) for found in values]
    made: pandas.DataFrame = pandas.DataFrame(columns)
    return made


def _moments(times: list[float | None]) -> pandas.Series[pandas.Timestamp]:
    import pandas

    return pandas.to_datetime(pandas.Series(times, dtype="float64"), unit="s", utc=True)
