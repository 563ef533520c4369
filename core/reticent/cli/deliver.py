"""`reticent sync` and `reticent reindex`: bring backends, or the embedded database, up to date with the run logs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.text import Text

from reticent.cli import render
