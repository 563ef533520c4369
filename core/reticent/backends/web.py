"""What backends that speak HTTP have in common: which errors mean "later", and how long that is."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import monotonic, time
from typing import Any
from urllib.parse import urlsplit

from reticent.backends import UnavailableError, name_of
from reticent.errors import SettingsError

TIMEOUT_S = (5.0, 60.0)
"""To connect, and between two bytes of an answer."""

LONGEST_S = 120.0
"""For all of an answer, its head too, from when it is waited for."""

MOST_BYTES = 64 << 20
"""Of an answer, unpacked: a few kilobytes may unfold to anything, and an answer need not have an end."""

LONGEST_WAIT_S = 3600.0
"""What a server may ask for at most before it is asked again."""

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
    """One of `requests`, whose answers have an end. Only what has not reached the server is tried again by it; anything
    else is the sender's, which can wait for longer."""
    import requests
    from urllib3.util import Retry

    from reticent.backends.pools import Adapter

    made = requests.Session()
    made.headers["Accept-Encoding"] = "identity"  # what is packed can unfold to anything
    again = Retry(total=None, connect=2, read=0, redirect=0, status=0, other=0, backoff_factor=0.1)
    for scheme in ("http://", "https://"):
        made.mount(scheme, Adapter(max_retries=again, pool_maxsize=4))
    return made


@dataclass(frozen=True, slots=True)
class Reply:
    """A server's answer, all of it."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def ok(self) -> bool:
        return self.status < 400


def ask(session: Any, method: str, url: str, **told: Any) -> Reply:
    """One request of a `session` and its answer, inside of `failures`.

    UnavailableError for an answer without an end, and for one that sends the request on: it carries credentials, and a
    POST that is sent on may come to nothing with a status that says it was taken.
    """
    place = _place(url)
    with session.request(method, url, stream=True, allow_redirects=False, timeout=TIMEOUT_S, **told) as answer:
        refuse_redirect(place, answer.status_code, answer.headers.get("Location"))
        return Reply(answer.status_code, answer.headers, whole(answer.raw.read1, place))


def refuse_redirect(place: str, status: int, location: str | None) -> None:
    """UnavailableError if an answer sends the request on to somewhere else."""
    if location is not None and 300 <= status < 400:
        raise UnavailableError(
            f"{place} sends requests on to {_place(location) or location[:LONGEST_MESSAGE]} (status {status}), which are "
            "not sent there, for they carry credentials; give that address if it is the right one"
        )


def whole(read: Callable[[int], bytes], place: str) -> bytes:
    """What can be read of an answer, by a function that waits for some bytes and not for all of them."""
    parts, size, deadline = [], 0, monotonic() + LONGEST_S
    while part := read(1 << 16):
        parts.append(part)
        size += len(part)
        if size > MOST_BYTES:
            raise UnavailableError(f"{place} answers with more than {MOST_BYTES >> 20} MB")
        if monotonic() > deadline:
            raise UnavailableError(f"{place} takes more than {LONGEST_S:.0f} s for one answer")
    return b"".join(parts)


def _place(url: str) -> str:
    """The server of a URL; "" if it names none."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.netloc else ""


@contextmanager
def failures(place: str, trust: str = "") -> Iterator[None]:
    """UnavailableError for what keeps a request from its answer; `trust` is what to say when TLS fails."""
    import requests
    import urllib3

    try:
        yield
    except requests.exceptions.SSLError as error:
        raise UnavailableError(f"{place}: TLS: {reason(error)}{trust}") from error
    except requests.exceptions.ProxyError as error:
        raise UnavailableError(f"{place}: the proxy in the environment fails: {reason(error)}") from error
    except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError) as error:
        raise UnavailableError(f"{place} does not answer in time") from error
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise UnavailableError(f"{place} cannot be reached: {reason(error)}") from error


def wait(text: str) -> float:
    """The seconds of a header Retry-After, which has a number or a date; not more than LONGEST_WAIT_S."""
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - time()
        except (TypeError, ValueError, OverflowError):
            return 0.0
    return 0.0 if math.isnan(seconds) else min(max(0.0, seconds), LONGEST_WAIT_S)


def reason(error: BaseException) -> str:
    """What the innermost error says: those around it repeat addresses and objects."""
    inner = error
    while True:
        deeper = getattr(inner, "reason", None) or inner.__cause__ or inner.__context__
        if not isinstance(deeper, BaseException) or deeper is inner:
            break
        inner = deeper
    return str(inner)[:LONGEST_MESSAGE] or type(inner).__name__
