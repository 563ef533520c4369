"""What was delivered to a backend `memory://name` of this process."""

from __future__ import annotations

from reticent.backends.memory import StoredRun, stores


def memory_store(name: str = "") -> dict[str, StoredRun]:
    """The runs of the store by their ids, as they are now: `reticent.flush()` first.

    with reticent.start_run() as run:
        train()
    reticent.flush()
    assert memory_store("mine")[run.run_id].params["lr"] == "0.1"
    """
    return stores[name].runs
