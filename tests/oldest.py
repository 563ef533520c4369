"""Run the contract tests of the integrations with what is installed, and note what came of it: `make oldest`.

Frameworks that are not installed are left out. Exit code 1 if a test failed.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PACKAGES = HERE.parent / "integrations" / "reticent_integrations"


class Count:
    """How many tests passed, and which failed."""

    def __init__(self) -> None:
        self.passed: set[str] = set()
        self.failed: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.add(report.nodeid)
        elif report.when == "call" and report.passed:
            self.passed.add(report.nodeid)


def main(names: list[str]) -> int:
    failed = 0
    for name in names:
        version = str(import_module(name).__version__)
        count = Count()
        pytest.main(["-q", "-p", "no:cacheprovider", str(HERE / "contract" / f"test_{name}_contract.py")], [count])
        told = {"version": version, "passed": len(count.passed - count.failed), "failed": len(count.failed)}
        (PACKAGES / name / "oldest.json").write_text(json.dumps(told) + "\n")
        print(name, told)
        failed += len(count.failed) or not count.passed
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
