"""What does redaction cost: a param, a dict of params, a megabyte of text or file, the import; and what do others cost?

CPU time, ours with no known values and with 50, and the others' in turns. Peers read a part of the same text (100 KB of
5 MB), as most of them would take minutes for all of it. They say whether there is a secret, Reticent gives the text
without it. Presidio looks for what identifies a person and for no credentials; logfire's scrubber stops at the first
word that it knows, and hides the whole value.
"""

from __future__ import annotations

import os
import random
import string
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from benchmarks.peers import Peer, peers
from benchmarks.texts import TEXTS, TRAINING_ARGUMENTS, log
from benchmarks.turns import Row, in_turns, ratio, rounds, say, spread
from reticent_redact import Redactor

REPEATS = 7
CALLS = 100_000
TEXT = 5_000_000
FILE = 100_000_000
PEERS_TEXT = 100_000
US, KNOWING = "reticent", "reticent, 50 known values"
KNOWN = {US: 0, KNOWING: 50}

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

Seconds = dict[str, list[float]]
"""Of the processor, by each in each round."""


def measure() -> list[Row]:
    others, missing = peers()
    for name in missing:
        print(f"left out, as it is not installed: {name}", file=sys.stderr)
    redactors = {name: redactor_knowing(number) for name, number in KNOWN.items()}
    told = [*of_params(redactors), *of_texts(redactors, others), *of_files(redactors), *of_start()]
    columns = ("what", "unit", *KNOWN, *others, "times the fastest other")
    return [{column: one.get(column, "") for column in columns} for one in told]


def redactor_knowing(number: int) -> Redactor:
    """A redactor that knows so many values, of the lengths that passwords and tokens have."""
    rnd, redactor = random.Random(4), Redactor()
    for _ in range(number):
        redactor.register("".join(rnd.choices(string.ascii_letters + string.digits + "-_", k=rnd.randrange(12, 48))))
    return redactor


def seconds(tasks: Mapping[str, Callable[[], object]], times: int) -> Seconds:
    def timed(task: Callable[[], object]) -> float:
        start = time.process_time()
        task()
        return time.process_time() - start

    return in_turns({name: partial(timed, task) for name, task in tasks.items()}, times)


def of_params(redactors: dict[str, Redactor]) -> list[Row]:
    def redact(redactor: Redactor) -> None:
        redact = redactor.redact
        for _ in range(CALLS):
            redact("optimizer", "adamw_torch")

    def seal(redactor: Redactor) -> None:
        seal = redactor.seal
        for _ in range(CALLS):
            seal("adamw_torch", channel="param", key="optimizer")

    def redact_all(redactor: Redactor) -> None:
        for _ in range(CALLS // 100):
            redactor.redact("args", TRAINING_ARGUMENTS)

    rows = []
    for what, task, calls, unit in (
        ("an ordinary param, `redact`", redact, CALLS, "ns"),
        ("an ordinary param, `seal`", seal, CALLS, "ns"),
        ("a dict of 112 training arguments", redact_all, CALLS // 100, "us"),
    ):
        say(what)
        took = seconds({name: partial(task, redactor) for name, redactor in redactors.items()}, rounds(REPEATS))
        scale = {"ns": 1e9, "us": 1e6}[unit] / calls
        rows.append(
            {"what": what, "unit": unit, **{name: spread(s * scale for s in all) for name, all in took.items()}}
        )
    return rows


def of_texts(redactors: dict[str, Redactor], others: dict[str, Peer]) -> list[Row]:
    rows = []
    for kind, make in TEXTS.items():
        say(kind)
        text = make(TEXT)
        part = text[:PEERS_TEXT]
        ours = {name: partial(redactor.redact_text, text) for name, redactor in redactors.items()}
        took = seconds(ours | {name: partial(scan, part) for name, scan in others.items()}, rounds(REPEATS))
        sizes = dict.fromkeys(ours, len(text)) | dict.fromkeys(others, len(part))
        rates = {name: [sizes[name] / 1e6 / one for one in every] for name, every in took.items()}
        row: Row = {"what": f"text: {kind}", "unit": "MB/s", **{name: spread(all) for name, all in rates.items()}}
        if others:
            row["times the fastest other"] = ratio(
                rates[US], map(max, zip(*(rates[name] for name in others), strict=True))
            )
        rows.append(row)
    return rows


def of_files(redactors: dict[str, Redactor]) -> list[Row]:
    with tempfile.TemporaryDirectory() as directory:
        source, target = Path(directory) / "train.log", Path(directory) / "sealed.log"
        source.write_text(log(TEXT) * (FILE // TEXT))
        sealing = {
            name: partial(redactor.seal_file, source, target, name=source.name) for name, redactor in redactors.items()
        }
        took = seconds(sealing, rounds(3))
    rates: Row = {name: spread(FILE / 1e6 / one for one in every) for name, every in took.items()}
    return [{"what": "a file of 100 MB: training log", "unit": "MB/s", **rates}]


def of_start() -> list[Row]:
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)

        def started() -> list[float]:
            done = subprocess.run(
                [sys.executable, "-c", START], env=environment, check=True, capture_output=True, text=True
            )
            return [float(one) for one in done.stdout.split()]

        started()  # it writes the bytecode
        told = in_turns({"import": started}, rounds(10))["import"]
    names = (
        ("import, CPU", "ms"),
        ("import, memory", "MB"),
        ("the first redactor of a process, CPU", "ms"),
        ("the first redactor of a process, memory", "MB"),
    )
    return [
        {"what": what, "unit": unit, US: spread(values)}
        for (what, unit), values in zip(names, zip(*told, strict=True), strict=True)
    ]
