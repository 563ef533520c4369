"""Files of JSON lines: one directory for each run, one file for each kind of record.

    <directory>/<run_id>/runs.jsonl  params.jsonl  tags.jsonl  metrics.jsonl  artifacts.jsonl  events.jsonl

Every line has `run_id` and `time` (seconds since the epoch, UTC) and is an object of the record's own fields, so that
`read_json('<directory>/*/metrics.jsonl')` of DuckDB, or pandas' `read_json(path, lines=True)`, make one table of a kind. A
value that changed has a line for each version; the newest holds. NaN and the infinities are the texts "NaN", "Infinity" and
"-Infinity". Kept files lie under `<run_id>/artifacts/`. The URL is `jsonl`, for `<root>/jsonl`, or `jsonl:///directory`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import msgspec

from reticent.backends import Batch, Rejection, Target
from reticent.backends.local import METRICS, TABLES, append, identity, keep_artifact, table_of
from reticent.files import inside, make_directory


class JsonLinesBackend:
    aliases = True

    def open(self, target: Target) -> str:
        _, _, path = target.url.partition("://")
        self._directory = Path(path).expanduser() if path else target.root / "jsonl"
        return identity(self._directory)

    def write(self, batch: Batch) -> Sequence[Rejection]:
        directory = inside(self._directory, batch.run_id)
        lengths = msgspec.json.decode(batch.mark.text or "{}", type=dict[str, int])
        lines: dict[str, list[dict[str, object]]] = defaultdict(list)
        for entry in batch.entries:
            if (table := table_of(entry.record)) is not None:
                lines[table].append({"run_id": batch.run_id, **msgspec.to_builtins(entry.record)})
            keep_artifact(batch, entry.record, directory / "artifacts")
        for block in batch.metrics:
            lines[METRICS] += [
                {"run_id": batch.run_id, "time": one.time, "key": one.key, "step": one.step, "value": number(one.value)}
                for one in block
            ]
        make_directory(directory)
        for name in TABLES:
            data = b"".join(msgspec.json.encode(line) + b"\n" for line in lines[name])
            lengths[name] = append(directory / f"{name}.jsonl", lengths.get(name, 0), data)
        batch.mark.text = msgspec.json.encode(lengths).decode()
        return ()

    def close(self) -> None:
        pass


def number(value: float) -> float | str:
    """A value as JSON has it."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
