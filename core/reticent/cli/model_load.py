"""`reticent models load`, `verify` and `convert`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer
from rich.text import Text

from reticent.cli import render
from reticent.errors import ReticentError
from reticent.files import write_private
from reticent.models import example
from reticent.models.load import opened
from reticent.models.locate import told
from reticent.models.pyfunc import PyFunc
from reticent.models.signature.kinds import Spec
from reticent.models.signature.schema import Signature


def load(uri: str, trust: bool, source: Path | None, output: Path | None) -> None:

    with opened(uri) as model:
        loaded = model.load(trust)
        given = example.stored(model.directory, model.published.example)
        signature = Signature.parse(model.published.signature)
    specs = signature.inputs or [] if signature else []
    asked = source is not None or output is not None
    if model.flavor.predict is None or (source is None and given is None):
        lacks = "is not asked for predictions" if model.flavor.predict is None else "has no input example: give --input"
        if asked:
            raise told(f"the model at {uri!r} {lacks}")
        kind = f"{type(loaded).__module__}.{type(loaded).__qualname__}"
        loads = Text.assemble(render.check("good"), f" loads as {model.flavor.name}: ", render.literal(kind))
        render.console().print(loads.append(f"  it {lacks}", render.DIM))
        return
    data = _read(source, specs) if source is not None else example.data(given, specs) if given is not None else None
    try:
        predictions = PyFunc(loaded, model.flavor, signature).predict(data)
    except ReticentError:
        raise
    except Exception as error:
        raise told(f"the model at {uri!r} cannot predict this data: {type(error).__name__}: {error}") from error
    _write(predictions, output)


def verify_model(uri: str, trust: bool) -> None:
    from reticent.models.verify import verify
    from reticent.sessions import current

    out = render.console()
    bad = False
    for step in verify(uri, trust=trust):
        bad = bad or step.state == "bad"
        text = current().seal("warning", step.text)
        out.print(Text.assemble(render.check(step.state), " ", render.literal(text)), soft_wrap=True)
    if bad:
        raise typer.Exit(1)


def convert(uri: str, output: Path, trust: bool) -> None:
    from reticent.models.convert import to_onnx

    to_onnx(uri, output, trust=trust)
    render.console().print(Text.assemble(render.check("good"), " ", render.literal(f"{output} is an ONNX model")))


def _read(source: Path, specs: list[Spec]) -> Any:
    """Data from a file, by the end of its name. ReticentError if it cannot be read."""
    from reticent.models.serve.protocol import FORMATS, data, frame_from_csv, typed

    try:
        if source.suffix == ".csv":
            return frame_from_csv(source, specs)
        if source.suffix == ".json":
            content = json.loads(source.read_bytes())
            framed = isinstance(content, dict) and any(name in content for name in FORMATS)
            return data(content if framed else {"inputs": content}, specs)
        if source.suffix == ".npy":
            import numpy as np

            return np.load(source, allow_pickle=False)
        if source.suffix == ".parquet":
            import pandas as pd

            return typed(pd.read_parquet(source), specs)
    except ReticentError:
        raise
    except ImportError as error:
        raise told(f"to read {str(source)!r}, install {error.name or 'pandas and pyarrow'}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise told(f"{str(source)!r} cannot be read: {type(error).__name__}: {error}") from error
    raise told(f"the name of {str(source)!r} must end with .csv, .json, .npy or .parquet")


def _write(predictions: Any, output: Path | None) -> None:
    from reticent.models.serve.protocol import answer

    try:
        text = answer(predictions) + "\n"
    except (TypeError, ValueError) as error:
        raise told(f"the predictions cannot be written as JSON: {error}") from error
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        if not output.absolute().parent.is_dir():
            raise told(f"{str(output)!r} cannot be written: there is no such directory")
        write_private(output, text.encode())
    except OSError as error:
        raise told(f"{str(output)!r} cannot be written: {error.strerror}") from error
