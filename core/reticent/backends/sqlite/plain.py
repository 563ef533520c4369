"""Forms of what is stored that JSON can hold: times as ISO 8601, NaN and infinities as text."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any

from reticent.records import Record


def plain(records: Iterable[Record]) -> list[dict[str, Any]]:
    rows = [
        {name: getattr(record, name) for name in record.__struct_fields__ if name != "staged"} for record in records
    ]
    return [{**row, "time": iso(row["time"])} for row in rows]


def iso(moment: float | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, timezone.utc).isoformat()


def parsed(text: str) -> Any:
    """What JSON text says; the text itself if it is none."""
    try:
        return finite(json.loads(text))
    except ValueError:
        return text


def finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    return [finite(item) for item in value] if isinstance(value, list) else value
