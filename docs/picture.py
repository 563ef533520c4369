"""Draw what commands print on a terminal: `python docs/picture.py docs/demo.svg "reticent runs" "reticent show RUN"`."""

from __future__ import annotations

import io
import os
import pty
import re
import shlex
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 104


def main(target: Path, commands: list[str]) -> None:
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    for command in commands:
        console.print(Text(f"$ {command}", style="bold"))
        console.print(Text.from_ansi(on_terminal(command)))
    picture = console.export_svg(title="reticent")
    picture = re.sub(
        r"@font-face \{.*?\}\n", "", picture, flags=re.DOTALL
    )  # fonts of the reader's, none from the network
    target.write_text(
        picture.replace("Fira Code, monospace", "ui-monospace, Menlo, Consolas, DejaVu Sans Mono, monospace")
    )


def on_terminal(command: str) -> str:
    """What a command prints where a person is looking."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(WIDTH), "TERM": "xterm-256color"}
    process = subprocess.Popen(shlex.split(command), stdout=theirs, stderr=theirs, stdin=theirs, env=environment)
    os.close(theirs)
    output = b""
    while True:
        try:
            part = os.read(ours, 1 << 16)
        except OSError:  # the terminal was closed at its other end
            break
        if not part:
            break
        output += part
    os.close(ours)
    if process.wait() != 0:
        sys.exit(f"{command} failed:\n{output.decode()}")
    return output.decode().replace("\r\n", "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
