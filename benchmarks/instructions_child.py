"""The hot paths, for `benchmarks.instructions` to count: each is called often between two calls of `os.getppid`.

Prints the names of the paths in their order, as JSON.
"""

from __future__ import annotations

import gc
import json
import os
import struct
import sys
import types
from collections.abc import Callable, Generator
from contextlib import ExitStack

WARMING = 300
CALLS = 2_000
"""Of each path. What is done once in a thousand calls is in it."""

_kept = ExitStack()
_packed = struct.Struct("<qd")


def plain_python(number: int) -> object:
    """None of ours: what this build of Python takes for such things, by which the others are judged."""
    found = {"step": number, "text": str(number)}
    return _packed.pack(number, float(number)), tuple(found.values())


def paths() -> dict[str, Callable[[int], object]]:
    import reticent
    from reticent.patching import Call, Integration, LightPatch, Patch
    from reticent.sessions import current
    from reticent.testing.targets import enabled_with

    toy = types.ModuleType("toy_framework")
    exec("def train(number): return number\ndef step(number): return number", toy.__dict__)
    sys.modules["toy_framework"] = toy

    def around(_call: Call) -> Generator[None, None, None]:
        yield

    run = reticent.start_run("count", run_id="count")
    patches = (
        Patch("toy_framework:train", around),
        LightPatch("toy_framework:step", lambda args, _kwargs, _result: run.log_metric("step", 0.5, args[0])),
    )
    _kept.enter_context(enabled_with(Integration("toy", "toy_framework", ">=0", patches), lambda hook: hook))
    seal = current().redactor.seal
    return {
        "plain Python": plain_python,
        "log_metric": lambda number: reticent.log_metric("loss", 0.5, number),
        "run.log_metric": lambda number: run.log_metric("loss", 0.5, number),
        "seal of a param": lambda _number: seal("adamw_torch", channel="param", key="optimizer"),
        "seal of a new text": lambda number: seal(f"runs/bert-{number}", channel="param", key="output_dir"),
        "hooked call": toy.train,
        "hooked step that logs": toy.step,
    }


def main() -> None:
    named = paths()
    gc.disable()
    for call in named.values():
        for number in range(WARMING):
            call(number)
        gc.collect()
        os.getppid()
        for number in range(CALLS):
            call(number)
        os.getppid()
    print(json.dumps(list(named)), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
