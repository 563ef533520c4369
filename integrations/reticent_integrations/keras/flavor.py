"""Models of Keras 3, whatever its backend, in its own `.keras` format.

While training waits they are saved as the directory that a `.keras` file is the archive of, which takes a third of the
time and no memory; it is packed in the background, with no need of the classes that the model is made of.
"""

from __future__ import annotations

import os
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from reticent.errors import NotDefinedError, ReticentError
from reticent.files import inside, share, snapshot
from reticent.guard import tried
from reticent.models import Flavor
from reticent.models.flavor import Config
from reticent_integrations.keras import archive, judged
from reticent_redact import pickle_imports

_DATA = "data"
_OWN = "custom_objects.cloudpickle"
_PICKLED = ("global_custom_objects.cloudpickle", _OWN)
_BACKENDS = ("tensorflow", "torch", "jax")


def _save(model: Any, directory: Path) -> dict[str, Any]:
    import keras

    (directory / _DATA).mkdir()
    model.save(directory / _DATA / "model", zipped=False)
    _pickle_own(model, directory / _DATA)
    return {
        "keras": {
            "data": _DATA,
            "keras_version": keras.__version__,
            "keras_backend": keras.config.backend(),
            "save_exported_model": False,
            # For mlflow.tensorflow, which loads it too.
            "model_type": "keras",
            "save_format": "tf",
            "keras_module": "keras",
        },
        "python_function": {"loader_module": "mlflow.keras"},
    }


def _finish(saved: Path, finished: Path, flavors: dict[str, Any]) -> dict[str, Any]:
    source = saved / _DATA / "model"
    (finished / _DATA).mkdir()
    with zipfile.ZipFile(finished / _DATA / "model.keras", "w") as packed:
        for path in sorted(path for path in source.rglob("*") if path.is_file()):
            packed.write(path, path.relative_to(source).as_posix())
    if (saved / _DATA / _OWN).exists():
        share(saved / _DATA / _OWN, finished / _DATA / _OWN)
    return flavors


def _pickle_own(model: Any, data: Path) -> None:
    """Beside the model, the classes and functions of it that no other process can import: those of a script, or made
    within a function. One that cannot be pickled has to be imported by whoever loads the model."""
    named = archive.custom(archive.config_of(data / "model"))
    if not named:
        return
    main = sys.modules.get("__main__")
    parts = {type(part).__name__: type(part) for part in model._flatten_layers()}
    own = {}
    for one in named:
        found: Any = parts.get(one.name, getattr(main, one.name, None))
        if getattr(found, "__module__", None) == "__main__" or "<locals>" in getattr(found, "__qualname__", ""):
            own[one.registered] = found
    if own:
        with tried() as attempt:
            import cloudpickle

            (data / _OWN).write_bytes(cloudpickle.dumps(own, protocol=5))
        if attempt.error is not None:
            (data / _OWN).unlink(missing_ok=True)


def imports(directory: Path, config: Config) -> list[str]:
    found = _listed(directory, config)
    judged.told(directory, found)
    return found


def _listed(directory: Path, config: Config) -> list[str]:
    _keras(config)
    file = model_file(directory, config)
    found: list[str] = []
    for pickled in _pickled(directory, config):
        with pickled.open("rb") as opened:
            found += pickle_imports(opened)
    if file.suffix == ".h5":
        return [*found, f"keras.legacy (a model in {file.name}, which is not looked into)"]
    if (file / "saved_model.pb").exists():
        from reticent_integrations.tensorflow.graph import unsafe_operations

        return [*found, *unsafe_operations(file)]
    return [*found, *archive.imports(archive.config_of(file))]


def load(directory: Path, config: Config) -> Any:
    file = model_file(directory, config)
    if (file / "saved_model.pb").exists():
        from reticent_integrations.tensorflow import saved_model

        return saved_model.load(file, None, lambda unsafe: judged.check(directory, unsafe))
    with _copied(directory, config) as copy:
        listed = _listed(copy, config)
        judged.check(directory, listed)
        return _load(copy, config, safe_mode=not listed)


def _load(directory: Path, config: Config, *, safe_mode: bool) -> Any:
    keras = _keras(config)
    file = model_file(directory, config)
    if file.suffix == ".h5":
        objects = _unpickled(directory, config)
        return keras.saving.load_model(file, custom_objects=objects, safe_mode=safe_mode)
    content = archive.config_of(file)
    objects = {**_imported(keras, content), **_unpickled(directory, config)}
    missing = [named for named in archive.custom(content) if not _known(keras, named, objects)]
    # A loss that is found nowhere is not needed to predict.
    needed = set(archive.custom({**content, "compile_config": None}))
    for named in needed.intersection(missing):
        whole = named.name if named.module == archive.NOWHERE else f"{named.module}.{named.name}"
        raise NotDefinedError(
            f"{whole}, which the model is made of, is not found there; import what defines it, and "
            f"have it registered as {named.registered!r} by keras.saving.register_keras_serializable"
        )
    return keras.saving.load_model(file, custom_objects=objects, compile=not missing, safe_mode=safe_mode)


@contextmanager
def _copied(directory: Path, config: Config) -> Iterator[Path]:
    """The files of a model where nobody changes them between a look at them and their loading."""
    file = model_file(directory, config)
    with tempfile.TemporaryDirectory(prefix="reticent-") as place:
        copy = Path(place)
        for path in [*(sorted(file.rglob("*")) if file.is_dir() else [file]), *_pickled(directory, config)]:
            name = path.relative_to(directory).as_posix()
            if inside(directory, name).is_file():
                snapshot(path, copy / name)
        yield copy


