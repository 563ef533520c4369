"""In which line of a TOML file a setting stands: its parser does not say."""

from __future__ import annotations

import re

Keys = tuple[str | int, ...]

_HEADER = re.compile(r"\s*(\[\[?)([^\[\]]+)\]\]?")
_ASSIGNMENT = re.compile(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_NAME = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")
_PYPROJECT = ("tool", "reticent")


def line_of(text: str, keys: Keys, about: str = "") -> int | None:
    """The number of the line that says `keys`, such as `("redact", "rules", 1, "pattern")`, or as much of it as any line
    does; None if none says any.

    Of an array in one value the line is that of the text `about`, the item's id.
    """
    best, found = 0, None
    table: Keys = ()
    counts: dict[Keys, int] = {}
    lines = text.splitlines()
    for number, line in enumerate(lines):
        header, assignment = _HEADER.match(line), _ASSIGNMENT.match(line)
        if header:
            table = said = _within(_names(header[2]), counts)
            if header[1] == "[[":
                counts[said] = counts.get(said, -1) + 1
                table = said = (*said, counts[said])
        elif assignment:
            said = (*table, *_names(assignment[1]))
        else:
            continue
        same = _common(said, keys)
        if same > best and (same == len(said) or same == len(keys)):
            best, found = same, number
    if found is not None and about and best < len(keys):
        quoted = (f'"{about}"', f"'{about}'")
        found = next((n for n in range(found, len(lines)) if any(part in lines[n] for part in quoted)), found)
    return None if found is None else found + 1


def _names(dotted: str) -> Keys:
    names = tuple(name.strip("\"'") for name in _NAME.findall(dotted))
    return names[2:] if names[:2] == _PYPROJECT else names


def _within(names: Keys, counts: dict[Keys, int]) -> Keys:
    """The keys of a table whose header names an array on its way: that array's newest item is meant."""
    keys: Keys = ()
    for position, name in enumerate(names):
        keys = (*keys, name)
        if keys in counts and position < len(names) - 1:
            keys = (*keys, counts[keys])
    return keys


def _common(one: Keys, other: Keys) -> int:
    count = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        count += 1
    return count
