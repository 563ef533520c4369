"""The failing proxy fails as it says, or the tests that stand on it prove nothing."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from typing import ClassVar

import pytest
import requests

from .faults import FaultyProxy, cut_off, garbage, hang, lost_answer, reset, slow, status


class Counting(http.server.BaseHTTPRequestHandler):
    got: ClassVar[list[bytes]] = []

    def do_POST(self) -> None:
        self.got.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"done")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def proxy() -> Iterator[FaultyProxy]:
    Counting.got = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Counting) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        with FaultyProxy(f"http://127.0.0.1:{server.server_address[1]}") as proxy:
            yield proxy
        server.shutdown()


def ask(proxy: FaultyProxy, timeout: float = 20) -> str:
    try:
        answer = requests.post(f"{proxy.url}/path", data=b"some body", timeout=timeout)
    except requests.RequestException as error:
        return type(error).__name__
    return f"{answer.status_code} {answer.headers.get('Retry-After', '')} {answer.content[:4]!r}"


def test_what_is_told_nothing_passes_everything_on(proxy: FaultyProxy) -> None:
    assert ask(proxy) == "200  b'done'"
    assert Counting.got == [b"some body"]
    assert proxy.seen("/path") == 1


def test_an_error_comes_as_often_as_told_and_does_not_reach_the_server(proxy: FaultyProxy) -> None:
    proxy.fails(status(429, {"Retry-After": "7"}), path="/path", times=2)
    assert [ask(proxy) for _ in range(3)] == ["429 7 b'{}'", "429 7 b'{}'", "200  b'done'"]
    assert len(Counting.got) == 1


@pytest.mark.parametrize(("fault", "arrived"), [(lost_answer, 1), (reset, 0), (cut_off(4), 0)])
def test_a_connection_is_cut_before_or_after_the_server_has_acted(
    proxy: FaultyProxy, fault: object, arrived: int
) -> None:
    proxy.fails(fault, times=1)  # type: ignore[arg-type]
    assert ask(proxy) in ("ConnectionError", "ChunkedEncodingError")
    assert len(Counting.got) == arrived
    assert ask(proxy) == "200  b'done'"


def test_garbage_slowness_and_silence(proxy: FaultyProxy) -> None:
    proxy.fails(garbage, times=1)
    assert ask(proxy) == "200  b'<htm'"
    proxy.fails(slow(2), times=1)
    assert ask(proxy, timeout=0.2) == "ConnectionError"
    proxy.fails(hang)
    assert ask(proxy, timeout=0.2) == "ReadTimeout"
    proxy.works()
    assert ask(proxy) == "200  b'done'"


def test_a_server_that_is_gone_comes_back_on_its_port(proxy: FaultyProxy) -> None:
    session = requests.Session()
    assert session.post(f"{proxy.url}/path", data=b"x").status_code == 200
    proxy.down()
    with pytest.raises(requests.ConnectionError):
        session.post(f"{proxy.url}/path", data=b"x")
    proxy.up()
    assert ask(proxy) == "200  b'done'"
