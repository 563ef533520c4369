"""Params, tags and points in requests of `log-batch`, as few as its limits allow."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from reticent.backends import Rejection
from reticent.backends.mlflow.client import Client, NoSuchEndpointError, RefusedError
from reticent.backends.mlflow.naming import allowed
from reticent.records import METRIC, MetricBlock

MAX_ENTITIES = 1000
MAX_PARAMS = MAX_TAGS = 100
MAX_BYTES = 900_000
"""Of one request; the limit is 1 MB with everything."""

HISTORY = "/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval"


class Point(msgspec.Struct, frozen=True):
    key: str
    value: float | str
    timestamp: int
    step: int


@dataclass
class Request:
    """The entities of one request."""

    metrics: list[Any] = field(default_factory=list)
    params: list[Any] = field(default_factory=list)
    tags: list[Any] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.metrics) + len(self.params) + len(self.tags)

    def halves(self) -> Iterator[Request]:
        kinds = ("metrics", "params", "tags")
        all_ = [(kind, entity) for kind in kinds for entity in getattr(self, kind)]
        for half in (all_[: len(all_) // 2], all_[len(all_) // 2 :]):
            yield Request(*([entity for kind, entity in half if kind == wanted] for wanted in kinds))


def points(block: MetricBlock) -> list[Point]:
    """The points of a block as MLflow has them: time in ms, and what JSON has no number for as text."""
    names = {number: allowed(key) for number, key in block.keys.items()}
    return [
        Point(names[key], value if math.isfinite(value) else _text(value), int(time * 1000), step)
        for time, step, value, key in METRIC.iter_unpack(block.data)
    ]


def missing(client: Client, run_id: str, block: Sequence[Point]) -> Sequence[Point]:
    """Of points that were sent in this order, those that the server has not got.

    Asked with one small question for every halving. To send them again would cost the server a look for each.
    """
    if not block or not _has(client, run_id, block[0]):
        return block
    if _has(client, run_id, block[-1]):
        return ()
    low, high = 1, len(block) - 1
    while low < high:
        middle = (low + high) // 2
        if _has(client, run_id, block[middle]):
            low = middle + 1
        else:
            high = middle
    return block[low:]


def changed(param: str) -> str:
    return f"the param {param!r} was logged with another value before: MLflow keeps the first one"


def gone(error: RefusedError) -> bool:
    """Whether this is because the run is no longer there."""
    return error.status == 404 or "must be in the 'active' state" in str(error)


def send(client: Client, run_id: str, everything: Request) -> list[Rejection]:
    """Send all of it; what the server refuses is found by halving, so that the rest is stored. RefusedError if it refuses
    everything of this run."""
    return [rejection for part in _requests(everything) for rejection in _send(client, run_id, part)]


def _requests(everything: Request) -> Iterator[Request]:
    part, size = Request(), 0
    kinds = (("tags", MAX_TAGS), ("params", MAX_PARAMS), ("metrics", MAX_ENTITIES))
    for kind, most in kinds:
        for entity in getattr(everything, kind):
            length = 120 + len(entity.key) if kind == "metrics" else 40 + sum(len(text) * 6 for text in entity.values())
            if len(getattr(part, kind)) >= most or len(part) >= MAX_ENTITIES or size + length > MAX_BYTES:
                yield part
                part, size = Request(), 0
            getattr(part, kind).append(entity)
            size += length
    if len(part):
        yield part


def _send(client: Client, run_id: str, part: Request) -> list[Rejection]:
    if not len(part):
        return []
    body = {"run_id": run_id, "metrics": part.metrics, "params": part.params, "tags": part.tags}
    try:
        client.post_encoded("runs/log-batch", msgspec.json.encode(body))
    except RefusedError as error:
        if gone(error):
            raise
        if len(part) == 1:
            write_once = part.params and "Changing param values" in str(error)
            return [Rejection(1, changed(part.params[0]["key"]) if write_once else str(error))]
        return [rejection for half in part.halves() for rejection in _send(client, run_id, half)]
    return []


def _has(client: Client, run_id: str, point: Point) -> bool:
    query = {"run_ids": run_id, "metric_key": point.key, "start_step": point.step, "end_step": point.step}
    try:
        found = client.get(HISTORY, max_results=2500, **query)
    except NoSuchEndpointError:  # a server from before 2.11
        found = client.get("metrics/get-history", run_id=run_id, metric_key=point.key)
    return any(
        int(one["timestamp"]) == point.timestamp
        and int(one.get("step", 0)) == point.step
        and _same(float(one["value"]), float(point.value))
        for one in found.get("metrics", ())
    )


def _same(stored: float, value: float) -> bool:
    """Whether this is what the server makes of a value: of an infinite one the largest number."""
    if math.isfinite(value) or math.isnan(value):
        return stored == value or (math.isnan(stored) and math.isnan(value))
    return abs(stored) >= sys.float_info.max and (stored > 0) == (value > 0)


def _text(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
