"""Models in ONNX, run by ONNX Runtime."""

from __future__ import annotations

import tempfile
import threading
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reticent.files import inside
from reticent.models import Flavor
from reticent.models.flavor import Config
from reticent_integrations.onnx import files

_FILE = "model.onnx"
_PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")

_sessions: deque[tuple[Any, Any]] = deque(maxlen=2)
"""Models that have predicted, with their sessions, which take long to make. A model that was loaded is not changed."""
_lock = threading.Lock()


def _save(model: Any, directory: Path) -> dict[str, Any]:
    import onnx

    files.write(model, directory / _FILE)
    return {
        "onnx": {
            "data": _FILE,
            "onnx_version": onnx.__version__,
            "providers": list(_PROVIDERS),
            "onnx_session_options": None,
            "code": None,
        },
        "python_function": {"data": _FILE, "loader_module": "mlflow.onnx"},
    }


def _load(directory: Path, config: Config) -> Any:
    return files.read(inside(directory, config["data"]))


def _predict(model: Any, data: Any, params: Mapping[str, Any]) -> Any:  # noqa: ARG001 - a session has none
    """As MLflow gives it: for a DataFrame a DataFrame, and otherwise arrays by the names of the outputs."""
    import numpy as np
    import pandas as pd

    session = _session(model)
    inputs = session.get_inputs()
    if isinstance(data, Mapping):
        feed = dict(data)
    elif isinstance(data, pd.DataFrame) and len(inputs) > 1:
        feed = {one.name: data[one.name].to_numpy() for one in inputs}
    elif len(inputs) == 1:
        feed = {inputs[0].name: data.to_numpy() if isinstance(data, pd.DataFrame) else np.asarray(data)}
    else:
        wanted = ", ".join(one.name for one in inputs)
        raise ValueError(f"the model has {len(inputs)} inputs; give it a dict of arrays or a DataFrame with: {wanted}")
    for one in inputs:
        # What has been JSON has doubles where the model has floats.
        if one.type == "tensor(float)" and np.asarray(feed[one.name]).dtype == np.float64:
            feed[one.name] = np.asarray(feed[one.name], dtype=np.float32)
    names = [one.name for one in session.get_outputs()]
    outputs = dict(zip(names, session.run(names, feed), strict=True))
    return _frame(outputs) if isinstance(data, pd.DataFrame) else outputs


def _frame(outputs: Mapping[str, Any]) -> Any:
    import numpy as np
    import pandas as pd

    columns: dict[str, Any] = {name: np.asarray(value).reshape(-1) for name, value in outputs.items()}
    if len({len(column) for column in columns.values()}) > 1:  # a label and several probabilities, which MLflow refuses
        columns = {name: list(value) for name, value in outputs.items()}
    return pd.DataFrame(columns)


def _session(model: Any) -> Any:
    with _lock:
        for known, session in _sessions:
            if known is model:
                return session
    import onnxruntime

    providers = [name for name in _PROVIDERS if name in onnxruntime.get_available_providers()]
    with tempfile.TemporaryDirectory() as directory:  # as a session takes no 2 GB in one piece
        path = Path(directory) / _FILE
        files.write(model, path)
        session = onnxruntime.InferenceSession(str(path), providers=providers)
    with _lock:
        _sessions.append((model, session))
    return session


def _to_onnx(model: Any, example: Any) -> bytes:  # noqa: ARG001 - it is what it is
    content: bytes = model.SerializeToString()
    return content


def _is_onnx(model: object) -> bool:
    kind = type(model)
    return kind.__module__.partition(".")[0] == "onnx" and kind.__name__ == "ModelProto"


flavor = Flavor("onnx", handles=_is_onnx, save=_save, load=_load, predict=_predict, to_onnx=_to_onnx)
