"""The run log: what was captured, in files that outlive the process, one writer per file.

    <root>/runs/<run_id>/<writer>.events            one line per event: CRC-32 of the JSON in hex, a space, the JSON
    <root>/runs/<run_id>/<writer>.<number>.metrics  a header of 32 bytes, then `METRIC` records of 32 bytes
    <root>/runs/<run_id>/artifacts/                 sealed files, as a user would look for them
    <root>/runs/<run_id>/staging/                   snapshots that wait to be sealed; no backend reads them
    <root>/runs/<run_id>/quarantine/                files in which a rule hit and which cannot be masked

A line cannot hold a raw newline, so a reader that meets a damaged one goes on with the next. A writer is a process: its
name is made of its start, its pid and a random part, and no other process ever appends to its files.
"""

import re

from reticent.runlog.reader import Cursor, Position, RunReader, Skipped
from reticent.runlog.writer import LogWriter

ARTIFACTS = "artifacts"
STAGING = "staging"
QUARANTINE = "quarantine"

RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
"""What the id of a run, and so the name of its directory, looks like."""

__all__ = ["ARTIFACTS", "QUARANTINE", "RUN_ID", "STAGING", "Cursor", "LogWriter", "Position", "RunReader", "Skipped"]
