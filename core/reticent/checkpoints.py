"""Which of a training's checkpoints its run keeps: the best and the last ones. The others are removed from it again.

One step has one checkpoint, which may be among the best and the last at once: it is stored once, tags say which it is. Of
what is saved in parts, each is one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from reticent.runlog import ARTIFACTS

if TYPE_CHECKING:
    from reticent.run import Run

Mode: TypeAlias = Literal["min", "max", "newest"]
"""Which score is better; "newest": the training says which it takes for the best so far, and no score."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    source: Path
    step: int
    score: float | None = None
    """As the training tells it; None: not known."""
    monitor: str = ""
    mode: Mode = "min"
    part: str = ""
    """Which one it is of several that a training saves in one step, if these are not the same under other names."""

    @property
    def cost(self) -> float | None:
        """The lower the better; None: not known."""
        if self.mode == "newest":
            return -self.step
        return self.score if self.score is None or self.mode == "min" else -self.score


class Checkpoints:
    """Those of one fit. Not for several threads at once."""

    def __init__(self, run: Run, prefix: str, which: Literal["both", "best", "last", "none"], keep: int) -> None:
        self._run = run
        self._prefix = prefix
        self._which = which
        self._keep = keep
        self._kept = _kept_before(run.directory / ARTIFACTS / self._table)
        """Those of an earlier process too, when its training is resumed."""

    def add(self, checkpoint: Checkpoint) -> None:
        """Keep a checkpoint, if it is one to be kept; one that cannot be stored whole takes the place of none."""
        path = self._path(checkpoint)
        for one in self._kept:
            if one.step == checkpoint.step and (one.part == checkpoint.part or self._path(one) == path):
                # The same weights under another name: `last.ckpt` beside `epoch=2.ckpt`.
                if one.cost is None and checkpoint.cost is not None:
                    self._kept[self._kept.index(one)] = replace(checkpoint, source=one.source)
                    self._remove_others(self._wanted(self._kept))
                    self._tell()
                return
        wanted = self._wanted([*self._kept, checkpoint])
        if checkpoint not in wanted:
            return
        if not self._run.log_checkpoint_as(checkpoint.source, path):
            self._run.remove_artifact(path)
            return
        self._remove_others(wanted)
        self._kept.append(checkpoint)
        self._tell()

    def _remove_others(self, wanted: list[Checkpoint]) -> None:
        for old in [one for one in self._kept if one not in wanted]:
            self._kept.remove(old)
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
        """Those of the steps of least cost, of equal ones the earliest; the last ones where no cost is known."""
        known = {(one.cost, one.step): one for one in all_of_them if one.cost is not None and one.cost == one.cost}
        if not known:
            return self._last(all_of_them)
        return [one for best in sorted(known)[: self._keep] for one in all_of_them if (one.cost, one.step) == best]

    def _last(self, all_of_them: list[Checkpoint]) -> list[Checkpoint]:
        """Those of the last steps, the latest first; of those of one step what was saved as the best last."""
        steps = sorted({one.step for one in all_of_them})[-self._keep :]
        return sorted(
            (one for one in all_of_them if one.step in steps), key=lambda one: (-one.step, one.mode == "newest")
        )

    def _path(self, checkpoint: Checkpoint) -> str:
        return f"{self._prefix}checkpoints/step_{checkpoint.step}/{checkpoint.source.name}"

    def _tell(self) -> None:
        """Say by tags which are the best and the last, and of all in a table."""
        kept = sorted(self._kept, key=lambda one: one.step)
        best, last = self._best(kept)[0], self._last(kept)[0]
        paths = {"best": self._path(best), "last": self._path(last)}
        self._run.set_tags({f"{self._prefix}checkpoint_{which}": path for which, path in paths.items()})
        table = [
            {
                "path": self._path(one),
                "step": one.step,
                "monitor": one.monitor,
                "score": one.score,
                "mode": one.mode,
            }
            for one in kept
        ]
        self._run.log_dict(table, self._table)

    @property
    def _table(self) -> str:
        return f"{self._prefix}checkpoints/checkpoints.json"


def _kept_before(table: Path) -> list[Checkpoint]:
    """What the table of a run says that it keeps; nothing if it has none, or one that cannot be read."""
    try:
        return [
            Checkpoint(
                Path(row["path"]),
                row["step"],
                None if row["score"] is None else float(row["score"]),
                row["monitor"],
                row["mode"],
            )
            for row in json.loads(table.read_bytes())
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return []
