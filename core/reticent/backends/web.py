"""What backends that speak HTTP have in common: which errors mean "later", and how long that is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from time import time
from typing import Any
from urllib.parse import urlsplit

from reticent.backends import UnavailableError, name_of
from reticent.errors import SettingsError

TIMEOUT_S = (5.0, 60.0)
"""To connect, and between two bytes of an answer."""

LONGEST_MESSAGE = 300


def address(url: str, variable: str, example: str) -> str:
    """A server's own URL: of `name+https://host/prefix` it is `https://host/prefix`, of `name` what a variable of the
    environment says. SettingsError if there is none."""
    name = name_of(url)
    _, plus, own = url.partition("+")
    parts = urlsplit(own if plus else os.environ.get(variable, ""))
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(
            f"the backend {name} needs the address of a server: {name}+http://{example}, "
            f"{name}+https://host/prefix, or `{name}` with such an address in {variable}"
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def session() -> Any:
    """One of `requests`. Only what has not reached the server is tried again by it; anything else is the sender's, which
    can wait for longer."""
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    made = requests.Session()
    again = Retry(total=None, connect=2, read=0, redirect=3, status=0, other=0, backoff_factor=0.1)
    for scheme in ("http://", "https://"):
        made.mount(scheme, HTTPAdapter(max_retries=again, pool_maxsize=4))
    return made


@contextmanager
def failures(place: str, trust: str = "") -> Iterator[None]:
    """UnavailableError for what keeps a request from its answer; `trust` is what to say when TLS fails."""
    import requests

    try:
        yield
    except requests.exceptions.SSLError as error:
        raise UnavailableError(f"{place}: TLS: {reason(error)}{trust}") from error
    except requests.exceptions.ProxyError as error:
        raise UnavailableError(f"{place}: the proxy in the environment fails: {reason(error)}") from error
    except requests.exceptions.Timeout as error:
        raise UnavailableError(f"{place} does not answer in time") from error
    except (requests.exceptions.RequestException, OSError) as error:
        raise UnavailableError(f"{place} cannot be reached: {reason(error)}") from error


def wait(text: str) -> float:
    """The seconds of a header Retry-After, which has a number or a date."""
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time())
    except (TypeError, ValueError):
        return 0.0


def reason(error: BaseException) -> str:
    """What the innermost error says: those around it repeat addresses and objects."""
    inner = error
    while True:
        deeper = getattr(inner, "reason", None) or inner.__cause__ or inner.__context__
        if not isinstance(deeper, BaseException) or deeper is inner:
            break
        inner = deeper
    return str(inner)[:LONGEST_MESSAGE] or type(inner).__name__
