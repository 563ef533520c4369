"""Params are text in a run log; where a tracker has types, its users filter and sort by them."""

from __future__ import annotations

import msgspec

_LITERALS = {"True": "true", "False": "false", "None": "null"}


def json_of(text: str) -> str:
    """A param's value as JSON: numbers, True, False, None, and lists and dicts of JSON as what they are, else a string."""
    if text in _LITERALS:
        return _LITERALS[text]
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return quoted(text)
    return text


def quoted(text: str) -> str:
    """A text as JSON."""
    return msgspec.json.encode(text.encode("utf-8", "replace").decode()).decode()


def typed(text: str) -> object:
    """A param's value as what it is."""
    return msgspec.json.decode(json_of(text))
