"""A process may end while a thread that it does not wait for looks for literals."""

from __future__ import annotations

import subprocess
import sys
from textwrap import dedent

import pytest

ENDS = """
    import sys, threading, time
    from reticent_redact.literals import aho_corasick

    literals = [bytes([first, second]) for first in range(1, 100) for second in range(1, 9)]
    search, text, begins = aho_corasick(literals), b"etaoin" * 20_000_000, threading.Event()

    def look():
        begins.set()
        search(text)

    class Last:  # the interpreter is still busy with its end when the search is done
        def __del__(self, sleep=time.sleep):
            sleep(2)

    sys.last = Last()
    threading.Thread(target=look, daemon=True).start()
    begins.wait()
"""


def test_a_search_under_way_does_not_abort_it() -> None:
    pytest.importorskip("ahocorasick_rs")
    done = subprocess.run([sys.executable, "-c", dedent(ENDS)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


GOES_ON = """
    import threading

    def train():
        threading.main_thread().join()
        from reticent_redact import literals
        print(literals._is_ending)

    threading.Thread(target=train).start()
"""


def test_a_thread_that_goes_on_when_the_main_one_is_done_looks_no_slower() -> None:
    done = subprocess.run([sys.executable, "-c", dedent(GOES_ON)], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("False\n", "")
