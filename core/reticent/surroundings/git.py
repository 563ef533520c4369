"""What git knows of the code that runs: commit, branch, remote, and how tracked files differ from the commit.

Asked off the training thread, within a deadline, and answered from memory for a while. A repository may come from anybody,
and its configuration can name programs: none of them is started, and nothing is fetched, asked for or written.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

TIMEOUT_S = 5.0
"""For all questions about one repository together."""
FRESH_S = 30.0
"""So long an answer holds: in a notebook the code changes while the process lives."""
DIFF_BYTES = 1 << 20

_OPTIONS = (
    "--no-pager",
    *("-c", "core.fsmonitor="),
    *("-c", f"core.hooksPath={os.devnull}"),
    *("-c", "core.pager="),
    *("-c", "diff.autoRefreshIndex=false"),  # it would write the index
    *("-c", "protocol.allow=never"),  # objects that a partial clone lacks are not fetched
    *("-c", "submodule.recurse=false"),
)
_DIFF = (
    "diff",
    "HEAD",
    *("--no-ext-diff", "--no-textconv", "--no-color", "--no-relative"),
    *("--src-prefix=a/", "--dst-prefix=b/"),
    *(
        "--ignore-submodules=dirty",
        "--submodule=short",
    ),  # else git starts itself in each submodule, without our options
)
_USER_S_OWN = ("GIT_CONFIG", "GIT_CEILING_", "GIT_DISCOVERY_")


@dataclass(frozen=True, slots=True)
class Repository:
    commit: str = ""
    branch: str = ""
    """"" if no branch is checked out."""
    remote: str = ""
    dirty: bool | None = None
    """None: not known."""
    diff: str = ""
    cut: bool = False
    """Whether `diff` is the beginning only, at most `DIFF_BYTES`, whole lines."""
    problem: str = ""


class _RefusedError(Exception):
    """Git answered with an error."""


_known: dict[str, tuple[float, Repository | None]] = {}
"""Answers by top directory, each with the time until which it holds."""


def describe(places: Sequence[str]) -> Repository | None:
    """The repository of the first place that has one; None without a repository, a commit or git."""
    top = next(filter(None, map(_top, places)), None)
    program = shutil.which("git")
    if top is None or program is None or not os.path.isabs(program):  # not the `git` of a "." in the search path
        return None
    until, repository = _known.get(top, (0.0, None))
    if time.monotonic() > until:
        repository = _ask_all(_Git(program, top))
        # One that does not answer in time is not asked again: it would keep other work waiting.
        forever = repository is not None and repository.problem
        _known[top] = float("inf") if forever else time.monotonic() + FRESH_S, repository
    return repository


def _top(place: str) -> str | None:
    """The directory at or above `place` with a `.git`, found without starting git."""
    place = os.path.abspath(place)
    while not os.path.exists(os.path.join(place, ".git")):
        place, below = os.path.dirname(place), place
        if place == below:
            return None
    return place


def _ask_all(git: _Git) -> Repository | None:
    found = Repository()
    try:
        commit, _, branch = git.ask("rev-parse", "HEAD", "--abbrev-ref", "HEAD").strip().partition("\n")
        found = replace(found, commit=commit, branch="" if branch == "HEAD" else branch)
        entries = list(_configuration(git.ask("config", "--list", "--show-scope", "-z")))
        found = replace(found, remote=_remote(entries, branch))
        text, cut = git.ask_at_most(DIFF_BYTES, *_without_filters(entries), *_DIFF)
        if cut:
            text = text[: text.rfind("\n") + 1]
        return replace(found, dirty=bool(text or cut), diff=text, cut=cut)
    except TimeoutError:
        return replace(found, problem=f"no answer within {TIMEOUT_S:.0f} s; what it knows of the code is not all noted")
    except (_RefusedError, OSError):  # no commit yet, another user's repository, a git from before 2020
        return found if found.commit else None


def _configuration(listing: str) -> Iterator[tuple[str, str, str]]:
    """Scope, key and value of each entry."""
    parts = listing.split("\0")
    for scope, entry in zip(parts[::2], parts[1::2], strict=False):
        key, _, value = entry.partition("\n")
        yield scope, key, value


def _remote(entries: list[tuple[str, str, str]], branch: str) -> str:
    """The URL of the branch's remote, else of `origin`, else of any."""
    values = {key: value for _, key, value in entries}
    urls = [value for key, value in values.items() if key.startswith("remote.") and key.endswith(".url")]
    for name in (values.get(f"branch.{branch}.remote"), "origin"):
        if f"remote.{name}.url" in values:
            return values[f"remote.{name}.url"]
    return urls[0] if urls else ""


def _without_filters(entries: list[tuple[str, str, str]]) -> list[str]:
    """Options that switch off the programs by which the repository, not the user, has files converted."""
    names = {key[len("filter.") : key.rfind(".")] for scope, key, _ in entries if _is_filter(scope, key)}
    options: list[str] = []
    for name in sorted(names):
        for setting in ("clean=", "smudge=", "process=", "required=false"):
            options += ["-c", f"filter.{name}.{setting}"]
    return options


def _is_filter(scope: str, key: str) -> bool:
    return key.startswith("filter.") and scope not in ("system", "global", "command")


class _Git:
    """The program on one repository, with one deadline for all that it is asked."""

    def __init__(self, program: str, top: str) -> None:
        self._program = program
        self._top = top
        self._deadline = time.monotonic() + TIMEOUT_S

    def ask(self, *arguments: str) -> str:
        """All of its answer. Raises _RefusedError, TimeoutError, and OSError if it cannot be started."""
        answer, cut = self.ask_at_most(1 << 20, *arguments)
        if cut:
            raise _RefusedError
        return answer

    def ask_at_most(self, limit: int, *arguments: str) -> tuple[str, bool]:
        """The first `limit` bytes of its answer, and whether there was more."""
        process = subprocess.Popen(  # noqa: S603 - git and options of ours; the names in them come from git itself
            [self._program, *_OPTIONS, *arguments],
            cwd=self._top,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # without a terminal it can ask nobody, and with all its children it can be ended
        )
        late = threading.Event()

        def give_up() -> None:
            late.set()
            _kill(process)

        watch = threading.Timer(max(0.0, self._deadline - time.monotonic()), give_up)
        watch.daemon = True
        with process:
            watch.start()
            try:
                assert process.stdout is not None
                answer = process.stdout.read(limit + 1)
                cut = len(answer) > limit
                if cut:
                    _kill(process)
                process.wait()
            finally:
                watch.cancel()
        if late.is_set():
            raise TimeoutError
        if process.returncode != 0 and not cut:
            raise _RefusedError
        return answer[:limit].decode("utf-8", "replace"), cut


def _environment() -> dict[str, str]:
    """Ours, without what would point git to another repository or program."""
    kept = {
        name: value
        for name, value in os.environ.copy().items()
        if not name.startswith("GIT_") or name.startswith(_USER_S_OWN)
    }
    return {
        **kept,
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    with suppress(OSError):  # it has ended meanwhile
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
