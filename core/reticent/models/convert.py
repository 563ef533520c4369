"""Converting a published model to ONNX: a model of its own, with the signature and the example of what it is made from."""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path
from typing import Any

from reticent.errors import MissingExtraError, ReticentError
from reticent.files import PRIVATE_DIRECTORY, inside, make_directory, sha256_of, write_private
from reticent.models import example
from reticent.models.flavor import Flavor, named
from reticent.models.load import OpenedModel, opened
from reticent.models.locate import told
from reticent.models.mlmodel import FILE, ModelFile, environment_files, mlmodel, yaml_text
from reticent.models.requirements import requirements
from reticent.models.signature.schema import Signature
from reticent.models.staging import describe
from reticent.session import current
from reticent_redact import Report, Withheld

INSTALL = "pip install 'reticent[onnx]'"


def to_onnx(uri: str, output: Path, *, trust: bool) -> None:
    """Write the model at a URI as an ONNX model to a directory that does not exist yet.

    Raises ReticentError if it cannot be converted, if the directory exists, or if a secret would be in it.
    """
    if os.path.lexists(output):
        raise told(f"{os.fspath(output)!r} exists already; name a directory that does not")
    target = named(["onnx"])
    if target is None:
        raise MissingExtraError(f"nothing here writes ONNX models: {INSTALL}")
    with opened(uri) as model:
        proto = _proto(model, model.load(trust))
        try:
            make_directory(output.absolute().parent)
            output.mkdir(PRIVATE_DIRECTORY)
        except OSError as error:
            raise told(f"{os.fspath(output)!r} cannot be made: {error.strerror}") from error
        try:
            _write(proto, target, model, output)
        except BaseException:
            shutil.rmtree(output, ignore_errors=True)
            raise


def _proto(model: OpenedModel, loaded: Any) -> Any:
    name = model.flavor.name
    if model.flavor.to_onnx is None:
        raise told(f"models of the flavor {name} cannot be converted to ONNX")
    given = example.stored(model.directory, model.published.example)
    if given is None:
        raise told(
            f"the model at {model.uri!r} has no input example, which conversion needs; log it with input_example="
        )
    signature = Signature.parse(model.published.signature)
    try:
        import onnx

        data = example.data(given, signature.inputs if signature else None)
        return onnx.load_from_string(model.flavor.to_onnx(loaded, data))
    except ReticentError:
        raise
    except ImportError as error:
        missing = error.name or str(error)
        raise MissingExtraError(
            f"to convert models of the flavor {name}, {missing} is needed, which is not installed: {INSTALL}"
        ) from error
    except Exception as error:  # of a converter, which may fail in any way
        raise told(f"the model at {model.uri!r} cannot be converted: {type(error).__name__}: {error}") from error


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
        # Converters give what they like, probabilities beside labels: what the source gave is no promise of this model.
        None if source.published.signature is None else {**source.published.signature, "outputs": None},
        info,
        path=source.published.path,
        run_id=source.published.run_id,
        model_uuid=uuid.uuid4().hex,
        files=files,
        imports=[],
    )
    text = redactor.seal(content, channel="artifact", report=report, render=yaml_text)
    write_private(output / FILE, text.encode("utf-8", "backslashreplace"))
