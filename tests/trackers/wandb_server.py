"""What `wandb sync` needs of a W&B server: enough of its GraphQL, the stream of a run's files, and places to upload to."""

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
        self.exits: dict[str, int] = {}
        self.uploads: dict[str, bytes] = {}
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
        self._answer({})

    def log_message(self, *_: object) -> None:
        pass

    def _body(self) -> bytes:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _answer(self, content: object, status: int = 200) -> None:
        data = json.dumps(content).encode()
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
            files = [{"name": name, "uploadUrl": f"{self.server.url}/upload/{name}"} for name in variables["files"]]
            return {"createRunFiles": {"runID": "1", "uploadHeaders": [], "files": files}}
        if "viewer" in query:
            return {"viewer": {"id": "1", "entity": "team", "username": "somebody"}}
        return {}


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
