"""Has `wandb sync` upload a run's transaction log while it grows, in a process of its own.

That process has none of the training's environment but what W&B and the network need, prints to a file beside the log, gets
no signal of the terminal, and ends when the training does: what is left is uploaded by the next one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from reticent.backends import UnavailableError

LONGEST_S = 600.0
"""How long the end of an upload is waited for at once."""

_PASSED = {
    "PATH", "HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "LANG", "LC_ALL",
    "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "NETRC", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "LD_LIBRARY_PATH",
}  # fmt: skip
_NOT_PASSED = {"WANDB_SERVICE", "WANDB_MODE", "WANDB_RUN_ID", "WANDB_RESUME", "WANDB_ENTITY", "WANDB_PROJECT"}

_CHILD = "import sys; sys.path[:] = sys.argv[3:]; from reticent.backends.wandb.upload import main; main(*sys.argv[1:3])"


class Upload:
    """Of one run's log."""

    def __init__(self, log: Path, key: str | None) -> None:
        self._done = log.with_name(f"{log.name}.synced")
        self._told = log.with_name("sync.log")
        self._done.unlink(missing_ok=True)
        with self._told.open("wb") as told:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter
                [sys.executable, "-c", _CHILD, str(os.getpid()), str(log.absolute()), *map(os.path.abspath, sys.path)],
                cwd=log.parent,
                env=_environment() | ({} if key is None else {"WANDB_API_KEY": key}),
                stdin=subprocess.DEVNULL,
                stdout=told,
                stderr=told,
                start_new_session=True,
            )

    def running(self) -> bool:
        return self._process.poll() is None

    def finish(self) -> None:
        """Wait until all of a log that has its end is on the server. UnavailableError if it is not within LONGEST_S."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(LONGEST_S)
        if not self._done.exists():
            raise self.failure()

    def failure(self) -> UnavailableError:
        lines = [line for line in self._told.read_text("utf-8", "replace").splitlines() if line.strip()]
        return UnavailableError(
            f"`wandb sync` has not uploaded the run: {lines[-1][:300] if lines else 'it said nothing'}"
        )

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


def main(parent: str, log: str) -> None:
    """In the process: upload a log until its record of the run's end has come."""
    threading.Thread(target=_end_with, args=(int(parent),), daemon=True).start()
    with suppress(OSError, AttributeError):
        os.nice(10)
    from wandb.cli.cli import cli

    cli(["beta", "sync", "--live", "--no-skip-synced", "--no-skip-online", log])


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _environment() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if name.upper() in _PASSED or (name.startswith("WANDB_") and name not in _NOT_PASSED)
    }
