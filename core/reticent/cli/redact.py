"""`reticent redact`: what would be hidden where, by which rules, what was, and today's policy for what is stored."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

app = typer.Typer(
    name="redact",
    help="See what redaction hides, and have stored runs redacted again.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

# typer reads these annotations at run time, where Python 3.10 needs Optional spelled out.
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
PolicyOption = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--policy", metavar="FILE", help="The policy in this file's table [redact], not the one in force."),
]


@app.command("scan")
def _scan(
    paths: Annotated[list[str], typer.Argument(metavar="PATH|-", help="Files and directories; - for standard input.")],
    policy: PolicyOption = None,
    json: JsonOption = False,
    sarif: Annotated[bool, typer.Option("--sarif", help="Print SARIF 2.1.0 and nothing else.")] = False,
) -> None:
    """Say what would be hidden in files, and where. Exit code 1 if there is anything, 2 if not all could be read.

    Files are judged as artifacts, in which e-mail addresses and telephone numbers are hidden as well.
    """
    from reticent.cli.scan import scan_paths

    if json and sarif:
        raise typer.BadParameter("--json and --sarif exclude each other", param_hint="--sarif")
    scan_paths(paths, policy, "sarif" if sarif else "json" if json else "text")


@app.command("test")
def _test(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The text; - for standard input.")],
    key: Annotated[str, typer.Option("--key", metavar="NAME", help="Redact it as the value of this param.")] = "",
    channel: Annotated[
        str, typer.Option("--channel", metavar="NAME", help="Judge it as this: param, text, artifact, console, ...")
    ] = "",
    policy: PolicyOption = None,
) -> None:
    """Redact a text and say which rules hit.

    It is judged as text, or as a param if it has a key; `--channel artifact` judges it as `scan` judges files.
    """
    from reticent.cli.rules import CHANNELS, try_text

    judged_as = channel or ("param" if key else "text")
    if judged_as not in CHANNELS:
        raise typer.BadParameter(f"there are {', '.join(CHANNELS)}", param_hint="--channel")
    try_text(text, key, judged_as, policy)


@app.command("rules")
def _rules(policy: PolicyOption = None, json: JsonOption = False) -> None:
    """List all rules."""
    from reticent.cli.rules import list_rules

    list_rules(policy, as_json=json)


@app.command("report")
def _report(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or the beginning of it.")],
    json: JsonOption = False,
) -> None:
    """Say what was redacted and withheld in a run, and which policy holds for which backend."""
    from reticent.cli.redaction_report import report_run

    report_run(run, as_json=json)


@app.command("apply")
def _apply(
    run: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--run", metavar="RUN", help="Only this run. May be repeated."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be hidden; change nothing.")] = False,
    delete_quarantined: Annotated[
        bool, typer.Option("--delete-quarantined", help="Then remove these runs' withheld files, which lie there raw.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Redact stored runs again, with today's policy: run logs, artifacts and the embedded database.

    Files that are withheld stay in the runs' quarantine, raw, and are listed. Exit code 1 if a run had to be left out.
    """
    from reticent.cli.apply import apply_policy

    if dry_run and delete_quarantined:
        raise typer.BadParameter(
            "--dry-run and --delete-quarantined exclude each other", param_hint="--delete-quarantined"
        )
    apply_policy(run or [], dry_run=dry_run, delete=delete_quarantined, as_json=json)
