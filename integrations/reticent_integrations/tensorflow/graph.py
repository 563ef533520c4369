"""SavedModels of unknown origin: the operations in their graphs that do more than compute."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

# They call Python functions, or read and write files whose names a graph may hold.
_UNSAFE = {
    "PyFunc", "PyFuncStateless", "EagerPyFunc",
    "ReadFile", "WriteFile", "MatchingFiles", "WholeFileReader", "WholeFileReaderV2", "TextLineReader",
    "TextLineReaderV2", "FixedLengthRecordReader", "FixedLengthRecordReaderV2", "TFRecordReader", "TFRecordReaderV2",
    "TextLineDataset", "TFRecordDataset", "TFRecordDatasetV2", "FixedLengthRecordDataset",
    "FixedLengthRecordDatasetV2", "CSVDataset", "CSVDatasetV2", "SqlDataset", "SaveDataset", "SaveDatasetV2",
    "LoadDataset", "SnapshotDataset", "SnapshotDatasetV2", "CacheDataset", "CacheDatasetV2",
    "CreateSummaryFileWriter", "CreateSummaryDbWriter", "PrintV2", "Print", "Save", "SaveSlices", "Restore",
    "RestoreSlice", "DebugIdentity", "DebugIdentityV2", "DebugIdentityV3", "DebugNanCount", "DebugNumericSummary",
    "RpcClient", "RpcServer", "RemoteCall", "MlirPassthroughOp",
    "InitializeTableFromTextFile", "InitializeTableFromTextFileV2",
}  # fmt: skip
# Every SavedModel has these, in the functions that TensorFlow adds to save and restore its variables.
_SAVING = {"SaveV2", "RestoreV2", "MergeV2Checkpoints", "ShardedFilename"}
_SAVERS = ("__inference__traced_save", "__inference__traced_restore")


def unsafe_operations(directory: Path) -> list[str]:
    """What the graphs of a SavedModel do besides computing, as "tensorflow.<operation>"; read with nothing executed.

    Operations that this TensorFlow does not know are not listed: it does not load them.
    """
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    saved = SavedModel()
    saved.ParseFromString((directory / "saved_model.pb").read_bytes())
    found: set[str] = set()
    for meta in saved.meta_graphs:
        functions = meta.graph_def.library.function
        called = {name for function in functions for node in function.node_def for name in _called(node)}
        found |= {node.op for node in meta.graph_def.node if node.op in _UNSAFE}
        for function in functions:
            name = function.signature.name
            unsafe = _UNSAFE if name.startswith(_SAVERS) and name not in called else _UNSAFE | _SAVING
            found |= {node.op for node in function.node_def if node.op in unsafe}
    return sorted(f"tensorflow.{operation}" for operation in found)


def _called(node: Any) -> Iterator[str]:
    for value in node.attr.values():
        if value.HasField("func"):
            yield value.func.name
        yield from (function.name for function in value.list.func)
