"""What stands under a secret's name and is no secret by its form: a place, an address without a password, a dtype."""

from __future__ import annotations

import os
import re

from reticent_redact.later import later

_ROOT = later(r"~?/|\.{1,2}/|[A-Za-z]:[\\/]", re.ASCII)
_BETWEEN = later(r"[\\/]")
_CALLED = r"(?:[a-z]{1,20}|[A-Z]{1,20}|[A-Z]?[a-z]{2,20}(?:[A-Z][a-z]{1,20}){1,4}|[A-Z][a-z]{1,20})?\d{0,14}[a-z]?"
_SEGMENT = later(rf"~?\.?{_CALLED}(?:[-_. ]{{1,2}}{_CALLED}){{0,12}}", re.ASCII)
"""What a directory or file is called: words, numbers, versions, dates."""
_SHORTEST_WORD = 3
_LONGEST_PATH = 4096

_DTYPE = later(
    r"(?:torch\.|tf\.|np\.|numpy\.|jnp\.)?(?:u?int(?:8|16|32|64)|b?float(?:16|32|64|128)|complex(?:64|128)|bool_?|string)"
    r"|(?:datetime|timedelta)64(?:\[[a-zA-Z, /]{1,40}\])?|object|category|period\[[A-Za-z-]{1,8}\]|[<>|=][a-zA-Z][0-9]{1,4}",
    re.ASCII | re.IGNORECASE,
)
_LICENCE = later(
    r"mit|isc|unlicense|wtfpl|apache-?2\.0|(?:[al]?gpl|mpl|epl|eupl|cddl)-?[23]?\.?[0-9]?(?:-only|-or-later)?"
    r"|bsd-[0-4]-clause|0bsd|bsl-1\.[01]|cc0-1\.0|cc-by(?:-nc)?(?:-sa|-nd)?(?:-[1-4]\.[0-9])?|(?:creativeml-)?openrail(?:\+\+|-m)?",
    re.IGNORECASE,
)
_ADDRESS = later(
    r"(?:jdbc:)?(?:rediss?|postgres(?:ql)?|mysql|mariadb|mongodb|amqps?|mssql|sqlserver|oracle|clickhouse|kafka|nats"
    r"|memcached|cassandra)(?:\+[a-z0-9_]{1,16})?://"
    r"[a-z0-9_.-]{1,255}(?::\d{1,5})?(?:,[a-z0-9_.-]{1,255}(?::\d{1,5})?){0,8}(?:/{1,2}[a-z0-9_.-]{0,64})?",
    re.ASCII | re.IGNORECASE,
)
"""A server's, and none of a user or a password: no `@`, no query."""


def is_dtype(value: str) -> bool:
    """Whether a value is the type of a column or array: in a schema the names of columns are keys, secret ones too."""
    return _DTYPE.fullmatch(value) is not None


def is_licence(value: str) -> bool:
    """Whether a value is the short name of a public licence."""
    return len(value) <= 32 and _LICENCE.fullmatch(value) is not None


def is_open_address(value: str) -> bool:
    """Whether a value is the address of a server, without what lets in: `redis://localhost:6379/0`."""
    return _ADDRESS.fullmatch(value) is not None


def is_path(value: str) -> bool:
    """Whether a value is the place of a file: it begins like one and goes on in segments that are words, the first two or
    most, or it exists.

    A key in Base64 begins with a slash once in 64 times.
    """
    if len(value) > _LONGEST_PATH or _ROOT.match(value) is None:
        return False
    segments = [segment for segment in _BETWEEN.split(value) if segment.strip(".~") and segment[1:] != ":"]
    called = [segment if _SEGMENT.fullmatch(segment) else "" for segment in segments]
    if len(segments) >= 2 and (
        2 * len("".join(called)) >= len("".join(segments)) or min(map(len, called[:2])) >= _SHORTEST_WORD
    ):
        return True
    return os.path.lexists(os.path.expanduser(value) if value.startswith("~/") else value)
