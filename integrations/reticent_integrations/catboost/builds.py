"""What CatBoost writes into its models of how it was built. The author of its last commit is in there, by e-mail address,
with which no model would be published."""

from __future__ import annotations

import re

KEY = "catboost_version_info"
"""What it is called among the model's metadata."""
_TEXT = re.compile(rb"(?s:(....))(Git info:\n    Commit: [0-9a-f]{40}\n)")
"""Its beginning, behind its length. CatBoost says the same of builds of later commits."""


def blanked(content: bytes) -> bytes:
    """A file that models of CatBoost may lie in as they serialize themselves, with blanks for these texts; of the same
    length, so that what is around them still holds. The same bytes if there are none."""
    if KEY.encode() not in content:
        return content
    changed = bytearray(content)
    for found in _TEXT.finditer(content):
        start, length = found.start(2), int.from_bytes(found[1], "little")
        end = start + length
        if content[end : end + 1] == b"\0":  # as its format ends a text, and no pickle does
            changed[start:end] = b" " * length
    return bytes(changed)
