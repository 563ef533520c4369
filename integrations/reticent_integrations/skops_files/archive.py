"""The archive that a skops file is, of unknown origin: its schema, read only if nothing in it would fill the memory."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any, BinaryIO

_SCHEMA_FLOOR = 1 << 26
"""Of thousands of trees it is larger, but so is the file then."""
_FLOOR, _RATIO = 1 << 24, 100
"""skops stores without compression; what is larger than this and shrank so much was made to fill the memory."""


def schema_of(file: BinaryIO) -> dict[str, Any]:
    """What the file says of the model. ValueError if it is more than a model of this size has."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    with zipfile.ZipFile(file) as archive:
        members = _members(archive, size)
        if members.get("schema.json", 0) > max(_SCHEMA_FLOOR, size):
            raise ValueError(f"the file has {size} bytes, and a schema.json of {members['schema.json']}")
        schema = json.loads(archive.read("schema.json"))  # as skops reads it
        if not isinstance(schema, dict):
            raise ValueError("schema.json does not describe a model")
        nodes = list(nodes_of(schema))
        _check_read_once(nodes)
        total = sum(members.values())
        for node in nodes:
            if node["__loader__"] == "SparseMatrixNode" and isinstance(node.get("file"), str):
                content = archive.read(node["file"])
                with zipfile.ZipFile(io.BytesIO(content)) as matrix:
                    total += sum(_members(matrix, len(content)).values())
        _check_total(total, size)
    return schema


def nodes_of(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every node, as deep as it may lie: all that skops could make something of, wherever it looks for it."""
    left: list[Any] = [schema]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            if "__loader__" in one:
                yield one
            left += one.values()
        elif isinstance(one, list):
            left += one


def _members(archive: zipfile.ZipFile, size: int) -> dict[str, int]:
    """How large each member is, unpacked. `zipfile` reads no more than that of it."""
    members = archive.infolist()
    found = {member.filename: member.file_size for member in members}
    if len(found) < len(members):
        raise ValueError("the file has two members of the same name")
    for member in members:
        if member.file_size > max(_FLOOR, _RATIO * member.compress_size):
            raise ValueError(f"the file has a member of {member.file_size} bytes that fills {member.compress_size}")
    if sum(member.compress_size for member in members) > size:
        raise ValueError("the file has members that overlap")
    _check_total(sum(found.values()), size)
    return found


def _check_total(total: int, size: int) -> None:
    if total > max(_FLOOR, _RATIO * size):
        raise ValueError(f"the file has {size} bytes and would fill {total}")


def _check_read_once(nodes: list[dict[str, Any]]) -> None:
    """A member is of one object: skops reads it for each node, unless it has made that object before."""
    readers: dict[Any, Any] = {}
    for node in nodes:
        if "file" in node:
            reader = node.get("__id__") or object()
            if readers.setdefault(node["file"], reader) != reader:
                raise ValueError(f"the file has a member that several objects are read from: {node['file']!r}")
