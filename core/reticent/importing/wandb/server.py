"""Runs of a project on a W&B server, by its GraphQL API."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from reticent.backends import UnavailableError, web
from reticent.backends.wandb.server import address, api_key
from reticent.errors import SettingsError, SourceError
from reticent.files import inside, make_directory
from reticent.importing.download import keep
from reticent.importing.past import PastRun, Point
from reticent.importing.wandb.described import OUR_FILES, describe
from reticent.importing.wandb.values import Rows, summary_points
from reticent.records import RunStatus

_STATUS = {
    "finished": RunStatus.FINISHED,
    "failed": RunStatus.FAILED,
    "killed": RunStatus.KILLED,
    "crashed": RunStatus.CRASHED,
}
"""Any other goes on, or will."""

_ROWS = 1000
"""About so many rows of the history are asked for at once."""

_STEPS = 100_000
"""A page has no more steps than this, each of which has one row at most."""

_TRIES = 5

_RUNS = """query Runs($entity: String!, $project: String!, $cursor: String) {
  project(name: $project, entityName: $entity) {
    runs(after: $cursor, first: 50, order: "+created_at") {
      edges { node {
        name displayName state config group jobType sweepName tags notes createdAt heartbeatAt summaryMetrics
        systemMetrics historyLineCount historyKeys user { username }
      } }
      pageInfo { endCursor hasNextPage }
    }
  }
}"""
_HISTORY = """query HistoryPage(
  $entity: String!, $project: String!, $run: String!, $minStep: Int64!, $maxStep: Int64!, $pageSize: Int!
) {
  project(name: $project, entityName: $entity) {
    run(name: $run) { history(minStep: $minStep, maxStep: $maxStep, samples: $pageSize) }
  }
}"""
_FILES = """query RunFiles($entity: String!, $project: String!, $run: String!, $cursor: String) {
  project(name: $project, entityName: $entity) {
    run(name: $run) {
      files(after: $cursor, first: 50) {
        edges { node { name url directUrl } }
        pageInfo { endCursor hasNextPage }
      }
    }
  }
}"""
_ARTIFACTS = """query RunArtifacts($entity: String!, $project: String!, $run: String!) {
  project(name: $project, entityName: $entity) {
    run(name: $run) { outputArtifacts(first: 1) { totalCount } }
  }
}"""


def runs(place: str, experiments: Sequence[str]) -> Iterator[PastRun]:
    """The runs of `wandb://entity/project`."""
    parts = urlsplit(place)
    entity, project = parts.netloc, parts.path.strip("/")
    if not entity or not project or "/" in project:
        raise SourceError(f"{place!r} names no project: it has to be wandb://entity/project, or a directory")
    if experiments:
        raise SourceError("a project of W&B is one experiment: name it in the URL")
    with _refusals():
        server = _Server(entity, project)
    told = server.pages(_RUNS, "runs")
    try:
        while True:
            with _refusals():
                node = next(told, None)
                past = None if node is None else _past(server, node)
            if past is None:
                return
            yield past
    finally:
        server.close()


class _Server:
    """Of one project. The API key goes to the server alone, not to where its files lie."""

    def __init__(self, entity: str, project: str) -> None:
        self.entity, self.project = entity, project
        self.url = address()
        self._key = ("api", api_key(self.url))
        self._session = web.session()

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """What the answer says of the project."""
        body = {"query": query, "variables": {"entity": self.entity, "project": self.project, **variables}}
        with self._answer("POST", f"{self.url}/graphql", json=body, auth=self._key) as answer:
            said = answer.json()
        if errors := said.get("errors"):
            raise SourceError(f"{self.url}: {str(errors[0].get('message', ''))[: web.LONGEST_MESSAGE]}")
        if (found := said["data"]["project"]) is None:
            raise SourceError(f"{self.url} has no project {self.entity}/{self.project} that this API key may read")
        return dict(found)

    def pages(self, query: str, what: str, **variables: Any) -> Iterator[dict[str, Any]]:
        cursor = None
        while True:
            found = self.ask(query, cursor=cursor, **variables)
            page = (found["run"] if "run" in variables else found)[what]
            yield from (edge["node"] for edge in page["edges"])
            if not page["pageInfo"]["hasNextPage"]:
                return
            cursor = page["pageInfo"]["endCursor"]

    def download(self, file: dict[str, Any], target: Path) -> None:
        url = file.get("directUrl") or file["url"]
        own = urlsplit(url).netloc == urlsplit(self.url).netloc
        with self._answer("GET", url, stream=True, auth=self._key if own else _nothing) as answer:
            keep(_pieces(answer, url), target, file["name"])

    def close(self) -> None:
        self._session.close()

    def _answer(self, method: str, url: str, **told: Any) -> Any:
        """An answer of status 200. Where there were too many requests, or the server has a fault, it is asked again."""
        place = f"{urlsplit(url).scheme}://{urlsplit(url).netloc}"  # what is behind it may be a signature
        for attempt in range(_TRIES):
            with web.failures(place):
                answer = self._session.request(method, url, timeout=web.TIMEOUT_S, **told)
            if answer.ok:
                return answer
            answer.close()
            if answer.status_code in (401, 403):
                raise SourceError(
                    f"{place} refuses the API key (status {answer.status_code}); set another WANDB_API_KEY"
                )
            if answer.status_code != 429 and answer.status_code < 500:
                break
            if attempt + 1 < _TRIES:
                time.sleep(min(60.0, web.wait(answer.headers.get("Retry-After", "")) or 2.0**attempt))
        raise SourceError(f"{place} answers with status {answer.status_code}")


def _pieces(answer: Any, url: str) -> Iterator[bytes]:
    with web.failures(urlsplit(url).netloc):
        yield from answer.iter_content(1 << 20)


def _past(server: _Server, node: dict[str, Any]) -> PastRun:
    config = {
        key: one["value"] if isinstance(one, dict) and "value" in one else one
        for key, one in _read(node, "config").items()
    }
    summary = _read(node, "summaryMetrics")
    run = {
        "entity": server.entity,
        "group": node.get("group") or "",
        "job_type": node.get("jobType") or "",
        "sweep": node.get("sweepName") or "",
        "notes": node.get("notes") or "",
        "user": (node.get("user") or {}).get("username") or "",
    }
    described = describe(server.project, run, node.get("tags") or (), config, summary)
    start = _moment(node.get("createdAt"))
    end = max(start, _moment(node.get("heartbeatAt")))
    status = _STATUS.get(str(node.get("state")), RunStatus.RUNNING)
    prefix = f"{server.entity}/{server.project}"
    left_out = ["loads of the machine, of which the API gives a sample"] if _read(node, "systemMetrics") else []
    return PastRun(
        id=f"{prefix}/{node['name']}",
        name=node.get("displayName") or node["name"],
        experiment=described.experiment,
        status=status if status is RunStatus.RUNNING else described.status or status,
        start=start,
        end=end,
        parent=None if described.parent is None else f"{prefix}/{described.parent}",
        params=described.params,
        tags=described.tags,
        points=partial(_points, server, node, summary, end, left_out),
        files=partial(_files, server, node["name"], OUR_FILES if described.ours else "", left_out),
        left_out=left_out,
    )


def _points(
    server: _Server, node: dict[str, Any], summary: dict[str, Any], end: float, left_out: list[str]
) -> Iterator[Point]:
    rows, count, wanted = Rows(), 0, node.get("historyLineCount")
    last = int((node.get("historyKeys") or {}).get("lastStep", -1))
    size = min(_STEPS, max(_ROWS, _ROWS * (last + 1) // max(1, wanted or 0)))
    for first in range(0, last + 1, size):
        with _refusals():
            # Of a page with as many steps as rows may come, the server takes no sample.
            steps = {"minStep": first, "maxStep": first + size, "pageSize": size}
            told = server.ask(_HISTORY, run=node["name"], **steps)["run"]["history"]
            page = [json.loads(row) for row in told]
        count += len(page)
        for row in page:
            yield from rows.points(row)
        if count == wanted:
            break
    yield from summary_points(summary, rows, end)
    left_out += rows.told()
    if count != wanted:
        left_out.append(f"rows of the history: {count} came, and the server says that there are {wanted}")


def _files(server: _Server, run: str, inside_of: str, left_out: list[str], directory: Path) -> Iterator[Path]:
    make_directory(directory)
    with _refusals():
        found = list(server.pages(_FILES, "files", run=run))
    for file in found:
        with _refusals():
            path = inside(directory, file["name"].removeprefix(inside_of))
            server.download(file, path)
        yield path
    if not inside_of:  # those of our backend are among the files
        left_out += _artifacts(server, run)


def _artifacts(server: _Server, run: str) -> list[str]:
    try:
        with _refusals():
            count = server.ask(_ARTIFACTS, run=run)["run"]["outputArtifacts"]["totalCount"]
    except SourceError:  # a server that is older
        return ["its artifacts, if there are any"]
    return [f"{count} artifacts, which W&B keeps beside the run"] if count else []


def _read(node: dict[str, Any], what: str) -> dict[str, Any]:
    told = json.loads(node.get(what) or "{}")
    return told if isinstance(told, dict) else {}


def _moment(text: str | None) -> float:
    if not text:
        return 0.0
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()


def _nothing(request: Any) -> Any:
    """No credentials, and none of ~/.netrc either."""
    return request


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except (UnavailableError, SettingsError) as error:
        raise SourceError(str(error)) from error
    except ImportError:
        raise SourceError("to read from a W&B server needs requests: pip install 'reticent[mlflow]'") from None
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise SourceError(f"it does not answer as a W&B server does ({type(error).__name__}: {error})") from error
