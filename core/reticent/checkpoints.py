"""Which of a training's checkpoints its run keeps: the best and the last ones. The others are removed from it again.

One step has one checkpoint, which may be among the best and the last at once: it is stored once, tags say which it is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from reticent.runlog import ARTIFACTS

if TYPE_CHECKING:
    from reticent.run import Run


@dataclass(frozen=True, slots=True)
class Checkpoint:
    source: Path
    step: int
    cost: float | None
    """The lower the better; None: not known."""
    score: float | None
    """As the training tells it."""
    monitor: str = ""


class Checkpoints:
    """Those of one fit. Not for several threads at once."""

    def __init__(self, run: Run, prefix: str, which: Literal["both", "best", "last", "none"], keep: int) -> None:
        self._run = run
        self._prefix = prefix
        self._which = which
        self._keep = keep
        self._kept = _kept_before(run.directory / ARTIFACTS / self._table)
        """By step; those of an earlier process too, when its training is resumed."""

    def add(self, checkpoint: Checkpoint) -> None:
        """Keep a checkpoint, if it is one to be kept; one that cannot be stored whole takes the place of none."""
        known = self._kept.get(checkpoint.step)
        if known is not None:  # the same weights under another name: `last.ckpt` beside `epoch=2.ckpt`
            if known.cost is None and checkpoint.cost is not None:
                self._kept[checkpoint.step] = replace(checkpoint, source=known.source)
                self._remove_others(self._wanted([*self._kept.values()]))
                self._tell()
            return
        wanted = self._wanted([*self._kept.values(), checkpoint])
        if checkpoint not in wanted:
            return
        if not self._run.log_checkpoint_as(checkpoint.source, self._path(checkpoint)):
            self._run.remove_artifact(self._path(checkpoint))
            return
        self._remove_others(wanted)
        self._kept[checkpoint.step] = checkpoint
        self._tell()

    def _remove_others(self, wanted: list[Checkpoint]) -> None:
        for step, old in list(self._kept.items()):
            if old not in wanted:
                del self._kept[step]
                self._run.remove_artifact(self._path(old))

    def _wanted(self, all_of_them: list[Checkpoint]) -> list[Checkpoint]:
        """Those to keep: the best and the last ones."""
        wanted = []
        if self._which in ("both", "best"):
            wanted += self._best(all_of_them)
        if self._which in ("both", "last"):
            wanted += self._last(all_of_them)
        return wanted

    def _best(self, all_of_them: list[Checkpoint]) -> list[Checkpoint]:
        """The ones of least cost, of equal ones the earliest; the last ones where no cost is known."""
        known = [one for one in all_of_them if one.cost is not None and one.cost == one.cost]
        if not known:
            return self._last(all_of_them)
        return sorted(known, key=lambda one: (one.cost, one.step))[: self._keep]

    def _last(self, all_of_them: list[Checkpoint]) -> list[Checkpoint]:
        return sorted(all_of_them, key=lambda one: one.step)[-self._keep :]

    def _path(self, checkpoint: Checkpoint) -> str:
        return f"{self._prefix}checkpoints/step_{checkpoint.step}/{checkpoint.source.name}"

    def _tell(self) -> None:
        """Say by tags which are the best and the last, and of all in a table."""
        kept = list(self._kept.values())
        best, last = self._best(kept)[0], self._last(kept)[-1]
        paths = {"best": self._path(best), "last": self._path(last)}
        self._run.set_tags({f"{self._prefix}checkpoint_{which}": path for which, path in paths.items()})
        table = [
            {
                "path": self._path(one),
                "step": one.step,
                "monitor": one.monitor,
                "score": one.score,
                "mode": "min" if one.cost == one.score else "max",
            }
            for one in kept
        ]
        self._run.log_dict(table, self._table)

    @property
    def _table(self) -> str:
        return f"{self._prefix}checkpoints/checkpoints.json"


def _kept_before(table: Path) -> dict[int, Checkpoint]:
    """What the table of a run says that it keeps; nothing if it has none, or one that cannot be read."""
    try:
        rows = json.loads(table.read_bytes())
        scores = [None if row["score"] is None else float(row["score"]) for row in rows]
        return {
            row["step"]: Checkpoint(
                Path(row["path"]),
                row["step"],
                score if score is None or row["mode"] == "min" else -score,
                score,
                row["monitor"],
            )
            for row, score in zip(rows, scores, strict=True)
        }
    except (OSError, ValueError, KeyError, TypeError):
        return {}
