"""What `wandb sync` and `wandb.Api` need of a W&B server: enough of its GraphQL, the stream of a run's files, and places
to upload to."""

from __future__ import annotations

import gzip
import json
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.runs: dict[str, dict[str, Any]] = {}
        self.history: defaultdict[str, dict[int, dict[str, Any]]] = defaultdict(dict)
        """The rows of each run by their place."""
        self.summaries: dict[str, str] = {}
        self.exits: dict[str, int] = {}
        self.uploads: dict[str, bytes] = {}
        self.files: defaultdict[str, set[str]] = defaultdict(set)
        """The names of those of each run; two runs with a file of one name have one upload."""
        self.files_at = self.url
        self.credentials: set[str | None] = set()
        """With which files were asked for."""
        self.page = 50
        """How many runs and files an answer has at most."""
        self.asked: list[dict[str, Any]] = []
        """The variables of each question for what is there."""
        self.refuse = 0
        """A status to answer everything with, if not 0."""

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that is killed leaves its connections."""


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self._body()
        if self.server.refuse:
            self._answer({"errors": [{"message": "not now"}]}, self.server.refuse)
        elif self.path == "/graphql":
            told = json.loads(body)
            self._answer({"data": self._graphql(told["query"], told.get("variables") or {})})
        else:
            self._stream(self.path.split("/")[-2], json.loads(body))
            self._answer({"exitcode": None, "limits": {}})

    def do_PUT(self) -> None:
        self.server.uploads[self.path] = self._body()
        self._answer({})

    def do_GET(self) -> None:
        self.server.credentials.add(self.headers.get("Authorization"))
        if self.server.refuse:
            self._answer({}, self.server.refuse)
        elif self.path in self.server.uploads:
            self._send(self.server.uploads[self.path])
        else:
            self._answer({})

    def log_message(self, *_: object) -> None:
        pass

    def _body(self) -> bytes:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _answer(self, content: object, status: int = 200) -> None:
        self._send(json.dumps(content).encode(), status)

    def _send(self, data: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, run: str, told: dict[str, Any]) -> None:
        part = told.get("files", {}).get("wandb-history.jsonl")
        if part:
            for place, line in enumerate(part["content"], part["offset"]):
                self.server.history[run][place] = json.loads(line)
        if summary := told.get("files", {}).get("wandb-summary.json"):
            self.server.summaries[run] = summary["content"][-1]
        if told.get("complete"):
            self.server.exits[run] = told["exitcode"]

    def _graphql(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        if "upsertBucket" in query:
            run = self.server.runs.setdefault(variables["name"], {})
            run |= {key: value for key, value in variables.items() if value is not None}
            project = {"name": variables["project"], "entity": {"name": variables["entity"]}}
            bucket = {"id": "1", "name": run["name"], "displayName": run.get("displayName"), "historyLineCount": 0}
            return {"upsertBucket": {"bucket": {**bucket, "project": project}, "inserted": True}}
        if "createRunFiles" in query:
            self.server.files[variables["run"]] |= set(variables["files"])
            files = [{"name": name, "uploadUrl": f"{self.server.url}/upload/{name}"} for name in variables["files"]]
            return {"createRunFiles": {"runID": "1", "uploadHeaders": [], "files": files}}
        if "project(" in query:
            self.server.asked.append(variables)
            return {"project": self._project(query, variables)}
        if "viewer" in query:
            return {"viewer": {"id": "1", "entity": "team", "username": "somebody"}}
        return {}

    def _project(self, query: str, variables: dict[str, Any]) -> dict[str, Any] | None:
        own = [one for one in self.server.runs.values() if one["project"] == variables["project"]]
        if not own:
            return None
        if "runs(" in query:
            return {"runs": self._connection([self._run(one) for one in own], variables.get("cursor"))}
        name = variables.get("run") or variables["name"]
        rows = self.server.history[name]
        if "history(" in query:
            steps = range(variables["minStep"], variables["maxStep"])
            lines = [json.dumps(row) for _, row in sorted(rows.items()) if row["_step"] in steps]
            return {"run": {"history": lines[: variables["pageSize"]]}}
        if "files(" in query:
            files = [
                {"name": path, "url": None, "directUrl": f"{self.server.files_at}/upload/{path}"}
                for path in sorted(self.server.files[name])
                if f"/upload/{path}" in self.server.uploads
            ]
            return {"run": {"files": self._connection(files, variables.get("cursor"))}}
        if "outputArtifacts(" in query:
            return {"run": {"outputArtifacts": {"totalCount": 1}}}
        return {"run": self._run(self.server.runs[name])}

    def _run(self, run: dict[str, Any]) -> dict[str, Any]:
        name, rows = run["name"], self.server.history[run["name"]]
        return {
            "id": name,
            "name": name,
            "displayName": run.get("displayName"),
            "state": {0: "finished", 255: "killed", None: "running"}.get(self.server.exits.get(name), "failed"),
            "config": run.get("config") or "{}",
            "group": run.get("groupName"),
            "jobType": run.get("jobType"),
            "sweepName": None,
            "tags": run.get("tags") or [],
            "notes": run.get("notes"),
            "createdAt": "2026-11-01T00:00:00",
            "heartbeatAt": "2026-11-01T01:00:00",
            "systemMetrics": '{"system.cpu": 7.5}' if name == "calm" else "{}",
            "summaryMetrics": self.server.summaries.get(name) or "{}",
            "historyLineCount": len(rows),
            "historyKeys": {"lastStep": max((row["_step"] for row in rows.values()), default=-1)},
            "user": {"name": "Kim", "username": "kim"},
            "projectId": "1",
        }

    def _connection(self, nodes: list[dict[str, Any]], cursor: str | None) -> dict[str, Any]:
        first = int(cursor or 0)
        end = first + self.server.page
        edges = [{"node": node, "cursor": str(place)} for place, node in enumerate(nodes[first:end], first + 1)]
        return {"edges": edges, "pageInfo": {"endCursor": str(end), "hasNextPage": end < len(nodes)}}


@contextmanager
def wandb_server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
