"""The endpoints, and the limits of a request: how large its body is, how long it takes, how many predict at once.

Bodies are counted as they come in, whatever length they claim. Nothing of a body is logged: of an exception its type and
the lines it came from, as its text may quote the data.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reticent import __version__
from reticent.models.pyfunc import PyFunc
from reticent.models.serve.pool import BusyError, Pool
from reticent.models.serve.protocol import InputError, MediaTypeError, answer, kind_of, parse
from reticent.models.signature.schema import SchemaError

LOG = logging.getLogger("reticent.serve")

PATHS = ("/ping", "/health", "/version", "/invocations")
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
WAITING = 4
"""So many requests may wait for each thread; more are told to come again."""
LINGER_S = 2.0
"""How long the rest of a body that is not wanted is still taken, so that its sender gets to read why."""


@dataclass(frozen=True, slots=True)
class Limits:
    body_bytes: int
    timeout_s: float
    threads: int


class RefusedError(Exception):
    """A request gets this answer, in the form of MLflow's errors."""

    def __init__(self, status: int, code: str, message: str, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
        content = json.dumps({"error_code": code, "message": message})
        self.response = Response(content, status, headers, media_type="application/json")


def pool(limits: Limits) -> Pool:
    """The threads that predict within these limits."""
    return Pool(limits.threads, limits.threads * WAITING)


def application(model: PyFunc, limits: Limits, threads: Pool) -> ASGIApp:
    """The ASGI application that serves a model."""
    service = _Service(model, limits, threads)
    routes = [
        Route("/ping", service.ping),
        Route("/health", service.ping),
        Route("/version", _version),
        Route("/invocations", service.invocations, methods=["POST"]),
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _no_endpoint})
    app.router.redirect_slashes = False
    return _Guarded(app)


async def _version(request: Request) -> Response:  # noqa: ARG001 - starlette passes it
    return Response(__version__, media_type="application/json")


async def _no_endpoint(request: Request, error: Exception) -> Response:  # noqa: ARG001
    assert isinstance(error, HTTPException)
    refused = RefusedError(error.status_code, "ENDPOINT_NOT_FOUND", f"{error.detail}: there are {', '.join(PATHS)}")
    refused.response.headers.update(error.headers or {})
    return refused.response


class _Service:
    def __init__(self, model: PyFunc, limits: Limits, threads: Pool) -> None:
        self._model = model
        self._limits = limits
        self._pool = threads
        self._held = 0
        """Bytes of bodies in memory, of all requests."""
        self._most_held = limits.body_bytes * limits.threads * (WAITING + 1)

    async def ping(self, request: Request) -> Response:  # noqa: ARG002 - starlette passes it
        if self._pool.stuck_s() is not None:
            message = "stuck: every thread is at a prediction that takes longer than a request may"
            return RefusedError(503, "TEMPORARILY_UNAVAILABLE", message).response
        return Response("\n", media_type="application/json")

    async def invocations(self, request: Request) -> Response:
        try:
            return await self._invoked(request)
        except RefusedError as refused:
            return refused.response
        except MediaTypeError as error:
            return PlainTextResponse(str(error), 415)  # a plain text in MLflow's server too

    async def _invoked(self, request: Request) -> Response:
        start = time.monotonic()
        kind = kind_of(request.headers.get("content-type"))
        with self._holding() as hold:
            try:
                body = await asyncio.wait_for(self._body(request, hold), self._limits.timeout_s)
            except asyncio.TimeoutError:
                raise RefusedError(408, "BAD_REQUEST", "the body did not arrive in time") from None
            left = self._limits.timeout_s - (time.monotonic() - start)
            try:
                future = self._pool.submit(lambda: self._predicted(body, kind))
            except BusyError:
                raise _busy() from None
            try:
                text = await asyncio.wait_for(asyncio.wrap_future(future), left)
            except asyncio.TimeoutError:
                self._pool.give_up(future)
                message = f"the prediction takes longer than {self._limits.timeout_s:g} s"
                raise RefusedError(504, "DEADLINE_EXCEEDED", message) from None
        return Response(text, media_type="application/json")

    async def _body(self, request: Request, hold: Callable[[int], None]) -> bytearray:
        most = self._limits.body_bytes
        too_large = RefusedError(413, "BAD_REQUEST", f"the body is larger than {most:,} bytes")
        claimed = request.headers.get("content-length", "0")
        if not claimed.isdecimal() or len(claimed) > 18 or int(claimed) > most:
            raise too_large
        body = bytearray()
        async for piece in request.stream():
            if len(body) + len(piece) > most:
                raise too_large
            hold(len(piece))
            body += piece
        return body

    @contextmanager
    def _holding(self) -> Iterator[Callable[[int], None]]:
        own = 0

        def hold(count: int) -> None:
            nonlocal own
            if self._held + count > self._most_held:
                raise _busy()
            own += count
            self._held += count

        try:
            yield hold
        finally:
            self._held -= own

    def _predicted(self, body: bytearray, kind: Literal["json", "csv"]) -> str:
        """The answer's body. On a thread of the pool; only ever raises RefusedError."""
        signature = self._model.signature
        try:
            data, params = parse(body, kind, signature.inputs if signature else None)
            declared = [str(spec["name"]) for spec in signature.params] if signature else []
            if not params.keys() <= set(declared):  # a model may take more than anybody should decide who reaches it
                has = ", ".join(declared) or "none"
                raise SchemaError(f"params that its signature does not have; it has {has}")
            predictions = self._model.predict(data, params)
        except InputError as error:
            raise RefusedError(400, "BAD_REQUEST", str(error)) from None
        except SchemaError as error:
            raise RefusedError(400, "INVALID_PARAMETER_VALUE", f"the data does not suit the model: {error}") from None
        except BaseException as error:  # noqa: BLE001 - of a model, which may raise anything
            _log_error("the model raised", error)
            message = "the model could not predict this data; see whether it is what the model was trained on"
            raise RefusedError(400, "BAD_REQUEST", message) from None
        try:
            return answer(predictions)
        except Exception as error:  # noqa: BLE001 - whatever the predictions are
            _log_error("the predictions have no form in JSON", error)
            message = "the predictions cannot be written as JSON"
            raise RefusedError(500, "INTERNAL_ERROR", message) from None


