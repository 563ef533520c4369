"""Servers that answer as a test has them answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from tests.listening import listening


@dataclass
class Server:
    url: str = ""
    got: list[str] = field(default_factory=list)
    """The headers of each request, as text."""
    ports: set[int] = field(default_factory=set)
    """Of the connections that came."""


@contextmanager
def serving(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            server.got.append(str(self.headers))
            server.ports.add(self.client_address[1])
            with suppress(OSError):  # it was hung up on
                answer(self)

        do_GET = do_POST = handle_any

        def log_message(self, *_: object) -> None:
            pass

    server = Server()
    with listening(Handler) as server.url:
        yield server


@contextmanager
def reading(pause_s: float, most: int) -> Iterator[Server]:
    """A server that reads what is uploaded as slowly as this, and notes how much it was."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            left = size = int(self.headers["Content-Length"])
            while left:
                left -= len(self.rfile.read(min(left, most)))
                time.sleep(pause_s)
            server.got.append(str(size))
            says(b"{}")(self)

        def log_message(self, *_: object) -> None:
            pass

    server = Server()
    with listening(Handler) as server.url:
        yield server


def writes(begun: bytes, rest: bytes, pause_s: float, most: int = 1) -> Callable[[BaseHTTPRequestHandler], None]:
    """An answer whose rest comes by so many bytes at a time."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(begun)
        for place in range(0, len(rest), most):
            handler.wfile.write(rest[place : place + most])
            time.sleep(pause_s)
        handler.close_connection = True

    return answer


def says(content: bytes, status: int = 200, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def drips(pause_s: float, piece: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    """An answer without an end."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(piece)
            time.sleep(pause_s)

    return answer
