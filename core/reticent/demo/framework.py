"""`reticent demo FRAMEWORK`: the small training that an integration brings, as its user would write it."""

from __future__ import annotations

import ast
import inspect
import io
import os
import re
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib import import_module, metadata
from importlib.util import find_spec

from reticent.cli import render
from reticent.demo.showing import look, since, train, watch
from reticent.errors import MissingExtraError, ReticentError
from reticent.guard import tried
from reticent.patching import Integration

_TO_LINTERS = re.compile(r"\s*# (?:noqa|type: ignore)\b.*$")


def demos() -> dict[str, Integration]:
    """The integrations that have a demo, by name."""
    found = {}
    for point in metadata.entry_points(group="reticent.integrations"):
        with tried():  # the doctor reports it
            integration: Integration = point.load()
            if integration.demo and find_spec(integration.demo) is not None:
                found[point.name] = integration
    return dict(sorted(found.items()))


def show_framework(name: str) -> None:
    """Train, and show what was captured. Raises ReticentError if there is no such demo, or its framework is missing."""
    known = demos()
    if name not in known:
        raise ReticentError(f"there is no demo of {name!r}; there is of: {', '.join(known)}")
    missing = f'the demo needs {{}}, not installed here: pip install "reticent[{name.replace("_", "-")}]"'
    if find_spec(known[name].module) is None:
        raise MissingExtraError(missing.format(known[name].module))
    module = import_module(known[name].demo)
    title = (module.__doc__ or name).strip().splitlines()[0]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # what TensorFlow says of itself while it is imported
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # of these it says so before it looks at that level
    out = render.console()
    out.file = sys.stdout  # what the framework prints goes elsewhere meanwhile
    began = watch()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            train(out, title, f"import reticent\nreticent.autolog()\n\n{body(module.train)}", _silently(module.train))
    except ModuleNotFoundError as error:
        raise MissingExtraError(missing.format(error.name)) from error
    runs = since(out, began)
    look(out, runs, [run for run in runs if run.parent_id is None][:1], "")


def body(function: Callable[..., object]) -> str:
    """The source of a function as a script: its body without the docstring, the `return` at its end, and remarks to
    linters."""
    source = textwrap.dedent(inspect.getsource(function))
    lines = source.splitlines()
    (tree,) = ast.parse(source).body
    assert isinstance(tree, ast.FunctionDef)
    statements = tree.body[1:] if ast.get_docstring(tree) else tree.body
    first = statements[0].lineno
    last = statements[-1].lineno - 1 if isinstance(statements[-1], ast.Return) else len(lines)
    shown = "\n".join(_TO_LINTERS.sub("", line) for line in lines[first - 1 : last])
    return textwrap.dedent(shown).strip("\n")


def _silently(training: Callable[[], str]) -> Callable[[], str]:
    def run() -> str:
        with _quiet():
            return training()

    return run


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what a framework prints from the demo's own output; it is printed if the training fails."""
    printed = io.StringIO()
    try:
        with redirect_stdout(printed), redirect_stderr(printed):
            yield
    except Exception:
        sys.stderr.write(printed.getvalue())
        raise
