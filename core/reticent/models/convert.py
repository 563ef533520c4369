"""Converting a published model to ONNX: a model of its own, with the signature and the example of what it is made from.

It is kept only if it gives for the example what its source gives, as converters take what they do not know for what they
know.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reticent.errors import MissingExtraError, ReticentError
from reticent.files import PRIVATE_DIRECTORY, inside, make_directory, sha256_of, write_private
from reticent.models import example
from reticent.models.flavor import Flavor, named
from reticent.models.load import OpenedModel, opened
from reticent.models.locate import told
from reticent.models.mlmodel import FILE, ModelFile, environment_files, mlmodel, yaml_text
from reticent.models.pyfunc import PyFunc, load_pyfunc
from reticent.models.requirements import requirements
from reticent.models.signature.schema import Signature
from reticent.models.signature.tensors import is_a, is_array
from reticent.models.staging import describe
from reticent.sessions import current
from reticent_redact import Report, Withheld

INSTALL = "pip install 'reticent[onnx]'"

SAME = 1e-4
"""How far apart predictions may be: ONNX has floats where many frameworks have doubles."""


def to_onnx(uri: str, output: Path, *, trust: bool) -> None:
    """Write the model at a URI as an ONNX model to a directory that does not exist yet.

    Raises ReticentError if it cannot be converted, if what comes of it predicts something else, if the directory exists,
    or if a secret would be in it.
    """
    if os.path.lexists(output):
        raise told(f"{os.fspath(output)!r} exists already; name a directory that does not")
    target = named(["onnx"])
    if target is None:
        raise MissingExtraError(f"nothing here writes ONNX models: {INSTALL}")
    with opened(uri) as model:
        loaded = model.load(trust)
        data = _example(model)
        proto = _proto(model, loaded, data)
        try:
            make_directory(output.absolute().parent)
            output.mkdir(PRIVATE_DIRECTORY)
        except OSError as error:
            raise told(f"{os.fspath(output)!r} cannot be made: {error.strerror}") from error
        try:
            _write(proto, target, model, output)
            _try(model, loaded, data, output)
        except BaseException:
            shutil.rmtree(output, ignore_errors=True)
            raise


def _example(model: OpenedModel) -> Any:
    given = example.stored(model.directory, model.published.example)
    if given is None:
        raise told(
            f"the model at {model.uri!r} has no input example, which conversion needs; log it with input_example="
        )
    signature = Signature.parse(model.published.signature)
    return example.data(given, signature.inputs if signature else None)


def _proto(model: OpenedModel, loaded: Any, data: Any) -> Any:
    name = model.flavor.name
    if model.flavor.to_onnx is None:
        raise told(f"models of the flavor {name} cannot be converted to ONNX")
    try:
        import onnx

        return onnx.load_from_string(model.flavor.to_onnx(loaded, data))
    except ReticentError:
        raise
    except ImportError as error:
        missing = error.name or str(error)
        raise MissingExtraError(
            f"to convert models of the flavor {name}, {missing} is needed, which is not installed: {INSTALL}"
        ) from error
    except Exception as error:  # of a converter, which may fail in any way
        raise told(f"the model at {model.uri!r} cannot be converted: {_reason(error)}") from error


def _try(source: OpenedModel, loaded: Any, data: Any, output: Path) -> None:
    """ReticentError if the converted model in a directory does not give for the example what its source gives."""
    if source.flavor.predict is None:
        raise told(f"models of the flavor {source.flavor.name} do not predict, so no conversion of one can be tried")
    try:
        expected = PyFunc(loaded, source.flavor, Signature.parse(source.published.signature)).predict(data)
    except Exception as error:  # of the framework
        raise told(
            f"the model at {source.uri!r} fails for its own input example, so that its conversion cannot be tried: "
            f"{_reason(error)}"
        ) from error
    try:
        given = load_pyfunc(output).predict(data)
    except Exception as error:  # of ONNX Runtime
        raise told(
            f"the model at {source.uri!r} cannot be converted: what the converter made of it fails for the input "
            f"example: {_reason(error)}"
        ) from error
    if difference := differs(given, expected):
        raise told(
            f"the model at {source.uri!r} cannot be converted: what the converter made of it differs from it for the "
            f"input example: {difference}"
        )


def differs(given: Any, expected: Any) -> str:
    """How predictions differ from those that are expected, in words; empty if they do not.

    In what arrays are is no difference: for a DataFrame, ONNX models give columns, as MLflow has them do.
    """
    import numpy as np

    ours, theirs = _arrays(given), _arrays(expected)
    if len(ours) != len(theirs):
        ours, theirs = _joined(ours), _joined(theirs)
    for one, other in zip(ours, theirs, strict=True):
        if one.size != other.size:
            return f"it gives {one.size} values, not {other.size}"
        flat, wanted = one.ravel(), other.ravel()
        numbers = all(array.dtype.kind in "biufc" for array in (flat, wanted))
        same = np.isclose(flat, wanted, rtol=SAME, atol=SAME, equal_nan=True) if numbers else _equal(flat, wanted)
        if not same.all():
            return f"{np.count_nonzero(~same)} of {same.size} values are others"
    return ""


def _equal(one: Any, other: Any) -> Any:
    import numpy as np

    return np.fromiter((a == b for a, b in zip(one.tolist(), other.tolist(), strict=True)), dtype=bool)


def _arrays(predictions: Any) -> list[Any]:
    import numpy as np

    if is_a(predictions, "pandas", "DataFrame"):
        return [np.asarray(list(predictions.iloc[:, index])) for index in range(predictions.shape[1])]
    if isinstance(predictions, Mapping):
        return [np.asarray(value) for value in predictions.values()]
    if isinstance(predictions, list | tuple) and any(map(is_array, predictions)):
        return [np.asarray(value) for value in predictions]
    return [np.asarray(predictions)]


def _joined(arrays: list[Any]) -> list[Any]:
    """Columns as one array: where one model gives a matrix, another may give its columns."""
    import numpy as np

    if len({array.shape for array in arrays}) > 1:
        return [np.concatenate([array.ravel() for array in arrays])]
    return [np.stack(arrays, axis=-1)]


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())  # some have all of a model in it
    return f"{type(error).__name__}: {text if len(text) <= 500 else text[:500] + '…'}"


def _write(proto: Any, flavor: Flavor, source: OpenedModel, output: Path) -> None:
    redactor, report = current().redactor, Report()
    saved = output / f"saved-{uuid.uuid4().hex}"
    make_directory(saved)
    described = describe(proto, flavor, flavor.save(proto, saved), signature=None)
    for path in sorted(file for file in saved.rglob("*") if file.is_file()):
        name = path.relative_to(saved).as_posix()
        make_directory((output / name).parent)
        sealed = redactor.seal_file(path, output / name, name=path.name, report=report)
        if isinstance(sealed, Withheld):
            raise told(f"the converted model holds a secret (rule {sealed.rule}) in {name!r}, so it is not written")
    shutil.rmtree(saved)
    for name, text in environment_files(described.python_version, requirements(described.modules)).items():
        write_private(output / name, text.encode())
    info = dict(source.published.example or {})
    for name in {str(value) for key, value in info.items() if key.endswith("_path")}:
        write_private(inside(output, name), inside(source.directory, name).read_bytes())
    files = [
        ModelFile(path=path.relative_to(output).as_posix(), size=path.stat().st_size, sha256=sha256_of(path))
        for path in sorted(output.rglob("*"))
        if path.is_file()
    ]
    content = mlmodel(
        described,
        source.published.signature,
        info,
        path=source.published.path,
        run_id=source.published.run_id,
        model_uuid=uuid.uuid4().hex,
        files=files,
        imports=[],
    )
    text = redactor.seal(content, channel="artifact", report=report, render=yaml_text)
    write_private(output / FILE, text.encode("utf-8", "backslashreplace"))
