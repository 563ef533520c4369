"""The patterns in the config of an adapter, by which PEFT finds layers: one that backtracks would never end."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_PATTERNS = {
    "alpha_pattern", "exclude_modules", "feedforward_modules", "layers_pattern", "modules_to_save", "rank_pattern",
    "target_modules", "target_parameters", "target_svd_config",
}  # fmt: skip
"""Keys whose texts are searched for as patterns, some of them only as PEFT's releases differ."""

_NAME = re.compile(r"[\w.-]{1,1000}")
_TEXT = r"(?:[\w-]|\\[.-])+"
_GROUP = rf"\((?:\?:)?({_TEXT}(?:\|{_TEXT})*)\)"
_SIMPLE = re.compile(rf"(?:[\w^$|-]|\\[.-]|(?:\.|\\[dw]|\[[\w-]+\])[*+]?\??|{_GROUP})*")
"""Names, alternatives of names, and repeats of single characters: nothing that repeats a group or nests one."""

_LENGTH, _REPEATS, _GROUPS = 500, 3, 2
"""More of them, one after the other, would multiply."""


def not_simple(config: Mapping[str, Any]) -> Iterator[str]:
    """What of an adapter's config needs trust: patterns that could take forever, and what it would open elsewhere."""
    for key, value in config.items():
        if key in _PATTERNS:
            found = [value] if isinstance(value, str) else value or []
            yield from (f"{text[:100]} (a pattern in {key})" for text in found if not _is_simple(text))
        elif isinstance(value, Mapping):
            yield from not_simple(value)
        elif isinstance(value, str) and value and _opens(key):
            yield f"{value} (opened by {key})"
    if config.get("megatron_config"):
        yield str(config.get("megatron_core"))


def _is_simple(text: Any) -> bool:
    if not isinstance(text, str):
        return False
    if _NAME.fullmatch(text):
        return True
    if len(text) > _LENGTH or not _SIMPLE.fullmatch(text):
        return False
    groups = [group.split("|") for group in re.findall(_GROUP, text)]
    repeats = len(re.findall(r"[*+?]", text.replace("(?:", "(")))
    return repeats <= _REPEATS and len(groups) <= _GROUPS and all(len(set(group)) == len(group) for group in groups)


def _opens(key: str) -> bool:
    return key == "shadow_model" or (key.endswith(("_file", "_path")) and not key.endswith("name_or_path"))
