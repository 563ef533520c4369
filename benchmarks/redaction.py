"""What does redaction cost: a param, a dict of params, a megabyte of text or file, the import; and what do others cost?

CPU time, the best of several, ours and the others' in turns. Rows of peers are over a part of the same text (100 KB of
5 MB), as most of them would take minutes for all of it. With `RETICENT_LABELLED` naming a directory that has a
`secrets.json` (a list of `{"rule": ..., "secret": bool, "text": ...}`), all are also scored on it: recall is the mean over
the rules, and a text without a secret is spoiled if anything is found in it. Presidio looks for what identifies a person
and for no credentials; logfire's scrubber stops at the first word that it knows, and hides the whole value.
On data that our rules were developed with, our score says what we know and not what we would find elsewhere.
"""

from __future__ import annotations

import json
import os
import random
import string
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from benchmarks.peers import Peer, peers
from benchmarks.texts import TEXTS, TRAINING_ARGUMENTS, log
from reticent_redact import Redactor

Row = dict[str, object]

REPEATS = 7
CALLS = 20_000
TEXT = 5_000_000
FILE = 100_000_000
PEERS_TEXT = 100_000
KNOWN = (0, 50)
US = "reticent"

# Each in a process of its own, with the bytecode that an installed package has.
START = """
import os, time
resident = lambda: int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
memory, start = resident(), time.process_time()
import reticent_redact
imported, imported_memory = time.process_time() - start, resident() - memory
memory, start = resident(), time.process_time()
redactor = reticent_redact.Redactor()
print(imported * 1e3, imported_memory, (time.process_time() - start) * 1e3, resident() - memory)
"""


def measure() -> list[Row]:
    others, missing = peers()
    for name in missing:
        print(f"{name} is not installed and left out; `make bench` installs it", file=sys.stderr)
    redactors = {number: redactor_knowing(number) for number in KNOWN}
    rows = [*of_params(redactors), *of_texts(redactors, others), *of_files(redactors), *of_start()]
    labelled = os.environ.get("RETICENT_LABELLED")
    return rows + (of_labelled(Path(labelled), others) if labelled else [])


def redactor_knowing(number: int) -> Redactor:
    """A redactor that knows so many values, of the lengths that passwords and tokens have."""
    rnd, redactor = random.Random(4), Redactor()
    for _ in range(number):
        redactor.register("".join(rnd.choices(string.ascii_letters + string.digits + "-_", k=rnd.randrange(12, 48))))
    return redactor


def row(what: str, who: str, known: int | None, value: float, unit: str) -> Row:
    return {"what": what, "by": who, "known values": "" if known is None else known, "": value, "unit": unit}


def in_turns(tasks: Mapping[str, Callable[[], object]], repeats: int = REPEATS) -> dict[str, float]:
    """The least CPU seconds that each task took; one after the other, so that all meet the same machine."""
    least = dict.fromkeys(tasks, float("inf"))
    for _ in range(repeats):
        for name, task in tasks.items():
            start = time.process_time()
            task()
            least[name] = min(least[name], time.process_time() - start)
    return least


def of_params(redactors: dict[int, Redactor]) -> list[Row]:
    rows = []
    for known, redactor in redactors.items():

        def redact(redact: Callable[..., object] = redactor.redact) -> None:
            for _ in range(CALLS):
                redact("optimizer", "adamw_torch")

        def seal(seal: Callable[..., object] = redactor.seal) -> None:
            for _ in range(CALLS):
                seal("adamw_torch", channel="param", key="optimizer")

        def redact_all(redact: Callable[..., object] = redactor.redact) -> None:
            for _ in range(CALLS // 100):
                redact("args", TRAINING_ARGUMENTS)

        least = in_turns({"redact": redact, "seal": seal, "dict": redact_all}, 5 * REPEATS)
        rows += [
            row("an ordinary param, `redact`", US, known, least["redact"] / CALLS * 1e9, "ns"),
            row("an ordinary param, `seal`", US, known, least["seal"] / CALLS * 1e9, "ns"),
            row("a dict of 112 params, `redact`", US, known, least["dict"] / (CALLS // 100) * 1e6, "us"),
        ]
    return rows


def of_texts(redactors: dict[int, Redactor], others: dict[str, Peer]) -> list[Row]:
    rows = []
    for kind, make in TEXTS.items():
        text = make(TEXT)
        part = text[:PEERS_TEXT]
        ours = {str(known): partial(redactor.redact_text, text) for known, redactor in redactors.items()}
        least = in_turns(ours | {name: partial(scan, part) for name, scan in others.items()})
        rows += [row(kind, US, known, len(text) / 1e6 / least[str(known)], "MB/s") for known in redactors]
        rows += [row(kind, name, None, len(part) / 1e6 / least[name], "MB/s") for name in others]
    return rows


def of_files(redactors: dict[int, Redactor]) -> list[Row]:
    with tempfile.TemporaryDirectory() as directory:
        source, target = Path(directory) / "train.log", Path(directory) / "sealed.log"
        source.write_text(log(TEXT) * (FILE // TEXT))
        least = in_turns(
            {
                str(known): partial(redactor.seal_file, source, target, name=source.name)
                for known, redactor in redactors.items()
            },
            3,
        )
    what = "training log of 100 MB, `seal_file`"
    return [row(what, US, known, FILE / 1e6 / least[str(known)], "MB/s") for known in redactors]


def of_start() -> list[Row]:
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        runs = [
            subprocess.run(
                [sys.executable, "-c", START], env=environment, check=True, capture_output=True, text=True
            ).stdout.split()
            for _ in range(2 * REPEATS)
        ]
    least = [min(map(float, values)) for values in zip(*runs, strict=True)]
    names = ("`import reticent_redact`", "the first Redactor")
    return [
        row(f"{name}, {what}", US, None, least[2 * n + m], unit)
        for n, name in enumerate(names)
        for m, (what, unit) in enumerate((("CPU", "ms"), ("memory", "MB")))
    ]


def of_labelled(directory: Path, others: dict[str, Peer]) -> list[Row]:
    samples = json.loads((directory / "secrets.json").read_text())
    redactor, rows = Redactor(), []
    for name, scan in {US: lambda text: redactor.redact_text(text) != text, **others}.items():
        caught: dict[str, list[bool]] = defaultdict(list)
        spoiled = []
        for sample in samples:
            (caught[sample["rule"]] if sample["secret"] else spoiled).append(scan(sample["text"]))
        recall = sum(sum(hits) / len(hits) for hits in caught.values()) / len(caught)
        rows += [
            row(f"recall, mean over {len(caught)} rules", name, None, recall, ""),
            row(f"spoiled of {len(spoiled)} without a secret", name, None, sum(spoiled) / len(spoiled), ""),
        ]
    return rows
