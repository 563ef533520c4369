"""Do the hot paths take more instructions than they did? `python -m benchmarks.instructions [--record]`

Valgrind's callgrind counts what the training thread executes; counts of two runs differ by less than a hundredth, on a busy
machine too. They are recorded for a version of Python (instructions.json), another one is skipped with a word, and a path
may take 15 % more than recorded. Other builds of the same Python take more or less for anything: counts are judged by what
plain Python takes beside them. What is hooked is a function of our own: frameworks take minutes to import under valgrind.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.environments import environment
from benchmarks.instructions_child import CALLS

RECORDED = Path(__file__).with_suffix(".json")
REFERENCE = "plain Python"
MORE = 1.15
LIMIT_S = 600

Counts = dict[str, float]


def main(arguments: list[str]) -> int:
    build = f"{platform.python_implementation()} {platform.python_version()}, {platform.machine()}"
    every: dict[str, Counts] = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    if shutil.which("valgrind") is None:
        print("Instructions are not counted: valgrind is not installed.")
        return 0
    if subprocess.run(["valgrind", "--tool=none", sys.executable, "-c", "pass"], capture_output=True).returncode:
        print("Instructions are not counted: valgrind cannot run Python on this processor.")
        return 0
    if arguments == ["--record"]:
        every[build] = counted()
        RECORDED.write_text(json.dumps(every, indent=1, sort_keys=True) + "\n")
        print(f"Recorded for {build}.")
        return 0
    if build not in every:
        print(f"Instructions are not counted: none are recorded for {build}, but for {', '.join(every) or 'nothing'}.")
        return 0
    lines, slower = compared(counted(), every[build])
    print(f"Instructions of a call, {build}:", *lines, sep="\n")
    if slower:
        print(f"More than {MORE - 1:.0%} over what is recorded: {', '.join(slower)}.")
        print("If that is meant: python -m benchmarks.instructions --record")
    return bool(slower)


def counted() -> Counts:
    """Instructions of one call of each path, on the main thread alone."""
    with tempfile.TemporaryDirectory() as place:
        valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=counts"]
        valgrind += ["--separate-threads=yes", "--dump-before=getppid"]
        own = {
            "RETICENT_DIR": f"{place}/root",
            "RETICENT_CAPTURE": '{"git": false, "system_s": 0}',
            "PYTHONHASHSEED": "0",
        }
        done = subprocess.run(
            [*valgrind, sys.executable, "-m", "benchmarks.instructions_child"],
            env=environment(own),
            cwd=place,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
        )
        if done.returncode:
            raise RuntimeError(done.stderr[-3000:])
        names = json.loads(done.stdout.splitlines()[-1])
        # The second call of each pair of `getppid` dumps what was executed since the first one.
        return {name: _total(Path(place) / f"counts.{2 * number}-01") / CALLS for number, name in enumerate(names, 1)}


def _total(dump: Path) -> int:
    found = re.search(r"^totals: (\d+)", dump.read_text(), re.MULTILINE)
    assert found is not None, f"{dump.name} has no count"
    return int(found[1])


def compared(now: Counts, recorded: Counts) -> tuple[list[str], list[str]]:
    """A line for each path, and the names of those that take too much."""
    build = now[REFERENCE] / recorded[REFERENCE]
    lines, slower = [], []
    for name, count in now.items():
        if name not in recorded:
            slower.append(f"{name} (not recorded)")
            continue
        change = count / recorded[name] / build
        lines.append(f"  {name:24} {count:10,.0f}   recorded {recorded[name]:10,.0f}   {change - 1:+.1%}")
        if change > MORE:
            slower.append(name)
    return lines, slower


if __name__ == "__main__":
    os.chdir(RECORDED.parents[1])
    sys.exit(main(sys.argv[1:]))
