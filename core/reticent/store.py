"""Runs read back: from the embedded store, brought up to date with the run logs first. No server, no configuration."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from reticent.backends.sqlite import query
from reticent.backends.sqlite.query import StoredRun
from reticent.backends.sqlite.schema import database_path
from reticent.delivery import Sender
from reticent.errors import RunNotFoundError, StoreError
from reticent.session import Session, current

if TYPE_CHECKING:
    import pandas
