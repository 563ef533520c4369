"""How many of labelled secrets are found, and how much that is none is hidden too? Beside other tools.

`BENCH_LABELLED` names a directory with `secrets.json`, a list of `{"rule": ..., "secret": bool, "text": ...}`: recall
is the mean over the rules, and a text without a secret is spoiled if anything is found in it. Where there are
`ml_names.json` (names of params) and `ml_values.json` (pairs of a name and a value), none of them a secret, it is
counted which of them Reticent would hide; its peers take texts. Presidio looks for what identifies a person and for no
credentials. On data that our rules were developed with, our score says what we know and not what we would find
elsewhere. Nothing here varies from run to run.
"""

from __future__ import annotations

import json
import os
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.peers import Peer, peers
from benchmarks.turns import Row
from reticent_redact import Redactor

US, ON = "reticent", "on labelled data"
VALUES = ("adam", "bert-base-uncased", 7, True, [1, 2, 3])
"""What a param may be: a name is hidden if one of them is not kept under it."""


def measure() -> list[Row]:
    if not (named := os.environ.get("BENCH_LABELLED")):
        print("left out: labelled data, which BENCH_LABELLED does not name", file=sys.stderr)
        return []
    directory, redactor = Path(named), Redactor()
    others, missing = peers()
    for name in missing:
        print(f"left out, as it is not installed: {name}", file=sys.stderr)
    rows = of_texts(_read(directory / "secrets.json"), {US: lambda text: redactor.redact_text(text) != text, **others})

    def hidden(name: str, value: object) -> bool:
        return bool(redactor.redact(name, value) != value)

    if names := _read(directory / "ml_names.json"):
        count = sum(any(hidden(name, value) for value in VALUES) for name in names)
        rows.append({ON: f"of {len(names):,} names of params hidden", US: count} | dict.fromkeys(others, ""))
    if values := _read(directory / "ml_values.json"):
        count = sum(hidden(name, value) for name, value in values)
        rows.append({ON: f"of {len(values):,} values of params hidden", US: count} | dict.fromkeys(others, ""))
    return rows


def _read(path: Path) -> list[Any]:
    found: list[Any] = json.loads(path.read_text()) if path.exists() else []
    return found


def of_texts(samples: list[dict[str, Any]], tools: Mapping[str, Peer]) -> list[Row]:
    recall: Row = {}
    spoiled: Row = {}
    for name, finds in tools.items():
        caught: dict[str, list[bool]] = defaultdict(list)
        harmless: list[bool] = []
        for sample in samples:
            (caught[sample["rule"]] if sample["secret"] else harmless).append(finds(sample["text"]))
        recall[name] = sum(sum(hits) / len(hits) for hits in caught.values()) / len(caught)
        spoiled[name] = sum(harmless)
    return [
        {ON: f"found, mean over {len(caught)} kinds of secrets", **recall},
        {ON: f"of {len(harmless):,} look-alikes hidden too", **spoiled},
    ]
