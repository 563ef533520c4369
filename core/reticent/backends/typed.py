"""Values for trackers that show a number as a number and a list as a list."""

from __future__ import annotations

import msgspec

_LITERALS = {"True": True, "False": False, "None": None}


def typed(text: str) -> object:
    """A param's value: True, False, None, a number, or a list or dict of JSON as what it is, any other as the text."""
    if text in _LITERALS:
        return _LITERALS[text]
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text
