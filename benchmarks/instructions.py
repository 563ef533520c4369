"""Do the hot paths take more instructions than they did? `python -m benchmarks.instructions [--record | --against COMMIT]`

Valgrind's callgrind counts what the training thread executes; counts of two runs differ by less than a hundredth, on a busy
machine too. They are recorded for a version of Python and how it was built, with what they were recorded by
(instructions.json), and a path may take 15 % more than recorded, judged by what plain Python takes beside it. Between an
optimized build and another one that is not enough: paths came out 15 % apart. With a Python that nothing is recorded for,
nothing is compared, and the output says so; `--against main` counts that commit and the working tree, with any Python.
What is hooked is a function of our own: frameworks take minutes to import under valgrind. What other threads do is not
counted.
"""

from __future__ import annotations

import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.environments import environment
from benchmarks.instructions_child import CALLS

RECORDED = Path(__file__).with_suffix(".json")
REFERENCE = "plain Python"
MORE = 1.15
LIMIT_S = 600

ROOT = RECORDED.parents[1]
SOURCES = ("core", "integrations", "redact")

Counts = dict[str, float]


def main(arguments: list[str]) -> int:
    python = f"{platform.python_implementation()} {platform.python_version()}"
    optimized = "--enable-optimizations" in str(sysconfig.get_config_var("CONFIG_ARGS"))
    version = f"{python}, {platform.machine()}{', optimized' * optimized}"
    every: dict[str, Any] = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    if shutil.which("valgrind") is None:
        print("Instructions are not counted: valgrind is not installed.")
        return 0
    if subprocess.run(["valgrind", "--tool=none", sys.executable, "-c", "pass"], capture_output=True).returncode:
        print("Instructions are not counted: valgrind cannot run Python on this processor.")
        return 0
    if arguments == ["--record"]:
        by = f"{python}, {_said('valgrind', '--version')}, commit {_said('git', 'describe', '--always', '--dirty')}"
        every[version] = {"recorded by": by, "counts": counted()}
        RECORDED.write_text(json.dumps(every, indent=1, sort_keys=True) + "\n")
        print(f"Recorded for {version}, by {by}.")
        return 0
    if arguments[:1] == ["--against"] and len(arguments) == 2:
        before, by = counted_at(arguments[1]), f"commit {arguments[1]}"
    elif arguments:
        print("python -m benchmarks.instructions [--record | --against COMMIT]", file=sys.stderr)
        return 2
    elif version in every:
        before, by = every[version]["counts"], every[version]["recorded by"]
    else:
        print(
            f"Instructions are not counted: none are recorded for {version}, but for {'; '.join(every) or 'nothing'}."
        )
        print("With any Python: python -m benchmarks.instructions --against COMMIT")
        return 0
    lines, slower = compared(counted(), before)
    print(f"Instructions of a call, {version}; before: {by}", *lines, sep="\n")
    if slower:
        print(f"More than {MORE - 1:.0%} over what it was: {', '.join(slower)}.")
        print("If that is meant: python -m benchmarks.instructions --record")
    return bool(slower)


def _said(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def counted_at(commit: str) -> Counts:
    """Of the sources of a commit; what is counted of them is asked by the files that are here."""
    with tempfile.TemporaryDirectory() as place:
        archive = subprocess.run(["git", "archive", commit, *SOURCES], cwd=ROOT, capture_output=True)
        if archive.returncode:
            raise SystemExit(f"Git has no commit {commit}: {archive.stderr.decode().strip()}")
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
            tar.extractall(place, filter="data")
        return counted(Path(place))


def counted(root: Path = ROOT) -> Counts:
    """Instructions of one call of each path, on the main thread alone, with the sources that lie there."""
    with tempfile.TemporaryDirectory() as place:
        valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=counts"]
        valgrind += ["--separate-threads=yes", "--dump-before=getppid"]
        own = {
            "RETICENT_DIR": f"{place}/root",
            "RETICENT_CAPTURE": '{"git": false, "system_s": 0}',
            "PYTHONHASHSEED": "0",
            "PYTHONPATH": os.pathsep.join([*(str(root / source) for source in SOURCES), str(ROOT)]),
        }
        done = subprocess.run(
            [*valgrind, sys.executable, "-m", "benchmarks.instructions_child"],
            env={**environment({}), **own},
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
            slower.append(f"{name} (not there before)")
            continue
        change = count / recorded[name] / build
        lines.append(f"  {name:24} {count:10,.0f}   before {recorded[name]:10,.0f}   {change - 1:+.1%}")
        if change > MORE:
            slower.append(name)
    return lines, slower


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main(sys.argv[1:]))
