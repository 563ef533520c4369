"""Speaks to an MLflow server's REST API (https://mlflow.org/docs/latest/rest-api.html), without the `mlflow` package."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import msgspec

from reticent.backends import UnavailableError, web
from reticent.backends.credentials import secret

API = "/api/2.0/mlflow/"
_JSON = {"Content-Type": "application/json"}
_TRUST_HINT = (
    "; MLFLOW_TRACKING_SERVER_CERT_PATH names the certificate of an authority to trust, MLFLOW_TRACKING_CLIENT_CERT_PATH "
    "one of yours"
)


class RefusedError(Exception):
    """The server has understood and will not do it, now or later. `code` is MLflow's name of the error, or ""."""

    def __init__(self, message: str, status: int, code: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class NoSuchEndpointError(UnavailableError):
    """Nobody answers at this path: the server is older, or is not at this address."""


class DeniedError(UnavailableError):
    """The server does not let this user do it."""


class Answer(dict[str, Any]):
    """What a server says; UnavailableError where that is not what an MLflow server would."""

    url = ""

    def __missing__(self, key: str) -> Any:
        raise UnavailableError(f"{self.url} does not answer as an MLflow server does: nothing is said of {key!r}")


class Client:
    """One server. Credentials are those that MLflow's own client takes: MLFLOW_TRACKING_USERNAME and _PASSWORD, or
    MLFLOW_TRACKING_TOKEN, from the environment or the keyring's service "reticent"; or ~/.netrc. Proxies are those of the
    environment; MLFLOW_TRACKING_SERVER_CERT_PATH names a CA, MLFLOW_TRACKING_CLIENT_CERT_PATH a certificate of ours.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = web.session()
        self._session.auth = _auth()
        # With each request: what a session says is nothing to requests where REQUESTS_CA_BUNDLE is set.
        self._trust: dict[str, Any] = {}
        if ca := os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH"):
            self._trust = {"verify": ca}
        if os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in ("true", "1"):
            self._trust = {"verify": False}
        if certificate := os.environ.get("MLFLOW_TRACKING_CLIENT_CERT_PATH"):
            self._session.cert = certificate

    def get(self, endpoint: str, **query: Any) -> dict[str, Any]:
        return self._call("GET", endpoint, params=query)

    def post(self, endpoint: str, **body: Any) -> dict[str, Any]:
        return self.post_encoded(endpoint, msgspec.json.encode(body))

    def patch(self, endpoint: str, **body: Any) -> dict[str, Any]:
        return self._call("PATCH", endpoint, data=msgspec.json.encode(body), headers=_JSON)

    def post_encoded(self, endpoint: str, body: bytes) -> dict[str, Any]:
        return self._call("POST", endpoint, data=body, headers=_JSON)

    def delete(self, endpoint: str) -> dict[str, Any]:
        return self._call("DELETE", endpoint)

    def put_file(self, endpoint: str, file: BinaryIO | bytes) -> None:
        """Upload a file through the server."""
        self._call("PUT", endpoint, data=file)

    def read(self, endpoint: str) -> bytes:
        """An answer as it is."""
        return self._answer("GET", endpoint).content

    def put_elsewhere(self, url: str, data: bytes, headers: Mapping[str, str]) -> str:
        """Upload to a URL that the server has signed, without the credentials that are for the server; the ETag."""
        place = f"the artifact store at {urlsplit(url).hostname}"  # what is behind it is a signature
        session = web.session()
        try:
            with web.failures(place):
                answer = web.ask(session, "PUT", url, data=data, headers=dict(headers), auth=lambda one: one)
        finally:
            session.close()
        if not answer.ok:
            raise _error(answer.status, b"", answer.headers, place)
        return str(answer.headers.get("ETag", ""))

    @cached_property
    def version(self) -> tuple[int, ...]:
        """Of MLflow on the server; () if it does not say."""
        try:
            return tuple(int(part) for part in self.read("/version").decode().split(".")[:2])
        except (ValueError, RefusedError):
            return ()

    def download(self, endpoint: str, **query: Any) -> Iterator[bytes]:
        """An answer bit by bit, as it comes."""
        with (
            web.failures(self.url, _TRUST_HINT),
            self._session.get(
                self.url + endpoint,
                params=query,
                stream=True,
                allow_redirects=False,
                timeout=web.TIMEOUT_S,
                **self._trust,
            ) as answer,
        ):
            web.refuse_redirect(self.url, answer.status_code, answer.headers.get("Location"))
            if not answer.ok:
                raise _error(answer.status_code, web.whole(answer.raw.read1, self.url), answer.headers, self.url)
            yield from answer.iter_content(1 << 20)

    def close(self) -> None:
        self._session.close()

    def _call(self, method: str, endpoint: str, **told: Any) -> dict[str, Any]:
        answer = self._answer(method, endpoint, **told)
        try:
            said = Answer(msgspec.json.decode(answer.content or b"{}", type=dict[str, Any]))
        except msgspec.DecodeError:
            raise UnavailableError(f"{self.url} does not answer as an MLflow server does: no JSON") from None
        said.url = self.url
        return said

    def _answer(self, method: str, endpoint: str, **told: Any) -> web.Reply:
        place = endpoint if endpoint.startswith("/") else API + endpoint
        with web.failures(self.url, _TRUST_HINT):
            answer = web.ask(self._session, method, self.url + place, **self._trust, **told)
        if not answer.ok:
            raise _error(answer.status, answer.content, answer.headers, self.url)
        return answer


def address(url: str) -> str:
    return web.address(url, "MLFLOW_TRACKING_URI", "host:5000")


def _auth() -> Any:
    user, password = secret("MLFLOW_TRACKING_USERNAME"), secret("MLFLOW_TRACKING_PASSWORD")
    if user and password:
        return user, password
    token = secret("MLFLOW_TRACKING_TOKEN")
    if token is None:
        return None  # requests looks into ~/.netrc

    def bearer(request: Any) -> Any:
        request.headers["Authorization"] = f"Bearer {token}"
        return request

    return bearer


def pages(ask: Callable[..., Mapping[str, Any]], what: str, **told: Any) -> Iterator[dict[str, Any]]:
    """All that a server lists under a name, by `ask`, page by page."""
    while True:
        answer = ask(**told)
        yield from answer.get(what, ())
        token = answer.get("next_page_token")
        if not token or token == told.get("page_token"):  # the latter from a server that has only one page
            return
        told["page_token"] = token


def _error(status: int, body: bytes, headers: Mapping[str, str], url: str) -> Exception:
    try:
        told = msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        told = {}
    code = str(told.get("error_code", ""))
    message = str(told.get("message", ""))[: web.LONGEST_MESSAGE] or f"status {status}"
    if status in (401, 403):
        return DeniedError(
            f"{url} refuses these credentials (status {status}): set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and "
            f"MLFLOW_TRACKING_PASSWORD, to those of a user who may write there ({message})"
        )
    if status == 404 and not code:
        return NoSuchEndpointError(f"{url} answers with status 404: is there an MLflow server at this address?")
    if status in (408, 425, 429) or (status >= 500 and status != 501):
        return UnavailableError(
            f"{url} answers with status {status}: {message}", web.wait(headers.get("Retry-After", ""))
        )
    return RefusedError(message, status, code)
