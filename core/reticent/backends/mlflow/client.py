"""Speaks to an MLflow server's REST API (https://mlflow.org/docs/latest/rest-api.html), without the `mlflow` package."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, BinaryIO
from urllib.parse import quote

import msgspec

from reticent.backends import UnavailableError, web
from reticent.backends.credentials import secret

API = "/api/2.0/mlflow/"


class RefusedError(Exception):
    """The server has understood and will not do it, now or later. `code` is MLflow's name of the error, or ""."""

    def __init__(self, message: str, status: int, code: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class Client:
    """One server. Credentials are those that MLflow's own client takes: MLFLOW_TRACKING_USERNAME and _PASSWORD, or
    MLFLOW_TRACKING_TOKEN, from the environment or the keyring's service "reticent"; or ~/.netrc. Proxies are those of the
    environment; MLFLOW_TRACKING_SERVER_CERT_PATH names a CA, MLFLOW_TRACKING_CLIENT_CERT_PATH a certificate of ours.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = web.session()
        self._session.auth = _auth()
        if ca := os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH"):
            self._session.verify = ca
        if os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in ("true", "1"):
            self._session.verify = False
        if certificate := os.environ.get("MLFLOW_TRACKING_CLIENT_CERT_PATH"):
            self._session.cert = certificate

    def get(self, endpoint: str, **query: Any) -> dict[str, Any]:
        return self._call("GET", endpoint, params=query)

    def post(self, endpoint: str, **body: Any) -> dict[str, Any]:
        return self.post_encoded(endpoint, msgspec.json.encode(body))

    def post_encoded(self, endpoint: str, body: bytes, method: str = "POST") -> dict[str, Any]:
        return self._call(method, endpoint, data=body, headers={"Content-Type": "application/json"})

    def put_file(self, path: str, file: BinaryIO) -> None:
        """Upload the content of an artifact through the server, to a path of its own artifact store."""
        self._call("PUT", f"/api/2.0/mlflow-artifacts/artifacts/{quote(path)}", data=file)

    def download(self, endpoint: str, target: BinaryIO, **query: Any) -> None:
        """Write an answer to a file, as it comes."""
        with (
            self._failures(),
            self._session.get(self.url + endpoint, params=query, stream=True, timeout=TIMEOUT_S) as answer,
        ):
            if not answer.ok:
                raise _error(answer.status_code, answer.content, answer.headers, self.url)
            for chunk in answer.iter_content(1 << 20):
                target.write(chunk)

    def close(self) -> None:
        self._session.close()

    def _call(self, method: str, endpoint: str, **told: Any) -> dict[str, Any]:
        place = endpoint if endpoint.startswith("/") else API + endpoint
        with web.failures(self.url):
            answer = self._session.request(method, self.url + place, timeout=web.TIMEOUT_S, **told)
        if not answer.ok:
            raise _error(answer.status_code, answer.content, answer.headers, self.url)
        if not answer.content:
            return {}
        try:
            return msgspec.json.decode(answer.content, type=dict[str, Any])
        except msgspec.DecodeError:
            raise UnavailableError(f"{self.url} does not answer as an MLflow server does: no JSON") from None


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


def _error(status: int, body: bytes, headers: Mapping[str, str], url: str) -> Exception:
    try:
        told = msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        told = {}
    code = str(told.get("error_code", ""))
    message = str(told.get("message", ""))[: web.LONGEST_MESSAGE] or f"status {status}"
    if status in (401, 403):
        return UnavailableError(
            f"{url} refuses these credentials (status {status}): set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD"
        )
    if status in (408, 425, 429) or status >= 500 or (status == 404 and not code):
        return UnavailableError(
            f"{url} answers with status {status}: {message}", web.wait(headers.get("Retry-After", ""))
        )
    return RefusedError(message, status, code)
