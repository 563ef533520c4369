"""Large texts are looked at in bounded memory, and time that grows with them."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytest.importorskip("resource", reason="memory is measured as POSIX tells it")

SIZE = 100 << 20
PRELUDE = """
import resource, sys
from pathlib import Path
from reticent_redact import Redactor, SealedFile
TOKEN = "ghp_" + "R7mK2pQ9vT4xW1zBnC8dF3gH6jL5sYaE0uNi"
SIZE = 100 << 20
SECRETS = f"{TOKEN} and password=hunter2-and-3 and r3gister/ed\\n"
CLEAN = "epoch=3 step=17 loss=0.25 of a run that was long\\n" * 20_000

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

redactor = Redactor()
redactor.register("r3gister/ed")
redactor.redact_text(SECRETS + CLEAN)  # tables and imports are there
"""
TEXT = """
text = (SECRETS + CLEAN) * (SIZE // len(SECRETS + CLEAN))
before = peak()
{}
assert TOKEN not in result and "hunter2" not in result and "r3gister" not in result
assert len(result) > SIZE * 0.9
print(peak() - before)
"""
FILE = """
source, target = Path(sys.argv[1], "source"), Path(sys.argv[1], "target")
with source.open("w") as file:
    for _ in range(SIZE // len(SECRETS + CLEAN)):
        file.write({})
before = peak()
result = redactor.seal_file(source, target, name={!r})
assert isinstance(result, SealedFile), result
assert result.size > SIZE * 0.9
print(peak() - before)
with target.open() as file:
    assert not any(TOKEN in line or "hunter2" in line or "r3gister" in line for line in file)
"""
WAYS = {  # each with the most that the process may grow by, in sizes of the text
    "redact_text": (TEXT.format("result = redactor.redact_text(text)"), 4.0),
    "seal": (TEXT.format("result = redactor.seal(text, channel='artifact')"), 4.0),
    "seal_file, with secrets": (FILE.format("SECRETS + CLEAN", "notes.txt"), 0.3),
    "seal_file, clean": (FILE.format("CLEAN", "notes.txt"), 0.3),
    "seal_file, not text": (FILE.format("chr(0) + CLEAN", "weights.bin"), 0.3),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_hundred_megabytes_in_bounded_memory(way: str, tmp_path: Path) -> None:
    code, times = WAYS[way]
    limit = f"""
        import resource
        resource.setrlimit(resource.RLIMIT_AS, ({10 * SIZE}, {10 * SIZE}))
    """
    program = textwrap.dedent(limit) + PRELUDE + code
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < times * SIZE
