"""`reticent models`: the models of all runs, what is in one, whether it is sound, and how to use it anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

app = typer.Typer(
    name="models",
    help="List, look at, check, convert and serve models.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

# typer reads these annotations at run time, where Python 3.10 needs Optional spelled out.
UriArgument = Annotated[
    str,
    typer.Argument(metavar="URI", help="runs:/RUN/PATH, models:/NAME/VERSION, models:/NAME@ALIAS, a directory or URL."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
TrustOption = Annotated[
    bool, typer.Option("--trust", help="Load it even if that runs code that its files name (see `show`).")
]


@app.command("list")
def _list(
    experiment: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--experiment", "-e", metavar="E", help="Only of this experiment. May be repeated."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """List the models of all runs, newest first."""
    from reticent.cli.model_list import list_models

    list_models(experiment or [], as_json=json)


@app.command("show")
def _show(uri: UriArgument, json: JsonOption = False) -> None:
    """Show what a model is, takes and gives, and what loading it would run. Nothing of it is loaded."""
    from reticent.cli.model_show import show_model

    show_model(uri, as_json=json)


@app.command("load")
def _load(
    uri: UriArgument,
    trust: TrustOption = False,
    input: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--input", "-i", metavar="FILE", help="Data to predict: .csv, .json, .npy or .parquet."),
    ] = None,
    output: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--output", "-o", metavar="FILE", help="Where the predictions go, as JSON; else to the terminal."),
    ] = None,
) -> None:
    """Load a model and print what it predicts for a file, or for its input example."""
    from reticent.cli.model_load import load

    load(uri, trust, input, output)


@app.command("verify")
def _verify(uri: UriArgument, trust: TrustOption = False) -> None:
    """Check every file, then load the model in another process and have it predict its input example. Exit code 1 if
    something is wrong."""
    from reticent.cli.model_load import verify_model

    verify_model(uri, trust)


@app.command("convert")
def _convert(
    uri: UriArgument,
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="A directory that does not exist yet.")],
    to: Annotated[str, typer.Option("--to", metavar="FORMAT", help="The format: onnx.")],
    trust: TrustOption = False,
) -> None:
    """Write a model in another format, as a model of its own."""
    from reticent.cli.model_load import convert

    if to != "onnx":
        raise typer.BadParameter("the only format is onnx", param_hint="--to")
    convert(uri, output, trust)


@app.command("serve")
def _serve(
    uri: UriArgument,
    host: Annotated[str, typer.Option("--host", help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", "-p", min=0, max=65535, help="0 for any free one.")] = 5001,
    trust: TrustOption = False,
    max_mb: Annotated[float, typer.Option("--max-mb", min=0.001, help="The largest body of a request.")] = 16,
    timeout: Annotated[float, typer.Option("--timeout", min=0.1, help="The most seconds a request may take.")] = 60,
    threads: Annotated[int, typer.Option("--threads", min=1, max=256, help="How many predict at the same time.")] = 4,
) -> None:
    """Serve a model by MLflow's scoring protocol: POST /invocations, GET /ping, /health and /version.

    There is no authentication: what listens on more than this machine should stand behind something that has it.
    """
    from reticent.cli.model_serve import serve_model

    serve_model(uri, host, port, trust, max_mb, timeout, threads)
