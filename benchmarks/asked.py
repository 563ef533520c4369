"""Processes that stay and answer questions: what they import is imported once, and several are asked in turns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

ANSWERS = "BENCH_ANSWERS"
"""Where such a process finds the descriptor for its answers: frameworks print as they like."""


@dataclass(frozen=True)
class Asked:
    process: subprocess.Popen[str]
    answers: TextIO
    log: Path

    def __call__(self, *question: object) -> Any:
        """Its answer. RuntimeError with what it wrote if it has none."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(question) + "\n")
            self.process.stdin.flush()
            line = self.answers.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise RuntimeError(self.log.read_text(errors="replace")[-3000:])
        return json.loads(line)


@contextmanager
def asked(module: str, *arguments: str, settings: Callable[[Path], Mapping[str, str]]) -> Iterator[Asked]:
    """`python -m MODULE ARGUMENTS` in a directory that goes with it; it starts while the caller goes on.

    `settings` is given the directory, and tells the environment.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        place = Path(directory)
        reading, writing = os.pipe()
        with (place / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                env={**settings(place), ANSWERS: str(writing)},
                cwd=place,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=[writing],
                text=True,
            )
        os.close(writing)
        answers = os.fdopen(reading)
        assert process.stdin is not None
        try:
            yield Asked(process, answers, place / "log")
        finally:
            process.kill()  # all that it was asked it has answered
            process.wait()
            for pipe in (process.stdin, answers):
                with suppress(BrokenPipeError):
                    pipe.close()


def answer(how: Callable[..., object]) -> None:
    """In such a process: answer each question."""
    answers = os.fdopen(int(os.environ[ANSWERS]), "w")
    for line in sys.stdin:
        print(json.dumps(how(*json.loads(line))), file=answers, flush=True)
