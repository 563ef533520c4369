"""Two threads that each decode the first of a kind crash a process within msgspec: no kind of ours can be a first one."""

from __future__ import annotations

import subprocess
import sys
from textwrap import dedent

NEVER_DECODED = {"IntegrationReport", "Point", "Record", "Source", "_Measured"}

LOOKED_UP_BY_DECODING = """
    import importlib, pkgutil, sys, warnings
    import msgspec, reticent, reticent_integrations
    from reticent.patching import Options  # looked up by `autolog`, which one thread enters at a time

    warnings.simplefilter("ignore")
    for package in (reticent, reticent_integrations):
        for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)

    class NotLookedUp(msgspec.Struct):
        field: int

    def below(kind):
        return {kind}.union(*map(below, kind.__subclasses__()))

    called = []
    sys.setprofile(lambda frame, event, _: called.append(frame.f_code.co_name) if event == "call" else None)
    for kind in below(msgspec.Struct):
        if kind.__module__.startswith(("reticent", "__main__")) and not issubclass(kind, Options):
            called.clear()
            msgspec.json.Decoder(kind)
            if "get_class_annotations" in called:
                print(kind.__name__)
"""


def test_every_struct_that_is_decoded_was_looked_up_by_its_import() -> None:
    done = subprocess.run(
        [sys.executable, "-c", dedent(LOOKED_UP_BY_DECODING)], capture_output=True, text=True, timeout=300
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert set(done.stdout.split()) == {"NotLookedUp"} | NEVER_DECODED
