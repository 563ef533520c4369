"""Files of JSON lines keep what backends promise."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import msgspec

from reticent.backends.jsonl import JsonLinesBackend
from reticent.testing import BackendContract


class TestJsonLines(BackendContract):
    backend = JsonLinesBackend

    def url(self, directory: Path) -> str:
        return f"jsonl://{directory}/store"

    def read(self, url: str, run_id: str) -> dict[str, object]:
        directory = Path(url.removeprefix("jsonl://")) / run_id

        def lines(kind: str) -> list[dict[str, str]]:
            path = directory / f"{kind}.jsonl"
            found = path.read_text().splitlines() if path.exists() else []
            return [msgspec.json.decode(line) for line in found]

        if not directory.exists():
            return {}
        metrics: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
        for point in lines("metrics"):
            metrics[point["key"]].append((int(point["step"]), float(point["value"])))
        ended = [line["status"] for line in lines("runs") if line["type"] == "end"]
        aliases = sorted((one for one in lines("events") if one["type"] == "model_alias"), key=lambda one: one["time"])
        kept = (directory / "artifacts").rglob("*")
        return {
            "status": ended[-1] if ended else "RUNNING",
            "params": {line["key"]: line["value"] for line in lines("params")},
            "tags": {line["key"]: line["value"] for line in lines("tags")},
            "metrics": {key: sorted(points, key=lambda point: point[0]) for key, points in metrics.items()},
            "artifacts": sorted(str(path.relative_to(directory / "artifacts")) for path in kept if path.is_file()),
            "aliases": {f"{one['name']}@{one['alias']}": one["path"] for one in aliases},
        }
