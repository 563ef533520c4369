"""What files of torch's own formats would run when they are loaded, read with nothing executed.

None of them is safe. A pickle runs what it names; TorchScript may read and write files; and of an exported program
(.pt2) the graph may call anything by a path through torch's modules, sizes are expressions that are evaluated, and
guards are source code.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reticent_redact import pickle_imports

_MAX_GRAPH = 100_000_000


def imports(file: Path) -> list[str]:
    """Never empty: what is read here need not be all that torch finds in such an archive."""
    if file.suffix == ".pt2":
        return [f"the program in {file.name}", *_calls(file)]
    if is_torchscript(file):
        return [f"the TorchScript in {file.name}"]
    return [f"the pickle in {file.name}", *_pickled(file)]


def is_torchscript(file: Path) -> bool:
    if not zipfile.is_zipfile(file):
        return False
    with zipfile.ZipFile(file) as archive:
        return any(name.rpartition("/")[2] == "constants.pkl" for name in archive.namelist())


def _pickled(file: Path) -> list[str]:
    if not zipfile.is_zipfile(file):  # as torch saved before 1.6
        with file.open("rb") as stream:
            return pickle_imports(stream)
    found = []
    with zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            if name.endswith(".pkl"):
                with archive.open(name) as record:
                    found += pickle_imports(record)  # type: ignore[arg-type]  # a stream of bytes that can be read
    return found


def _calls(file: Path) -> list[str]:
    """What the graphs of a program call that is none of torch's operators."""
    found: set[str] = set()
    try:
        with zipfile.ZipFile(file) as archive:
            for record in archive.infolist():
                if "/models/" in record.filename and record.filename.endswith(".json"):
                    if record.file_size > _MAX_GRAPH:
                        return ["?"]
                    found.update(_targets(json.loads(archive.read(record))))
    except (zipfile.BadZipFile, ValueError, RecursionError):
        return ["?"]
    return sorted(target for target in found if not target.startswith("torch.ops."))


def _targets(graph: Any) -> Iterator[str]:
    if isinstance(graph, dict):
        if isinstance(graph.get("target"), str):
            yield graph["target"]
        graph = list(graph.values())
    if isinstance(graph, list):
        for part in graph:
            yield from _targets(part)
