"""What a killed process left raw is sealed by nobody whose policy is another one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.fault.conftest import Start

SECRET = "corr3ct-" + "h0rse-battery"
LEAVE = """
import reticent, threading
from reticent.sessions import current
{configure}
reticent.start_run("left", run_id="r")
current().background.submit("busy", threading.Event().wait, print)  # what is logged now waits for ever
reticent.log_text("customer_ref: {secret}\\n" + "a line of a log\\n" * 100_000, "notes.txt")
reticent.log_artifact({source!r})
ready()
threading.Event().wait()
"""
READ = """
import json, reticent
{configure}
run = reticent.get_run("r")
assert reticent.flush(60)
print(json.dumps([[one.path for one in run.artifacts()], {{one.path: one.rule for one in run.withheld()}}]))
"""
HIDES = json.dumps({"deny": ["customer_*"]})
CALLBACK = "reticent.configure(redact={'deny': ['customer_*'], 'decide': lambda match: None})"


def leave(start: Start, source: Path, policy: str, configure: str = "") -> None:
    """A run whose process was killed when its files were still raw."""
    source.write_text(f"customer_ref={SECRET}\n")
    left = start(LEAVE.format(secret=SECRET, source=str(source), configure=configure), RETICENT_REDACT=policy)
    left.kill()
    left.wait()


def read(root: Path, policy: str, configure: str = "") -> tuple[list[str], dict[str, str]]:
    """The artifacts and the withheld files of the run, as another process finds them."""
    environment = {**os.environ, "RETICENT_DIR": str(root), "RETICENT_REDACT": policy}
    code = READ.format(configure=configure)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found, withheld = json.loads(done.stdout)
    return sorted(found), withheld


def holding(root: Path) -> list[Path]:
    files = [path for path in root.rglob("*") if path.is_file() and "quarantine" not in path.parts]
    return [path for path in files if SECRET.encode() in path.read_bytes()]


@pytest.mark.parametrize(
    ("policy", "configure", "later", "configured_later"),
    [
        (HIDES, "", "{}", ""),
        (HIDES, "", json.dumps({"deny": ["customer_*"], "keep": ["customer_ref"]}), ""),
        (HIDES, "", json.dumps({"deny": ["customer_*"], "actions": {"*": "keep"}}), ""),
        (json.dumps({"rules": [{"id": "horse", "pattern": "corr3ct-[a-z0-9-]+"}]}), "", "{}", ""),
        ("{}", CALLBACK, "{}", CALLBACK),
    ],
)
def test_another_policy_seals_nothing(
    policy: str, configure: str, later: str, configured_later: str, root: Path, start: Start, tmp_path: Path
) -> None:
    leave(start, tmp_path / "more.txt", policy, configure)
    found, withheld = read(root, later, configured_later)
    assert (found, withheld) == ([], dict.fromkeys(("notes.txt", "more.txt"), "policy-differs"))
    assert holding(root) == []
    assert not list((root / "runs" / "r" / "staging").iterdir())


def test_the_same_policy_seals_it(root: Path, start: Start, tmp_path: Path) -> None:
    leave(start, tmp_path / "more.txt", HIDES)
    assert read(root, HIDES) == (["more.txt", "notes.txt"], {})
    assert holding(root) == []
    assert (root / "runs/r/artifacts/more.txt").read_text() == "customer_ref=[REDACTED:key-denied]\n"


def test_a_run_of_another_root_is_sealed_by_the_policy_that_is_built_in(
    root: Path, start: Start, tmp_path: Path
) -> None:
    leave(start, tmp_path / "more.txt", "{}")
    (root / "key").unlink()  # each root has one of its own
    assert read(root, "{}") == (["more.txt", "notes.txt"], {})
