"""The socket, the limits of a connection, the logs, and the end."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import signal
import socket
import sys
import warnings
from collections.abc import Callable
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from reticent.errors import ReticentError
from reticent.models.pyfunc import PyFunc
from reticent.models.serve.app import LOG, Limits, application, pool
from reticent.sessions import current
from reticent_redact.logs import install_logging_filter

HEADER_BYTES = 32 << 10
CONNECTIONS = 256
KEEP_ALIVE_S = 5
GRACE_S = 10
"""How long requests that are being answered may still take when the server is told to stop."""
MARGIN_S = 10.0
"""A connection has as long as a request may take, and this, from one answer to the next."""


def bind(host: str, port: int) -> socket.socket:
    """A socket of this address, which listens when the server starts; port 0 is any free one. ReticentError if it
    cannot be had."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        bound = socket.socket(family, socket.SOCK_STREAM)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
        except BaseException:
            bound.close()
            raise
        return bound
    except (OSError, UnicodeError, OverflowError) as error:
        raise ReticentError(f"cannot listen at {host}, port {port}: {error}") from error


def is_loopback(bound: socket.socket) -> bool:
    """Whether only this machine reaches it."""
    return ipaddress.ip_address(bound.getsockname()[0].partition("%")[0]).is_loopback


def serve(model: PyFunc, bound: socket.socket, limits: Limits, started: Callable[[], None]) -> None:
    """Serve a model until SIGTERM or SIGINT; `started` is called when it answers. ReticentError if all threads were
    stuck in predictions for as long as a request may take: whoever supervises this has to start it again."""
    _log_redacted()
    threads = pool(limits)
    config = uvicorn.Config(
        application(model, limits, threads),
        http=_protocol(limits),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,  # ours has no query strings
        proxy_headers=False,
        server_header=False,
        backlog=CONNECTIONS,
        h11_max_incomplete_event_size=HEADER_BYTES,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        # The server takes these while it runs, and sends them once more when it has ended.
        signal.signal(number, _nothing)
    server = _Server(config, started, lambda: (threads.stuck_s() or 0) > limits.timeout_s)
    server.run(sockets=[bound])
    if server.was_stuck:
        raise ReticentError(
            f"the server was stuck: {2 * limits.threads} predictions took longer than {limits.timeout_s:g} s each, and "
            "none of them came to an end; start it again, with a longer --timeout if they need it"
        )


class _Server(uvicorn.Server):
    was_stuck = False

    def __init__(self, config: uvicorn.Config, started: Callable[[], None], is_stuck: Callable[[], bool]) -> None:
        super().__init__(config)
        self._tell = started
        self._is_stuck = is_stuck

    async def on_tick(self, counter: int) -> bool:
        if not self.was_stuck and self._is_stuck():
            self.was_stuck = True
            LOG.error("every thread is stuck in a prediction; the server ends")
        return await super().on_tick(counter) or self.was_stuck

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._tell()


def _protocol(limits: Limits) -> type[asyncio.Protocol]:
    class Impatient(H11Protocol):
        """Ends connections that take too long to say or to hear something: slow headers, bodies and readers."""

        _end: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if len(self.connections) > CONNECTIONS:
                transport.abort()
            else:
                self._wait()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._wait()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_waiting()
            super().connection_lost(exc)

        def _wait(self) -> None:
            self._stop_waiting()
            self._end = self.loop.call_later(limits.timeout_s + MARGIN_S, self.transport.abort)

        def _stop_waiting(self) -> None:
            if self._end is not None:
                self._end.cancel()

    return Impatient


def _log_redacted() -> None:
    install_logging_filter(current().redactor)
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
    )
    LOG.setLevel(logging.INFO)
    warnings.showwarning = _log_warning  # type: ignore[assignment]


def _log_warning(message: Any, category: type[Warning], filename: str, lineno: int, *_: Any) -> None:  # noqa: ARG001
    # What a warning says may quote the data that was predicted.
    LOG.warning("%s at %s:%s", category.__name__, filename, lineno)


def _nothing(number: int, frame: Any) -> None:
    pass
