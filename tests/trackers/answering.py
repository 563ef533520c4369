"""A server that says yes: it notes what a tracker's own command sends, and gives the answers that let it go on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from tests.listening import listening


@dataclass
class Server:
    url: str
    requests: list[tuple[str, bytes]] = field(default_factory=list)
    """Path and body of each."""

    def sent(self, path_end: str) -> list[bytes]:
        """The bodies that came to a path with this end, whatever its query."""
        return [body for path, body in self.requests if path.partition("?")[0].endswith(path_end)]


@contextmanager
def answering(answer: Callable[[str, bytes], dict[str, object]]) -> Iterator[Server]:
    """While it is open, each request is answered by the JSON of `answer(path, body)`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            server.requests.append((self.path, body))
            content = json.dumps(answer(self.path, body)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = handle_any

        def log_message(self, *_: object) -> None:
            pass

    with listening(Handler) as url:
        server = Server(url)
        yield server
