"""Params are text in a run log; where a tracker has types, its users filter and sort by them."""

from __future__ import annotations

import ast

import msgspec

_LITERALS = {"True": "true", "False": "false", "None": "null"}


def json_of(text: str) -> str:
    """A param's value as JSON: numbers, True, False, None, lists and dicts as what they are, else a string."""
    if text in _LITERALS:
        return _LITERALS[text]
    try:
        msgspec.json.decode(text)
        return text
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        pass
    if text.startswith(("{", "[", "(")):  # as Python writes it
        try:
            return msgspec.json.encode(ast.literal_eval(text)).decode()
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError, OverflowError):
            pass
    return quoted(text)


def quoted(text: str) -> str:
    """A text as JSON."""
    return msgspec.json.encode(text.encode("utf-8", "replace").decode()).decode()


def typed(text: str) -> object:
    """A param's value as what it is."""
    return msgspec.json.decode(json_of(text))
