"""What a pickle would import when it is loaded, read with nothing imported and nothing executed."""

from __future__ import annotations

import io
from typing import BinaryIO

UNKNOWN = "?"
"""Stands among the names for what could not be read, or what the pickle itself does not tell."""


def pickle_imports(data: BinaryIO | bytes) -> list[str]:
    """The `module.name` of everything that a pickle would import when it is loaded, sorted.

    `data` is one pickle or several, of any protocol, also with the arrays of joblib between their operations; a file is
    read from its beginning, a piece at a time. `"?"` is among the names if it could not be read to its end, or if a name
    is not known: it is computed, or the code of an extension that this process has not registered. Never raises.
    """
    from reticent_redact.importing import Importing, ImportingArrays  # takes a while, and is for pickles only

    file = io.BytesIO(data) if isinstance(data, bytes) else data
    found: set[str] = set()
    try:
        as_pickle = Importing(file, found, UNKNOWN)
        try:
            as_pickle.follow()
        except Exception:
            if not as_pickle.has_arrays:  # in the bytes of an array `pickle` fails as well
                raise
        if as_pickle.has_arrays:
            ImportingArrays(file, found, UNKNOWN).follow()
    except Exception:  # noqa: BLE001 - it is damaged, no pickle, or made to be read in more than one way
        found.add(UNKNOWN)
    return sorted(found)
