"""Asks a W&B server whether it takes what we bring."""

from __future__ import annotations

import base64
import netrc
import os
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPHandler, HTTPRedirectHandler, HTTPSHandler, Request, build_opener

import msgspec

from reticent.backends import UnavailableError, web
from reticent.backends.bounded import Connection, TlsConnection
from reticent.backends.credentials import secret
from reticent.errors import SettingsError

_TIMEOUT_S = 10.0


def address() -> str:
    """The server of WANDB_BASE_URL, else W&B's own."""
    url = os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai").rstrip("/")
    if urlsplit(url).scheme not in ("http", "https"):
        raise SettingsError("WANDB_BASE_URL has to begin with http:// or https://")
    return url


def api_key(url: str) -> str:
    """From WANDB_API_KEY, the keyring or ~/.netrc. UnavailableError if there is none."""
    key = secret("WANDB_API_KEY") or _of_netrc(urlsplit(url).hostname or "")
    if not key:
        raise UnavailableError("W&B needs an API key: set WANDB_API_KEY, or call `wandb login` once")
    return key


def reach(url: str, key: str) -> None:
    """UnavailableError if the server does not answer, or does not know the key."""
    request = Request(  # noqa: S310 - http or https
        f"{url}/graphql",
        msgspec.json.encode({"query": "query Viewer { viewer { id } }", "variables": {}}),
        {
            "Content-Type": "application/json",
            "Authorization": "Basic " + base64.b64encode(f"api:{key}".encode()).decode(),
        },
    )
    try:
        with build_opener(_Nowhere, _Plain, _Tls).open(request, timeout=_TIMEOUT_S) as answer:
            told = msgspec.json.decode(web.whole(answer.read1, url))
    except HTTPError as error:
        error.close()  # it is an open answer as well
        web.refuse_redirect(url, error.code, error.headers.get("Location"))
        if error.code in (401, 403):
            raise UnavailableError(
                f"{url} refuses the API key (status {error.code}); set another WANDB_API_KEY"
            ) from None
        after = web.wait(error.headers.get("Retry-After", ""))
        raise UnavailableError(f"{url} answers with status {error.code}", after) from None
    except (URLError, OSError) as error:
        raise UnavailableError(f"{url} cannot be reached: {getattr(error, 'reason', error)}") from None
    except msgspec.DecodeError:
        raise UnavailableError(f"{url} does not answer as a W&B server does: no JSON") from None
    if not ((told.get("data") or {}).get("viewer") if isinstance(told, dict) else None):
        raise UnavailableError(f"{url} does not know the API key; set another WANDB_API_KEY")


class _Nowhere(HTTPRedirectHandler):
    """Follows no redirect: the key would go with it, to whatever host it names."""

    def redirect_request(self, *_: Any) -> None:
        return None


class _Plain(HTTPHandler):
    def http_open(self, request: Request) -> Any:
        return self.do_open(Connection, request)


class _Tls(HTTPSHandler):
    def https_open(self, request: Request) -> Any:
        return self.do_open(TlsConnection, request)


def _of_netrc(host: str) -> str | None:
    try:
        found = netrc.netrc(os.environ.get("NETRC")).authenticators(host)
    except (OSError, netrc.NetrcParseError):
        return None
    return found[2] if found else None
