"""SavedModels of unknown origin: the operations in their graphs that may do more than compute."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from reticent.files import inside

FILE = "saved_model.pb"
"""TensorFlow reads others, such as `saved_model.pbtxt`, only where this one is missing; a model without it is refused."""
ASSETS = "assets"

# What TensorFlow itself saves and restores variables by, in functions that it adds to every SavedModel.
_SAVING = {"SaveV2", "RestoreV2", "MergeV2Checkpoints", "ShardedFilename"}


def unsafe_operations(directory: Path) -> list[str]:
    """What the graphs of a SavedModel may do besides computing, as "tensorflow.<operation>"; read with nothing executed.

    ValueError if its assets are files outside of its directory.
    """
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    saved = SavedModel()
    saved.ParseFromString((directory / FILE).read_bytes())
    found: set[str] = set()
    for meta in saved.meta_graphs:
        for asset in meta.asset_file_def:
            try:
                inside(directory / ASSETS, asset.filename)
            except ValueError:
                raise ValueError(f"{FILE} names an asset that is not among its own: {asset.filename!r}") from None
        library = meta.graph_def.library.function
        functions = {function.signature.name: function for function in library}
        if len(functions) < len(library):
            raise ValueError(f"{FILE} has two functions of the same name")
        # A function may be called as if it were an operation; one that has the name of an operation hides it from none.
        known = _computing() | {name for name in functions if name.startswith("__")}
        # Where there is one graph of objects, those functions are loaded but not called: the variables are restored by
        # TensorFlow itself. Without it, as TensorFlow 1 had it, what the graph says is called.
        single = len(saved.meta_graphs) == 1 and meta.HasField("object_graph_def")
        savers = _savers(meta, functions) if single else set()
        found |= {node.op for node in meta.graph_def.node} - known
        for name, function in functions.items():
            found |= {node.op for node in function.node_def} - (known | _SAVING if name in savers else known)
    return sorted(f"tensorflow.{operation}" for operation in found)


@functools.cache
def _computing() -> frozenset[str]:
    lines = Path(__file__).with_name("operations.txt").read_text("utf-8").splitlines()
    return frozenset(name for line in lines if not line.startswith("#") for name in line.split())


def _savers(meta: Any, functions: Mapping[str, Any]) -> set[str]:
    """The functions that only the saver of the model's variables calls, found by their place: a name says nothing."""
    saver = meta.saver_def
    places = {saver.save_tensor_name.partition(":")[0], saver.restore_op_name}
    calls = {name: set(_called(function.node_def, functions)) for name, function in functions.items()}
    saving = _reached(_called((node for node in meta.graph_def.node if node.name in places), functions), calls)
    others = set(functions) - saving
    others.update(_called((node for node in meta.graph_def.node if node.name not in places), functions))
    for one in meta.object_graph_def.nodes:
        others.update(one.function.concrete_functions, [one.bare_concrete_function.concrete_function_name])
    library = meta.graph_def.library
    others.update(gradient.gradient_func for gradient in [*library.gradient, *library.registered_gradients])
    # TensorFlow may call a function in place of another one that says it implements the same.
    others.update(name for name in saving if "api_implements" in functions[name].attr)
    return saving - _reached(others, calls)


def _reached(start: Iterable[str], calls: Mapping[str, set[str]]) -> set[str]:
    """The functions that are called by some, these included."""
    reached: set[str] = set()
    left = list(start)
    while left:
        name = left.pop()
        if name in calls and name not in reached:
            reached.add(name)
            left += calls[name]
    return reached


def _called(nodes: Iterable[Any], functions: Mapping[str, Any]) -> Iterator[str]:
    for node in nodes:
        if node.op in functions:
            yield node.op
        left = list(node.attr.values())
        while left:  # a function may be given others
            value = left.pop()
            for function in [*([value.func] if value.HasField("func") else []), *value.list.func]:
                yield function.name
                left += function.attr.values()
