"""What W&B says of a run beside its history, as ours say it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from reticent.backends.wandb.mapping import STATUS, STEP
from reticent.importing.wandb.values import name, summary_texts
from reticent.records import RunStatus

OUR_FILES = "artifacts/"
"""Below it our backend keeps the files of a run."""

_SHOWN = ("entity", "group", "job_type", "sweep")
_AS_HERE = ("notes", "host", "user")


class Described(NamedTuple):
    ours: bool
    """Whether our backend wrote it."""
    experiment: str
    parent: str | None
    """W&B's id of it."""
    params: dict[str, Any]
    tags: dict[str, str]
    status: RunStatus | None
    """That a run of ours ended with."""


def describe(
    project: str, run: Mapping[str, str], words: Sequence[str], config: Mapping[str, Any], summary: Mapping[str, Any]
) -> Described:
    """`words` are W&B's tags, which have no values."""
    ours = STATUS in summary or STEP in summary
    params = {key: value for key, value in config.items() if key != "_wandb"}
    tags = {f"wandb.{key}": run[key] for key in _SHOWN if run.get(key)}
    tags |= {key: run[key] for key in _AS_HERE if run.get(key)}
    tags |= summary_texts(summary)
    if words:
        tags["wandb.tags"] = ", ".join(words)
    parent, status = None, str(summary.get(STATUS, ""))
    if ours:
        own = params.pop("tags", None)
        tags |= {str(key): str(value) for key, value in own.items()} if isinstance(own, dict) else {}
        parent = params.pop("parent_run", None)
    return Described(
        ours,
        (run.get("group") if ours else None) or project,
        None if parent is None else str(parent),
        {name(key): _in_order(value) for key, value in params.items()},
        tags,
        RunStatus(status) if status in RunStatus.__members__ else None,
    )


def _in_order(value: Any) -> Any:
    """The same text for the same value: W&B's upload puts the keys within a value in any order."""
    if isinstance(value, dict):
        return {key: _in_order(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_in_order(one) for one in value]
    return value
