"""What is noted of the machine and the interpreter."""

from __future__ import annotations

import platform
import subprocess

import pytest

from reticent.surroundings import environment


def test_to_name_the_platform_no_program_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    known = platform.platform()
    monkeypatch.setattr(platform, "_platform_cache", {})
    monkeypatch.setattr(platform, "_uname_cache", None)

    def start(*_: object, **__: object) -> None:
        raise AssertionError("a process that is forked meanwhile waits for a lock of Python's")

    monkeypatch.setattr(subprocess, "check_output", start)
    assert environment.facts()["platform"] == known
