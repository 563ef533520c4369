"""Answers of servers that come to an end: a byte now and then keeps no time limit of a socket's from beginning anew."""

from __future__ import annotations

import http.client
import io
import socket
from time import monotonic
from typing import Any

from reticent.backends import web

SLOWEST = 1000.0
"""So many bytes a second of what follows the head of an answer give it another second: a large download goes on."""

BLOCK = 16 << 10
"""So much of an upload is sent within the time limit of the socket, which is for all that is sent at once."""


class Answer(http.client.HTTPResponse):
    """Has `web.LONGEST_S` from when it is waited for; TimeoutError when that is over."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._bounded = _Bounded(sock, self.fp.detach())
        self.fp = io.BufferedReader(self._bounded)

    def begin(self) -> None:
        super().begin()
        self._bounded.per_byte = 1 / SLOWEST


class _Bounded(io.RawIOBase):
    """What a socket receives, until its time is over."""

    per_byte = 0.0
    """The seconds that each byte adds."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase) -> None:
        self._sock = sock
        self._raw = raw
        self._silence = sock.gettimeout()
        self._ends = monotonic() + web.LONGEST_S

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._ends - monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._sock.settimeout(left if self._silence is None else min(left, self._silence))
        got = self._raw.readinto(buffer)
        self._ends += (got or 0) * self.per_byte
        return got

    def close(self) -> None:
        self._raw.close()
        super().close()


class Connection(http.client.HTTPConnection):
    """Its answers come to an end, and what it has in memory is sent bit by bit, as files are."""

    response_class = Answer

    def send(self, data: Any) -> None:
        if isinstance(data, bytes) and len(data) > BLOCK:
            view = memoryview(data)
            for start in range(0, len(view), BLOCK):
                super().send(view[start : start + BLOCK])
        else:
            super().send(data)


class TlsConnection(Connection, http.client.HTTPSConnection):
    """The same over TLS."""