def _busy() -> RefusedError:
    return RefusedError(503, "TEMPORARILY_UNAVAILABLE", "too many requests at once; try again", retry_after_s=1)


def _log_error(what: str, error: BaseException) -> None:
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    places = " < ".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in reversed(frames))
    LOG.error("%s: %s at %s", what, type(error).__name__, places)


class _Guarded:
    """Around everything: an access log, an answer whatever happens, and an end to bodies that are not read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = _Exchange(receive, send)
        start = time.monotonic()
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except ClientDisconnect:
            pass
        except asyncio.CancelledError:  # the server stops, and has waited long enough
            await exchange.fail(503, "TEMPORARILY_UNAVAILABLE", "the server is stopping")
        except Exception as error:  # noqa: BLE001 - of ours; the answer says nothing about the inside
            _log_error("a request failed", error)
            await exchange.fail(500, "INTERNAL_ERROR", "the server failed; its log says where")
        client = (scope.get("client") or ["?"])[0]
        method = scope["method"] if scope["method"] in METHODS else "(method)"
        path = scope["path"] if scope["path"] in PATHS else "(path)"
        took = (time.monotonic() - start) * 1000
        status = exchange.status or "gone"
        LOG.info("%s %s %s %s %.0f ms %d bytes", client, method, path, status, took, exchange.received)


class _Exchange:
    """One request and its answer."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._read = False
        self.status = 0
        self.received = 0

    async def receive(self) -> Message:
        message = await self._receive()
        self.received += len(message.get("body", b""))
        self._read = self._read or message["type"] == "http.disconnect" or not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if not self._read and self.status >= 400:
                message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
            await self._send(message)
        elif message.get("more_body", False) or self._read or self.status < 400:
            await self._send(message)
        else:
            await self._send({**message, "more_body": True})
            await self._linger()
            await self._send({"type": "http.response.body", "body": b""})

    async def _linger(self) -> None:
        async def rest() -> None:
            while not self._read:
                await self.receive()

        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(rest(), LINGER_S)

    async def fail(self, status: int, code: str, message: str) -> None:
        if not self.status:
            self._read = True  # and nothing is waited for
            response = RefusedError(status, code, message).response
            response.headers["Connection"] = "close"
            await response({"type": "http"}, self.receive, self.send)