def model_file(directory: Path, config: Config) -> Path:
    """Where the model itself lies: a `.keras` file, its directory, an older HDF5 file, or an exported SavedModel."""
    data = inside(directory, config.get("data", "model"))
    base = data / "model" if data.is_dir() else data
    for path in (base.with_name(f"{base.name}.keras"), base.with_name(f"{base.name}.h5"), base):
        if path.exists():
            return inside(directory, path.relative_to(directory).as_posix())
    raise FileNotFoundError(f"there is no model.keras in {config.get('data')!r}")


def _pickled(directory: Path, config: Config) -> list[Path]:
    """Pickles of classes beside a model, as `mlflow.tensorflow` stores them too."""
    data = inside(directory, config.get("data", "model"))
    names = [name for name in _PICKLED if (data / name).is_file()]
    return [inside(directory, (data / name).relative_to(directory).as_posix()) for name in names]


def _unpickled(directory: Path, config: Config) -> dict[str, Any]:
    objects: dict[str, Any] = {}
    for path in _pickled(directory, config):
        import cloudpickle

        with path.open("rb") as file:
            objects.update(cloudpickle.load(file))
    return objects


def _imported(keras: ModuleType, content: Any) -> dict[str, Any]:
    """The user's classes and functions that a config names, those of a script out of the one that runs. Importing their
    modules registers those with a decorator."""
    objects = {}
    for named in archive.custom(content):
        module = import_module("__main__" if named.module == archive.NOWHERE else named.module)
        if keras.saving.get_registered_object(named.registered) is None and hasattr(module, named.name):
            objects[named.registered] = getattr(module, named.name)
    return objects


def _known(keras: ModuleType, named: archive.Named, objects: Mapping[str, Any]) -> bool:
    return named.registered in objects or keras.saving.get_registered_object(named.registered) is not None


def _keras(config: Config) -> ModuleType:
    """Keras, on the backend that the model was made with if this process has not chosen another one."""
    backend = config.get("keras_backend")
    chosen = "KERAS_BACKEND" in os.environ or "keras" in sys.modules
    if chosen or backend not in _BACKENDS:
        return import_module("keras")
    os.environ["KERAS_BACKEND"] = backend
    try:
        return import_module("keras")
    finally:
        del os.environ["KERAS_BACKEND"]


def predict(model: Any, data: Any, params: Mapping[str, Any]) -> Any:
    if not hasattr(model, "predict"):  # an exported one
        from reticent_integrations.tensorflow.flavor import predict as predict_exported

        return predict_exported(model, data, params)
    return model.predict(_inputs(model, data), **{"verbose": 0, **params})


def _inputs(model: Any, data: Any) -> Any:
    import numpy as np

    ranks = {one.name: len(one.shape) for one in getattr(model, "inputs", None) or []}

    def array(name: str, values: Any) -> Any:
        made = np.asarray(values)
        return made[:, None] if made.ndim == 1 and ranks.get(name) == 2 else made  # a column of numbers

    if hasattr(data, "columns"):
        if len(ranks) > 1 and set(ranks) <= set(data.columns):
            return {name: array(name, data[name].tolist()) for name in ranks}
        return data.to_numpy()
    if isinstance(data, Mapping):
        return {name: array(name, values) for name, values in data.items()}
    if isinstance(data, list | tuple):
        # As many arrays as there are inputs are one for each, otherwise they are rows.
        return list(map(np.asarray, data)) if len(ranks) > 1 and len(ranks) == len(data) else np.asarray(data)
    return data


def _to_onnx(model: Any, example: Any) -> bytes:
    import keras

    backend = keras.config.backend()
    if backend != "torch":
        raise ReticentError(
            f"Keras on {backend} converts to ONNX by tf2onnx, which is not supported; convert it in a process that has "
            "KERAS_BACKEND=torch set (and torch, onnx and onnxscript installed)"
        )

    def spec(one: Any, name: str | None = None) -> Any:  # of any number of rows
        dtype = keras.backend.standardize_dtype(one.dtype)
        dtype = keras.config.floatx() if dtype == "float64" else dtype  # the model would cast it
        return keras.InputSpec(shape=(None, *one.shape[1:]), dtype=dtype, name=name)

    inputs = _inputs(model, example)
    names = [one.name for one in getattr(model, "inputs", None) or []]
    if isinstance(inputs, Mapping):
        signature: Any = {name: spec(one, name) for name, one in inputs.items()}
    elif isinstance(inputs, list):
        signature = [spec(one, name) for one, name in zip(inputs, names, strict=True)]
    else:
        signature = spec(inputs, *names[:1])
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "model.onnx"
        model.export(path, format="onnx", verbose=False, input_signature=[signature])
        return path.read_bytes()


def _is_keras(model: object) -> bool:
    return any((base.__module__, base.__name__) == ("keras.src.models.model", "Model") for base in type(model).__mro__)


# On PyTorch a model of Keras is a module of PyTorch too, and on TensorFlow one of TensorFlow: theirs are more general.
flavor = Flavor(
    "keras",
    handles=_is_keras,
    save=_save,
    load=load,
    predict=predict,
    imports=imports,
    finish=_finish,
    to_onnx=_to_onnx,
    priority=20,
)
