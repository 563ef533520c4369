"""What a run ran in: its command line, the state of its code, its environment, and, if wanted, its console.

A child of a run of this process has its parent's surroundings and repeats none of them; a resumed run keeps those that it
began with. What takes more than a moment, such as asking git, is done in the background.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from reticent import artifacts, clock
from reticent.records import SealedRecord, Tag
from reticent.surroundings import console, environment, git

if TYPE_CHECKING:
    from reticent.recorder import Recorder

DIFF = "git/diff.patch"
MOST_ARGUMENTS = 1000
"""Of a command line; more come from a glob, and would take long to seal."""


_FACTS = frozenset({"argv", "source", "host", "user", "platform", "cpu.count"})


def is_surrounding(tag: str) -> bool:
    """Whether a tag is one of those that are captured here."""
    return tag in _FACTS or tag.startswith(("git.", "env.")) or tag.endswith(".version")


def capture(recorder: Recorder) -> None:
    """Note a new run's command line and environment variables, and have the rest noted in the background."""
    with recorder.guard("surroundings"):
        wanted = recorder.session.settings.capture
        recorder.append(*_command(recorder) if wanted.argv else (), *_variables(recorder, wanted.environment))
        places = _places() if wanted.git else []

        def note() -> None:
            if wanted.machine:
                with recorder.guard("environment"):
                    recorder.append(*_tags(recorder, environment.facts(), "environment"))
            with recorder.guard("git"):
                _note_git(recorder, places, wanted.git_diff)

        if wanted.machine or places:
            recorder.session.background.submit("capturing surroundings", note, recorder.report)


def keep_console(recorder: Recorder, run_id: str) -> console.Kept | None:
    """Have what is written to the console kept in an open run, if the settings say so."""
    wanted = recorder.session.settings.capture
    if not wanted.console:
        return None
    with recorder.guard("console"):
        return console.keep(run_id, recorder, wanted.console_mb)
    return None


def _command(recorder: Recorder) -> list[SealedRecord]:
    command = [environment.encodable(str(word)) for word in getattr(sys, "argv", ())]
    if len(command) > MOST_ARGUMENTS:
        command[MOST_ARGUMENTS:] = [f"... {len(command) - MOST_ARGUMENTS} more"]
    return [_tag(recorder, "argv", command, "argv")] if command else []


def _variables(recorder: Recorder, patterns: Sequence[str]) -> list[SealedRecord]:
    found = environment.variables(patterns)
    return [_tag(recorder, f"env.{name}", value, "environment", key=name) for name, value in found.items()]


def _places() -> list[str]:
    """Where the code may lie: in the working directory's repository, else in that of the script."""
    script = sys.argv[0] if getattr(sys, "argv", None) else ""
    try:
        here = os.getcwd()
    except OSError:  # it was deleted
        return []
    return [here, os.path.dirname(os.path.join(here, script))]


def _note_git(recorder: Recorder, places: list[str], with_diff: bool) -> None:
    repository = git.describe(places)
    if repository is None:
        return
    recorder.append(
        *_tags(recorder, {"git.commit": repository.commit, "git.branch": repository.branch}, "git"),
        *_tags(recorder, {"git.remote": repository.remote}, "git remote"),
        *([] if repository.dirty is None else _tags(recorder, {"git.dirty": str(repository.dirty)}, "git")),
    )
    if repository.problem:
        recorder.warn("git", f"git: {repository.problem}")
    if with_diff and repository.diff:
        text = recorder.seal("git diff", repository.diff)
        recorder.append(artifacts.write_sealed(recorder.log.directory, recorder.seal("artifact name", DIFF), text))
        if repository.cut:
            size = git.DIFF_BYTES >> 20
            recorder.warn("git diff", f"the uncommitted changes are over {size} MiB; {DIFF} has their beginning only")


def _tags(recorder: Recorder, facts: Mapping[str, str], channel: str) -> list[SealedRecord]:
    return [_tag(recorder, name, value, channel) for name, value in facts.items() if value]


def _tag(recorder: Recorder, name: str, value: object, channel: str, key: str = "") -> SealedRecord:
    return Tag(time=clock.now(), key=recorder.name("tag name", name), value=recorder.seal(channel, value, key))
