"""What `reticent doctor` says of frameworks: what is captured of each, with which options."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from rich.console import RenderableType
from rich.text import Text

from reticent import settings
from reticent.cli import render
from reticent.cli.finding import Finding
from reticent.errors import SettingsError


def frameworks() -> Iterator[Finding]:
    """Each integration: is its framework there, in range, and does everything that is patched exist."""
    from reticent.inspection import inspect_integrations

    for report in sorted(inspect_integrations(), key=lambda report: report.name):
        absent = [target for target, applies in report.patches if not applies]
        patches = render.plural(len(report.patches) - len(absent), "patch", "patches")
        if report.error:
            yield Finding("bad", report.name, report.installed_version or "broken", report.error)
        elif report.installed_version is None:
            yield Finding(
                "none", report.name, Text("not installed", style=render.DIM), f"captured when {report.required}"
            )
        elif not report.in_range:
            yield Finding("fair", report.name, report.installed_version, f"not captured: outside of {report.required}")
        elif absent:
            yield Finding("fair", report.name, report.installed_version, f"{patches}; not found: {', '.join(absent)}")
        else:
            yield Finding("good", report.name, report.installed_version, f"{report.required}  {patches}")


def refused_options(source: settings.Source) -> Iterator[Finding]:
    """What `reticent.autolog()` would refuse in the setting `autolog`."""
    from reticent.autologging import check_settings

    try:
        check_settings(source)
    except SettingsError as error:
        yield Finding("bad", "options", str(error), "reticent.autolog() raises this")


def options_table(source: settings.Source) -> RenderableType:
    """The options in force: the shared ones once, and of each integration what it has of its own or otherwise."""
    from reticent.autologging import options_in_force

    origin = source.origin["autolog"]
    table = render.table("", "", "")
    try:
        shared, integrations = options_in_force(source.settings.autolog)
    except SettingsError:
        return Text("not known: the setting is wrong", style=render.DIM)
    rows = {"every integration": shared, **integrations}
    for name, options in rows.items():
        if options is None:
            table.add_row(name, Text("off", style=render.HEAD), Text(origin, style=render.DIM))
            continue
        chosen = msgspec.structs.asdict(options)
        same = {} if options is shared else msgspec.structs.asdict(shared)
        shown = {key: value for key, value in chosen.items() if key not in same or same[key] != value}
        usual = {field.name: field.default for field in msgspec.structs.fields(options)}
        parts = [
            (f"{key} = {render.setting(value)}", render.DIM if value == usual[key] else render.HEAD)
            for key, value in shown.items()
        ]
        changed = any(style == render.HEAD for _, style in parts)
        text = Text(", ").join(render.literal(*part) for part in parts) if parts else Text("as every one", render.DIM)
        table.add_row(name, text, render.literal(origin if changed else "", render.DIM))
    return table
