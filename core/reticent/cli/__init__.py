"""`reticent`: see, compare and deliver runs from the command line.

Nothing heavy is imported until a command needs it, so that `reticent --help` answers at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from reticent.cli.models import app as models
from reticent.cli.redact import app as redact

app = typer.Typer(
    name="reticent",
    help="Autologging that keeps secrets. See, compare and deliver the runs of this project.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# typer reads these annotations at run time, where Python 3.10 needs Optional spelled out.
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or the beginning of it.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
AllOption = Annotated[bool, typer.Option("--all", "-a", help="Leave nothing out for brevity.")]


def _version(wanted: bool) -> None:
    if wanted:
        from reticent import __version__

        typer.echo(f"reticent {__version__}")
        raise typer.Exit


@app.callback()
def _reticent(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command("runs")
def _runs(
    filter: Annotated[
        str, typer.Option("--filter", "-f", metavar="F", help="Which ones: \"metrics.loss < 0.1 and params.C = '1'\".")
    ] = "",
    sort: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--sort", "-s", metavar="CLAUSE", help='In which order: "metrics.loss asc". May be repeated.'),
    ] = None,
    max_results: Annotated[int, typer.Option("--max", "-n", min=1, help="How many at most.")] = 50,
    experiment: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--experiment", "-e", metavar="E", help="Only of this experiment. May be repeated."),
    ] = None,
    children: Annotated[
        bool, typer.Option("--children", "-c", help="List the children of runs too, under their parent.")
    ] = False,
    all_: AllOption = False,
    json: JsonOption = False,
) -> None:
    """List runs, newest first. The children of a run are counted; --filter and --json look at them as at any run,
    and JSON has the parent_id of each."""
    from reticent.cli.runs import list_runs

    list_runs(filter, sort or [], max_results, experiment or [], children=children, everything=all_, as_json=json)


@app.command("show")
def _show(
    run: RunArgument,
    console: Annotated[bool, typer.Option("--console", help="Only what it wrote to its console.")] = False,
    points: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--points", min=0, help="With --json: of each metric the last N points at most, not all."),
    ] = None,
    all_: AllOption = False,
    json: JsonOption = False,
) -> None:
    """Show all that is known of one run."""
    from reticent.cli.show import show_console, show_run

    if points is not None and (console or not json):
        raise typer.BadParameter("only JSON has points: add --json", param_hint="--points")
    if console:
        show_console(run, as_json=json)
    else:
        show_run(run, everything=all_, as_json=json, points=points)


@app.command("compare")
def _compare(
    runs: Annotated[list[str], typer.Argument(metavar="RUN RUN...", help="Run ids, or beginnings of them.")],
    all_: AllOption = False,
    json: JsonOption = False,
) -> None:
    """Set runs side by side: params that differ, and metrics."""
    from reticent.cli.compare import compare_runs

    if len(runs) < 2:
        raise typer.BadParameter("two or more runs are needed to compare", param_hint="RUN RUN...")
    compare_runs(runs, everything=all_, as_json=json)


@app.command("sync")
def _sync(
    to: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--to", metavar="BACKEND", help="To this backend, not to the configured ones. May be repeated."),
    ] = None,
    run: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--run", metavar="RUN", help="Only this run. May be repeated."),
    ] = None,
    since: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--since", metavar="WHEN", help="Only runs logged to since then: 12h ago, 2d ago, 2026-11-01."),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Go on with what comes, until Ctrl-C or SIGTERM.")] = False,
) -> None:
    """Deliver what backends have not got yet."""
    from reticent.cli.deliver import moment, sync_runs, watch_runs

    (watch_runs if watch else sync_runs)(to, run, None if since is None else moment(since))


@app.command("courier")
def _courier(
    root: Annotated[
        Optional[list[Path]],  # noqa: UP045
        typer.Option("--root", metavar="DIR", help="Serve this root, not the one of this project. May be repeated."),
    ] = None,
) -> None:
    """Deliver what is logged on this host, until Ctrl-C or SIGTERM: trainings leave it to this and end at once."""
    from reticent.cli.courier import serve

    serve(root)


@app.command("export")
def _export(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN... BUNDLE", help="Run ids, or beginnings of them; last the file, x.tar.zst (.gz, .xz)."
        ),
    ],
    children: Annotated[bool, typer.Option("--children", "-c", help="With all their children.")] = False,
    sign: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--sign", metavar="KEYFILE", help="Sign it by this private Ed25519 key."),
    ] = None,
) -> None:
    """Write runs to one file, to be imported where there is a network."""
    from reticent.cli.bundles import export

    *run_ids, bundle = runs
    if not run_ids:
        raise typer.BadParameter("one run or more, and then the bundle's name", param_hint="RUN... BUNDLE")
    export(run_ids, Path(bundle), sign, children=children)


@app.command("import")
def _import(
    source: Annotated[str, typer.Argument(metavar="BUNDLE|SOURCE", help="A bundle; with --from a URL or a directory.")],
    from_: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--from", metavar="TRACKER", help="Old runs of this tracker, not a bundle: mlflow, tensorboard, wandb."
        ),
    ] = None,
    experiment: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--experiment", "-e", metavar="E", help="With --from: only of this experiment. May be repeated."),
    ] = None,
    unfinished: Annotated[
        bool,
        typer.Option("--unfinished", help="With --from: also runs that the tracker believes to go on, as CRASHED."),
    ] = False,
    verify: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--verify", metavar="PUBKEYFILE", help="Refuse a bundle that this key has not signed."),
    ] = None,
) -> None:
    """Bring in runs that were exported, or that another tracker has. What is here already stays as it is."""
    from reticent.cli.bundles import import_from, import_runs

    if from_ is None:
        if experiment or unfinished:
            raise typer.BadParameter("belongs to --from", param_hint="--experiment" if experiment else "--unfinished")
        import_runs(Path(source), verify)
    else:
        if verify is not None:
            raise typer.BadParameter("a tracker signs nothing: --verify is for bundles", param_hint="--verify")
        import_from(from_, source, experiment or [], unfinished=unfinished)


@app.command("backends")
def _backends() -> None:
    """List the backends: which exist, what to install for them, and whether those that are configured can be reached."""
    from reticent.cli.backends import show_backends

    show_backends()


@app.command("reindex")
def _reindex() -> None:
    """Rebuild the embedded database from the run logs."""
    from reticent.cli.deliver import rebuild

    rebuild()


@app.command("doctor")
def _doctor(
    framework: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(metavar="[FRAMEWORK]", help="With --captures: only of this one.", show_default=False),
    ] = None,
    captures: Annotated[
        bool, typer.Option("--captures", help="Only what is captured of each framework, name by name.")
    ] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="With --captures: as a page in Markdown.")] = False,
) -> None:
    """Say what is captured here, how it is set up, and what is wrong."""
    if not captures and (framework or markdown):
        raise typer.BadParameter("belongs to --captures", param_hint="FRAMEWORK" if framework else "--markdown")
    if captures:
        from reticent.cli.captures import print_markdown, show_captures

        (print_markdown if markdown else show_captures)(framework)
        return
    from reticent.cli.doctor import diagnose

    diagnose()


# What follows the script is the script's, whatever it looks like.
@app.command("bench", context_settings={"allow_interspersed_args": False, "ignore_unknown_options": True})
def _bench(
    script: Annotated[str, typer.Argument(metavar="SCRIPT.py", help="Run this one.")],
    arguments: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Argument(metavar="[ARGUMENTS]", help="Given to the script.", show_default=False),
    ] = None,
    module: Annotated[bool, typer.Option("--module", "-m", help="SCRIPT.py is a module, as of `python -m`.")] = False,
    rounds: Annotated[
        int, typer.Option("--rounds", "-n", min=1, help="How often it is run each way, after once that is not counted.")
    ] = 5,
    to: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            "--to", metavar="BACKEND", help="Deliver to this backend, not to a temporary store. May be repeated."
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Measure what autologging adds to a script of yours: it is run bare and autologged, in turns.

    Each time it runs in this directory, with this environment, and with nothing on its standard input; what it prints is
    not shown. Ctrl-C ends the measuring and shows the rounds that are whole.
    """
    from reticent.cli.bench import Subject, bench

    if not module and not Path(script).is_file():
        raise typer.BadParameter(f"there is no file '{script}'.", param_hint="'SCRIPT.py'")
    subject = Subject(script, "module" if module else "script", arguments or [], to or ["sqlite"])
    bench(subject, rounds, as_json=json)


@app.command("demo")
def _demo(
    framework: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(metavar="[FRAMEWORK]", help="Train with this one, as lightgbm.", show_default=False),
    ] = None,
) -> None:
    """Train small models and look at what was captured (20 s)."""
    if framework is None:
        from reticent.demo.tour import tour

        tour()
    else:
        from reticent.demo.framework import show_framework

        show_framework(framework)


app.add_typer(models)
app.add_typer(redact)


def main() -> None:
    """The command `reticent`: exit code 0 if all is well, 1 for a problem, 2 for a usage error, 130 for Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # an ASCII terminal shows ? for what it does not know
    from reticent.errors import FilterError, ReticentError

    try:
        app(prog_name="reticent")
    except ReticentError as error:
        from reticent.cli.render import complain

        complain(str(error))
        sys.exit(2 if isinstance(error, FilterError) else 1)
    except KeyboardInterrupt:
        sys.exit(130)
