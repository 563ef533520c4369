"""What Reticent costs, measured: `python -m benchmarks [NAME...]` prints a table per module and writes JSON beside it."""
