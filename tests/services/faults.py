"""An HTTP server in front of another one that fails as it is told to: for tests of what networks and servers do.

with FaultyProxy(server.url) as proxy:
    proxy.fails(status(503, {"Retry-After": "1"}), path="/runs/log-batch", times=2)
    ...
    assert proxy.seen("/runs/log-batch") == 3
"""

from __future__ import annotations

import http.client
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

Fault = Callable[["_Handler"], None]
"""Answers one request, or does not."""

_HOP = {"connection", "keep-alive", "transfer-encoding", "proxy-connection", "te", "upgrade", "content-length", "host"}


def status(code: int, headers: Mapping[str, str] = {}, body: bytes = b"{}") -> Fault:
    """The request is not passed on; this is the answer."""

    def fault(handler: _Handler) -> None:
        handler.read_body()
        handler.answer(code, {"Content-Type": "application/json", **headers}, body)

    return fault


def garbage(handler: _Handler) -> None:
    """An answer of status 200 that is no JSON."""
    handler.read_body()
    handler.answer(200, {"Content-Type": "application/json"}, b"<html>\xff\xfe not what was asked for")


def reset(handler: _Handler) -> None:
    """The connection is reset before the request has been read whole."""
    handler.abort()


def lost_answer(handler: _Handler) -> None:
    """The server gets the request and acts on it; its answer does not arrive."""
    handler.forward()
    handler.abort()


def cut_off(after: int) -> Fault:
    """The connection is reset after this many bytes of the request's body; the server gets none of them."""

    def fault(handler: _Handler) -> None:
        handler.rfile.read(after)
        handler.abort()

    return fault


def hang(handler: _Handler) -> None:
    """Nothing comes until the proxy is closed or told to go on."""
    handler.read_body()
    handler.proxy.released.wait()
    handler.abort()


def slow(bytes_per_second: float) -> Fault:
    """The answer comes as slowly as this."""

    def fault(handler: _Handler) -> None:
        code, headers, body = handler.forward()
        handler.head(code, headers, len(body))
        for place in range(len(body)):
            if handler.proxy.released.wait(1 / bytes_per_second):
                break
            handler.wfile.write(body[place : place + 1])
            handler.wfile.flush()
        handler.abort()

    return fault


def flapping(seconds: float) -> Fault:
    """The server works so long, and for as long after that each connection is reset."""

    def fault(handler: _Handler) -> None:
        if int(time.monotonic() / seconds) % 2:
            handler.abort()
        else:
            handler.answer(*handler.forward())

    return fault


@dataclass
class _Plan:
    fault: Fault
    path: re.Pattern[str]
    times: int
    method: str


@dataclass(frozen=True)
class Seen:
    method: str
    path: str
    size: int
    time: float


@dataclass
class FaultyProxy:
    upstream: str
    port: int = 0
    requests: list[Seen] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._plans: list[_Plan] = []
        self._server: ThreadingHTTPServer | None = None

    def __enter__(self) -> FaultyProxy:
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self.down()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def up(self) -> None:
        """Listen, on the same port as before."""
        self._server = _Server(("127.0.0.1", self.port), _Handler)
        self._server.proxy = self  # type: ignore[attr-defined]
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def down(self) -> None:
        """Refuse connections, and cut those that there are."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server.cut()  # type: ignore[attr-defined]
            self._server = None

    def fails(self, fault: Fault, path: str = "", times: int = 1 << 30, method: str = "") -> None:
        """Have the next `times` requests whose path matches (a regular expression) meet this fault."""
        self._plans.append(_Plan(fault, re.compile(path), times, method))

    def works(self) -> None:
        """From now on everything goes through, also what hangs just now."""
        self._plans.clear()
        self.released.set()
        self.released = threading.Event()

    def seen(self, path: str, method: str = "") -> int:
        """How many requests there were whose path matches."""
        return sum(bool(re.search(path, one.path)) and method in ("", one.method) for one in self.requests)

    def fault_for(self, method: str, path: str) -> Fault | None:
        for plan in self._plans:
            if plan.times > 0 and plan.path.search(path) and plan.method in ("", method):
                plan.times -= 1
                return plan.fault
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *args: Any) -> None:
        self.open: set[socket.socket] = set()
        super().__init__(*args)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self.open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        self.open.discard(request)
        super().shutdown_request(request)

    def cut(self) -> None:
        for connection in list(self.open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, *_: Any) -> None:
        """A connection that is cut is what this is for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    @property
    def proxy(self) -> FaultyProxy:
        proxy: FaultyProxy = self.server.proxy  # type: ignore[attr-defined]
        return proxy

    def handle_any(self) -> None:
        size = int(self.headers.get("Content-Length", 0))
        self.proxy.requests.append(Seen(self.command, self.path, size, time.monotonic()))
        fault = self.proxy.fault_for(self.command, self.path)
        if fault is not None:
            fault(self)
            return
        try:
            code, headers, body = self.forward()
        except OSError:
            self.abort()
            return
        self.answer(code, headers, body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = handle_any

    def read_body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def forward(self) -> tuple[int, dict[str, str], bytes]:
        """The server's answer to this request."""
        body = self.read_body()
        place = urlsplit(self.proxy.upstream)
        connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=120)
        with closing_connection(connection):
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
            # The signature of S3's requests is over the name of the host that the client has asked.
            headers["Host"] = self.headers.get("Host", "")
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            got = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP}
            if self.command == "HEAD":
                got["Content-Length"] = answer.getheader("Content-Length") or "0"
            return answer.status, got, answer.read()

    def head(self, code: int, headers: Mapping[str, str], length: int) -> None:
        self.send_response_only(code)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.flush()

    def answer(self, code: int, headers: Mapping[str, str], body: bytes) -> None:
        self.head(code, headers, len(body))
        self.wfile.write(body)

    def abort(self) -> None:
        """Reset the connection: what is closed with a linger of 0 is not closed in order."""
        self.close_connection = True
        with suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def log_message(self, *_: Any) -> None:
        """What there was is in `proxy.requests`."""


@contextmanager
def closing_connection(connection: http.client.HTTPConnection) -> Iterator[None]:
    try:
        yield
    finally:
        connection.close()
