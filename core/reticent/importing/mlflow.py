"""Runs of an MLflow server, by its REST API."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from reticent.backends import UnavailableError
from reticent.backends.mlflow.client import Client, RefusedError, address, pages
from reticent.backends.mlflow.naming import NAME_TAG, TAGS
from reticent.errors import SettingsError, SourceError
from reticent.files import inside, make_directory
from reticent.importing.download import check_size, keep
from reticent.importing.past import PastRun, Point
from reticent.records import RunStatus

_STATUS = {
    "FINISHED": RunStatus.FINISHED,
    "FAILED": RunStatus.FAILED,
    "KILLED": RunStatus.KILLED,
}
"""Any other goes on, or is believed to."""
_OURS = {theirs: ours for ours, theirs in TAGS.items()}
_TOLD_ELSEWHERE = ("mlflow.runName", "mlflow.parentRunId")
_PAGE = 200
_POINTS = 25_000

Entity = Mapping[str, Any]


def runs(place: str, experiments: Sequence[str]) -> Iterator[PastRun]:
    """The runs of the server at a URL that are not deleted, of these experiments or of all."""
    if "://" not in place:
        raise SourceError(
            f"{place!r} is no URL of an MLflow server; of a directory `mlruns` serve it first: "
            f"mlflow server --backend-store-uri {place} --port 5000"
        )
    try:
        client = Client(address(f"mlflow+{place}"))
    except SettingsError as error:
        raise SourceError(str(error)) from None
    except ImportError:
        raise SourceError("to read from MLflow needs requests: pip install 'reticent[mlflow]'") from None
    try:
        with _refusals():
            found = list(pages(partial(client.post, "experiments/search"), "experiments", max_results=1000))
        names = {one["experiment_id"]: one["name"] for one in found}
        if unknown := sorted(set(experiments) - set(names.values())):
            raise SourceError(f"{client.url} has no experiment {', '.join(map(repr, unknown))}")
        for number, name in names.items():
            if not experiments or name in experiments:
                search = partial(
                    client.post, "runs/search", experiment_ids=[number], order_by=["attributes.start_time ASC"]
                )
                with _refusals():
                    for run in pages(search, "runs", max_results=_PAGE):
                        yield _past(client, run, name)
    finally:
        client.close()


def _past(client: Client, run: Entity, experiment: str) -> PastRun:
    info, data = run["info"], run.get("data", {})
    tags = _pairs(data.get("tags", ()))
    names = {key.removeprefix(NAME_TAG): name for key, name in tags.items() if key.startswith(NAME_TAG)}
    models = len(run.get("outputs", {}).get("model_outputs", ()))
    end = info.get("end_time")
    return PastRun(
        id=info["run_id"],
        name=info.get("run_name") or tags.get("mlflow.runName") or info["run_id"],
        experiment=experiment,
        status=_STATUS.get(info["status"], RunStatus.RUNNING),
        start=_seconds(info.get("start_time", 0)),
        end=_seconds(end) if end else None,
        parent=tags.get("mlflow.parentRunId"),
        params={names.get(key, key): value for key, value in _pairs(data.get("params", ())).items()},
        tags={
            _OURS.get(key, names.get(key, key)): value
            for key, value in tags.items()
            if key not in _TOLD_ELSEWHERE and not key.startswith(NAME_TAG)
        },
        points=partial(_points, client, info["run_id"], [one["key"] for one in data.get("metrics", ())], names),
        datasets=[_dataset(one) for one in run.get("inputs", {}).get("dataset_inputs", ())],
        files=partial(_files, client, info["run_id"]),
        left_out=[f"{models} logged models, which MLflow 3 keeps beside the run"] if models else [],
    )


def _points(client: Client, run_id: str, keys: Iterable[str], names: Mapping[str, str]) -> Iterator[Point]:
    for key in keys:
        history = partial(client.get, "metrics/get-history", run_id=run_id, metric_key=key)
        with _refusals():
            for one in pages(history, "metrics", max_results=_POINTS):
                moment = _seconds(one["timestamp"])
                yield Point(names.get(key, key), _number(one["value"]), int(one.get("step", 0)), moment)


def _number(value: float | str) -> float:
    """A number that JSON has not got comes as text; for infinity MLflow's databases keep the largest number there is."""
    number = float(value)
    return math.copysign(math.inf, number) if abs(number) == sys.float_info.max else number


def _files(client: Client, run_id: str, directory: Path) -> Iterator[Path]:
    below = [""]
    while below:
        listing = partial(client.get, "artifacts/list", run_id=run_id, path=below.pop())
        with _refusals():
            for one in pages(listing, "files"):
                if one.get("is_dir"):
                    below.append(one["path"])
                    continue
                check_size(one["path"], int(one.get("file_size") or 0))  # also if the server does not keep to it
                path = _within(directory, one["path"])
                keep(client.download("/get-artifact", path=one["path"], run_uuid=run_id), path, one["path"])
                yield path


def _within(directory: Path, name: str) -> Path:
    make_directory(directory)
    try:
        return inside(directory, name)
    except ValueError as error:
        raise SourceError(f"an artifact of the run is called as none can be: {error}") from None


def _dataset(used: Entity) -> dict[str, Any]:
    told = used["dataset"]
    return {
        "name": told["name"],
        "context": _pairs(used.get("tags", ())).get("mlflow.data.context", ""),
        "digest": told.get("digest", ""),
        "source": told.get("source", ""),
        "schema": _parsed(told.get("schema", "")),
        "profile": _parsed(told.get("profile", "")),
    }


def _parsed(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return text


def _pairs(entities: Iterable[Entity]) -> dict[str, str]:
    return {one["key"]: one.get("value", "") for one in entities}


def _seconds(milliseconds: int | str) -> float:
    return int(milliseconds) / 1000


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except (RefusedError, UnavailableError) as error:
        raise SourceError(str(error)) from error
    except (KeyError, TypeError, ValueError) as error:
        raise SourceError(f"it does not answer as an MLflow server does ({type(error).__name__}: {error})") from error
