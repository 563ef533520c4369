"""DVCLive's files, without DVCLive: one directory for each run.

    <directory>/<run_id>/params.yaml                params
                         metrics.json               the newest value of each metric, with the highest step
                         plots/metrics/<key>.tsv    timestamp (ms), step and value of every point
                         plots/images/<path>        pictures that were logged as artifacts
                         artifacts/<path>           all files
                         dvc.yaml                   which of these DVC shows, and the models
                         run.json                   what DVC has no place for: name, status, tags, data sets, ...

The URL is `dvclive`, for `<root>/dvclive`, or `dvclive:///directory`. Nothing of DVC is installed, called or committed.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
from collections import defaultdict
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from reticent.backends import Batch, Rejection, Target
from reticent.backends.known import Known, recall
from reticent.backends.local import append, identity, keep_artifact
from reticent.backends.typed import typed
from reticent.decoding import decodable
from reticent.files import MOST_NAME, inside, make_directory, write_private
from reticent.records import Artifact, ArtifactRemoved, Metric, SealedRecord

_NOTE = "run.json"
_POINTS, _IMAGES, _FILES = "plots/metrics", "plots/images", "artifacts"
_IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".gif")
_FORBIDDEN = re.compile(r"[\0\\]")


@decodable
class _Known(Known, omit_defaults=True):
    """Kept as `run.json`; what DVC reads is made from it."""

    step: int | None = None
    newest: dict[str, float | str] = msgspec.field(default_factory=dict)
    """Metrics by key, as `metrics.json` has them."""


class DvcLiveBackend:
    def open(self, target: Target) -> str:
        _, _, path = target.url.partition("://")
        self._directory = Path(path).expanduser() if path else target.root / "dvclive"
        return identity(self._directory)

    def write(self, batch: Batch) -> Sequence[Rejection]:
        directory = inside(self._directory, batch.run_id)
        if not batch.mark.text:
            _forget(directory)
        known = recall(directory / _NOTE, batch, _Known)
        for entry in batch.entries:
            known.learn(entry.record)
            keep_artifact(batch, entry.record, directory / _FILES)
            if isinstance(entry.record, ArtifactRemoved) or _is_image(entry.record):
                keep_artifact(batch, entry.record, directory / _IMAGES)
        points: dict[str, list[Metric]] = defaultdict(list)
        for block in batch.metrics:
            for one in block:
                points[one.key].append(one)
        lengths = msgspec.json.decode(batch.mark.text or "{}", type=dict[str, int])
        for key, found in points.items():
            known.newest[key] = found[-1].value if _finite(found[-1].value) else str(found[-1].value)
            known.step = max(known.step or 0, *(one.step for one in found))
            name = _file_name(key)
            length = lengths.get(name, 0)
            file = inside(directory / _POINTS, name)
            make_directory(file.parent)
            lengths[name] = append(file, length, _table(key.rpartition("/")[2], found, with_head=length == 0))
        _write(directory, known)
        batch.mark.text = msgspec.json.encode(lengths).decode()
        return ()

    def close(self) -> None:
        pass


def _forget(directory: Path) -> None:
    """Remove what there is of a run that now comes from its start."""
    for name in (_POINTS, _IMAGES, _FILES):
        shutil.rmtree(directory / name, ignore_errors=True)
    (directory / _NOTE).unlink(missing_ok=True)


def _write(directory: Path, known: _Known) -> None:
    note = msgspec.json.format(msgspec.json.encode(known))
    path = directory / _NOTE
    if path.exists() and path.read_bytes() == note:
        return
    newest = {**_nested(known.newest), **({} if known.step is None else {"step": known.step})}
    write_private(directory / "metrics.json", json.dumps(newest, ensure_ascii=False, indent=4).encode() + b"\n")
    write_private(directory / "params.yaml", _yaml({key: typed(text) for key, text in known.params.items()}))
    write_private(directory / "dvc.yaml", _yaml(_shown(directory, known)))
    write_private(path, note)  # last: it says that the others are up to date


def _shown(directory: Path, known: _Known) -> dict[str, object]:
    """What DVC's commands and its page in VS Code show of the run."""
    plots: list[object] = [{_POINTS: {"x": "step"}}] if known.newest else []
    if (directory / _IMAGES).is_dir():
        plots.append(_IMAGES)
    models = {
        re.sub(r"[^a-z0-9-]+", "-", path.lower()).strip("-") or "model": {
            "path": f"{_FILES}/{path}",
            "type": "model",
            "labels": [flavor],
        }
        for path, flavor in known.models.items()
    }
    shown = {"params": ["params.yaml"], "metrics": ["metrics.json"], "plots": plots, "artifacts": models}
    return {key: value for key, value in shown.items() if value}


def _nested(values: dict[str, float | str]) -> dict[str, Any]:
    """`{"train": {"loss": 1}}` of `{"train/loss": 1}`, but for a key below one that has a value itself."""
    nested: dict[str, Any] = {}
    for key in sorted(values):  # so that a key comes before those below it
        *above, name = key.split("/")
        place = nested
        for part in above:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                place, name = nested, key
                break
        place[name] = values[key]
    return nested


def _file_name(key: str) -> str:
    """Where the points of a metric lie: `<key>.tsv`, or with a digest where that can be no name of a file."""
    parts = [part if _is_name(part) else _changed(part) for part in key.split("/")]
    return "/".join(parts) + ".tsv"


def _is_name(part: str) -> bool:
    fits = len(os.fsencode(part)) <= MOST_NAME - len(".tsv")
    return fits and part not in ("", ".", "..") and not part.endswith(".tsv") and not _FORBIDDEN.search(part)


def _changed(part: str) -> str:
    plain = os.fsencode(_FORBIDDEN.sub("_", part))[: MOST_NAME - 20].decode("utf-8", "ignore")
    return f"{plain}_{sha256(part.encode()).hexdigest()[:8]}"


def _table(name: str, points: Sequence[Metric], *, with_head: bool) -> bytes:
    written = io.StringIO(newline="")
    table = csv.writer(written, delimiter="\t", lineterminator="\n")
    if with_head:
        table.writerow(("timestamp", "step", name))
    table.writerows((int(one.time * 1000), one.step, repr(one.value)) for one in points)
    return written.getvalue().encode()


def _finite(value: float) -> bool:
    return value - value == 0


def _is_image(record: SealedRecord) -> bool:
    return isinstance(record, Artifact) and record.path.lower().endswith(_IMAGE_SUFFIXES)


def _yaml(content: object) -> bytes:
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # ten times as fast, where it was built
    text: str = yaml.dump(content, Dumper=dumper, allow_unicode=True, sort_keys=False, width=1000)
    return text.encode()
