"""Sealed records, sealed once more: by a stricter policy on their way to a backend, by today's in a stored run."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TypeVar, get_args, get_type_hints

import msgspec

from reticent.models.mlmodel import relisted
from reticent.records import (
    Artifact,
    ArtifactRemoved,
    Delivery,
    MetricKey,
    Model,
    ModelAlias,
    ModelTried,
    Param,
    Record,
    Reference,
    RunEnded,
    RunStarted,
    Staged,
    Tag,
    WriterStarted,
)
from reticent_redact import LEFT_OUT, Redactor, Report, SealedText
from reticent_redact.markers import MARKER, marker

Changed = Mapping[str, tuple[int, str]]
"""By the SHA-256 that a file had, the size and the SHA-256 that it has now."""

R = TypeVar("R", bound=Record)

_CHANNELS = {
    (WriterStarted, "host"): "host",
    (RunStarted, "name"): "run name",
    (RunStarted, "experiment"): "experiment name",
    (RunEnded, "error"): "traceback",
    (Param, "key"): "param name",
    (Param, "value"): "param",
    (Tag, "key"): "tag name",
    (Tag, "value"): "tag",
    (MetricKey, "key"): "metric name",
    (Staged, "path"): "artifact name",
    (Staged, "registered_name"): "artifact name",
    (Artifact, "path"): "artifact name",
    (ArtifactRemoved, "path"): "artifact name",
    (Reference, "path"): "artifact name",
    (Reference, "location"): "artifact",
    (Model, "path"): "artifact name",
    (Model, "registered_name"): "artifact name",
    (Model, "mlmodel"): "artifact",
    (ModelAlias, "name"): "artifact name",
    (ModelAlias, "alias"): "artifact name",
    (ModelAlias, "path"): "artifact name",
    (ModelTried, "path"): "artifact name",
    (ModelTried, "detail"): "warning",
    (Delivery, "error"): "backend error",
}
_CHANNEL_OF_KIND = {"withheld": "artifact name", "dataset": "dataset", "console": "console"}
_OTHERS = "warning"


def reseal(record: R, redactor: Redactor, report: Report | None = None, changed: Changed = {}) -> R | None:  # noqa: B006 - it is only read
    """The record without what this redactor hides; the record itself if that is nothing, None if all of it is left out.

    A number is text by now: under a secret's key it is hidden, too. `changed` are files whose sizes and checksums are told
    anew where a model lists them.
    """
    changes: dict[str, object] = {}
    for name, channel in _sealed_fields(type(record)):
        text = getattr(record, name)
        if text is None:
            continue
        key = getattr(record, "key", "") if name == "value" else ""
        given = relisted(text, changed) if changed and isinstance(record, Model) and name == "mlmodel" else text
        sealed = reseal_text(given, redactor, channel, key, report)
        if name == "value" and sealed == LEFT_OUT:
            return None
        if sealed != text:
            changes[name] = sealed
    return msgspec.structs.replace(record, **changes) if changes else record


def reseal_text(text: str, redactor: Redactor, channel: str, key: str = "", report: Report | None = None) -> SealedText:
    """A sealed text, sealed again. A hash that the redactor's policy does not want becomes a plain marker."""

    def wanted(found: str, rule: str) -> str:
        return found if redactor.policy.decide is not None or _hashes(redactor, rule, channel, key) else marker(rule)

    if "@" in text and MARKER.search(text):
        text = MARKER.sub(lambda found: wanted(found[0], found[1]), text)
    return redactor.seal(text, channel=channel, key=key, report=report)


def _hashes(redactor: Redactor, rule: str, channel: str, key: str) -> bool:
    return redactor.action(rule, channel, key, "") in ("hash", "keep")


@lru_cache(maxsize=64)
def _sealed_fields(kind: type[Record]) -> list[tuple[str, str]]:
    """The fields that hold sealed text, each with the channel that it is sealed for."""
    other = _CHANNEL_OF_KIND.get(str(kind.__struct_config__.tag), _OTHERS)
    return [
        (name, _CHANNELS.get((kind, name), other))
        for name, hint in get_type_hints(kind).items()
        if hint is SealedText or SealedText in get_args(hint)
    ]
