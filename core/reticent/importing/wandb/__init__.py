"""Runs of Weights & Biases, from the directory in which its SDK keeps them or from a server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reticent.importing.past import PastRun
from reticent.importing.wandb import directory, server

__all__ = ["runs"]


def runs(place: str, experiments: Sequence[str]) -> Iterator[PastRun]:
    """Those of `wandb://entity/project`, or below a directory."""
    return server.runs(place, experiments) if "://" in place else directory.runs(place, experiments)
