"""`python -m reticent.cli` is the command `reticent`."""

from reticent.cli import main

main()
