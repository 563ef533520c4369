"""Where something in a file would be hidden: rule, line and column, never what stands there. Nothing is written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from reticent_redact import binary, files, names
from reticent_redact.found import Found
from reticent_redact.redactor import Redactor
from reticent_redact.rules.rule import Confidence
from reticent_redact.text import UNSCANNED_RULE


class Place(NamedTuple):
    """What would be hidden, by which rule, what is done with it, and where it begins: line and column from 1, in characters.

    Of a file that is no text, or a credential as a whole, line and column are None: all of it would be withheld.
    """

    rule: str
    action: str
    confidence: Confidence
    line: int | None = None
    column: int | None = None


def scan_file(redactor: Redactor, path: Path, channel: str = "artifact") -> Iterator[Place]:
    """The places in a file, in their order; memory does not grow with it. Raises OSError if it cannot be read."""
    if redactor.is_secret_file(path.name):
        yield _withheld(redactor, names.SECRET_FILE)
        return
    with path.open("rb") as file:
        yield from scan(redactor, file, channel)


def scan(redactor: Redactor, file: BinaryIO, channel: str = "artifact") -> Iterator[Place]:
    """The same of an open file that can be read from its start again."""
    try:
        encoding = files.text_encoding(file)
        if encoding is not None:
            yield from _in_text(redactor, file, encoding, channel)
            return
    except OSError:
        raise
    except Exception:  # noqa: BLE001 - as sealing does: what cannot be looked at is withheld
        yield _withheld(redactor, UNSCANNED_RULE)
        return
    try:
        hits = list(binary.hits(file, redactor, channel))
    except OSError:
        raise
    except Exception:  # noqa: BLE001 - as above
        hits = [UNSCANNED_RULE]
    for rule in dict.fromkeys(hits):
        yield _withheld(redactor, rule)


def _in_text(redactor: Redactor, file: BinaryIO, encoding: str, channel: str) -> Iterator[Place]:
    line = column = 1
    for piece in files.pieces(file, encoding, redactor.scanner, Found(redactor, channel, None)):
        at = piece.start
        for span in piece.spans:
            if not piece.start < span.end <= piece.end:
                continue
            start = max(span.start, piece.start)
            line, column = _after(piece.text, at, start, line, column)
            at = start
            action = redactor.action(span.rule, channel, span.key, piece.text[span.start : span.end])
            if action != "keep":
                yield Place(span.rule, action, redactor.confidence(span.rule), line, column)
        line, column = _after(piece.text, at, piece.end, line, column)


def _after(text: str, start: int, end: int, line: int, column: int) -> tuple[int, int]:
    """Line and column of `end`, given those of `start`."""
    breaks = text.count("\n", start, end)
    return (line + breaks, end - text.rfind("\n", start, end)) if breaks else (line, column + end - start)


def _withheld(redactor: Redactor, rule: str) -> Place:
    return Place(rule, "withhold", redactor.confidence(rule))
