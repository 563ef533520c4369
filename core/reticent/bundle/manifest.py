"""What a bundle says of itself, before anything else in it is looked at."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec

from reticent.decoding import decodable
from reticent.errors import BundleError
from reticent.files import safe_relative
from reticent.records import Count
from reticent.runlog import ARTIFACTS, RUN_ID

FORMAT = 1
MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"

_LOG_FILE = re.compile(r"[A-Za-z0-9-]+(\.\d{6})?\.(events|metrics)")


@decodable
class BundledFile(msgspec.Struct, frozen=True):
    path: str
    """Within the run's directory."""
    size: Count
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


@decodable
class BundledRun(msgspec.Struct, frozen=True):
    run_id: str
    ended: bool
    """False: it was still written when it was exported."""
    files: list[BundledFile]

    def name_of(self, file: BundledFile) -> str:
        """What a file of the run is called in the bundle."""
        return f"runs/{self.run_id}/{file.path}"


@decodable
class Manifest(msgspec.Struct, frozen=True):
    format: int
    made_by: str
    runs: list[BundledRun]

    def size(self) -> int:
        """Of all files, in bytes."""
        return sum(file.size for run in self.runs for file in run.files)


@decodable
class _Format(msgspec.Struct):
    format: int


def read_manifest(content: bytes) -> Manifest:
    """BundleError for a later format, and for one that names what no run of ours has."""
    try:
        if (found := msgspec.json.decode(content, type=_Format).format) != FORMAT:
            raise BundleError(f"the bundle has the format {found}, this version of reticent knows {FORMAT}: update it")
        manifest = msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BundleError(f"the manifest of the bundle is none: {error}") from None
    names = [run.name_of(file) for run in manifest.runs for file in run.files]
    if len(names) != len(set(names)) or len(manifest.runs) != len({run.run_id for run in manifest.runs}):
        raise BundleError("the manifest of the bundle names something twice")
    for run in manifest.runs:
        if not RUN_ID.fullmatch(run.run_id):
            raise BundleError(f"the manifest of the bundle names a run {run.run_id!r}, which no run can be called")
        for file in run.files:
            if not is_part_of_a_run(file.path):
                raise BundleError(f"the manifest of the bundle names {file.path!r}, which is no file of a run")
    return manifest


def is_part_of_a_run(path: str) -> bool:
    """Whether a path within a run's directory is one of its log or of its artifacts."""
    try:
        relative = safe_relative(path)
    except ValueError:
        return False
    if relative.as_posix() != path:
        return False
    return bool(_LOG_FILE.fullmatch(path)) or (relative.parts[0] == ARTIFACTS and len(relative.parts) > 1)
