"""`reticent.autolog()`: switches integrations on and off, for frameworks imported before or after.

The runtime of the hooks is imported with the first framework, and what checks options where there are some.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Collection, Mapping
from functools import cache, partial
from importlib import import_module, metadata
from typing import TYPE_CHECKING, Any

from reticent import layers
from reticent.errors import SettingsError
from reticent.forks import after_fork_in_child
from reticent.guard import one_at_a_time, swallowed, tried, warn_once
from reticent.imports import is_imported, watch, when_imported

if TYPE_CHECKING:
    from reticent import settings
    from reticent.patching import Integration, Options
    from reticent.patching.integration import AnyPatch

_choices: dict[str, Mapping[str, Any] | bool] = {}
_wanted = False
_waiting: set[str] = set()
_installed: set[str] = set()
_lock = threading.RLock()
_GROUP = "reticent.integrations"


def autolog(disable: bool = False, dry_run: bool | None = None, **options: Any) -> None:
    """Capture every training run of the installed frameworks from here on; `disable=True` undoes it exactly.

    Options: `autolog(log_models=False)` for all integrations, `autolog(xgboost={"log_models": False})` or
    `autolog(xgboost=False)` for one. With `dry_run=True` nothing is stored, also of what is logged by hand: what would be
    captured and redacted is told at the end of the process, or at the next `autolog` without it. Raises SettingsError for
    an unknown option or value; imports no framework.
    """
    aside = sys.modules.get("reticent.aside")
    if aside is not None and aside.is_child:  # it imports the user's modules, which may say so at their top
        return
    with one_at_a_time(_lock):  # patches that two threads place and remove at once would be half there
        _switch(disable, dry_run, options)


def _switch(disable: bool, dry_run: bool | None, options: dict[str, Any]) -> None:
    global _choices, _wanted
    points = _points()
    if disable:
        _wanted = False
        for name in list(_installed):
            _disable(name)
        _end_dry_run()
        return
    _check("autolog", options)
    choices = {**(_set(overridden=options) if layers.any_said() else {}), **options}
    as_set = choices.pop("dry_run", False)
    if dry_run not in (None, True, False):
        raise SettingsError("autolog: dry_run must be true or false")
    if as_set if dry_run is None else dry_run:
        from reticent.dry_run import begin

        begin()
    else:
        _end_dry_run()
    _choices, _wanted = choices, True
    imported = {name for name in points if is_imported(name)}
    _enable([point for name, point in points.items() if name in imported])
    for name, point in points.items():
        if name not in imported and name not in _waiting:
            _waiting.add(name)
            when_imported(name, lambda point=point: _enable([point]) if _wanted else None)  # type: ignore[misc]
    watch()


def _set(overridden: Collection[str]) -> dict[str, Any]:
    """What the setting `autolog` says; of keys in `overridden`, unchecked."""
    from reticent import settings

    source = settings.current()
    check_settings(source, overridden)
    return source.settings.autolog


def chosen() -> dict[str, Any]:
    """The options in force, for another process to be told the same."""
    return dict(_choices)


def _end_dry_run() -> None:
    if "reticent.dry_run" in sys.modules:
        from reticent.dry_run import end

        end()


def check_settings(source: settings.Source, overridden: Collection[str] = ()) -> None:
    """Raises SettingsError if the setting `autolog` has what no integration takes, except under keys in `overridden`."""
    options = {key: value for key, value in source.settings.autolog.items() if key not in overridden}
    _check(f"{source.origin['autolog']}: setting 'autolog'", options)


def _enable(points: list[metadata.EntryPoint]) -> None:
    """Place the patches of integrations whose frameworks are imported."""
    if not points:
        return
    from reticent.patching.placing import at_once

    integrations: list[Integration] = []
    for point in points:  # one that fails keeps no other from capturing
        with swallowed(f"the integration of {point.name}"):
            integrations.append(point.load())
    with at_once(patch for integration in integrations for patch in integration.patches):
        for integration in integrations:
            with swallowed(f"the integration of {integration.name}"):
                _enable_one(integration)


def _enable_one(integration: Integration) -> None:
    from reticent.patching.hooking import enabled

    if _is_off(integration, _choices):
        _disable(integration.name)
        return
    version = version_of(integration)
    if not in_range(version, integration.requires):
        warn_once(
            f"version of {integration.name}",
            f"{integration.module} {version} is outside of {integration.requires}: it is not captured; "
            "`reticent doctor` shows what is",
        )
        return
    # Another thread may do the same now: one of them places the patches, and what was chosen last holds.
    options = cache(lambda: _options(integration, _choices))
    placed = enabled.setdefault(integration.name, options) is not options
    enabled[integration.name] = options
    if not placed:
        _installed.add(integration.name)
        patches: dict[str, list[AnyPatch]] = {}
        for patch in integration.patches:
            patches.setdefault(patch.module, []).append(patch)
        for module, those in patches.items():
            when_imported(module, partial(_place_all, integration, those))


def _place_all(integration: Integration, patches: list[AnyPatch]) -> None:
    """Place the patches of one module, which is imported now."""
    from reticent.patching.hooking import enabled
    from reticent.patching.placing import at_once

    with at_once(patches):
        for patch in patches:
            if integration.name in enabled:
                with swallowed(f"the integration of {patch.module}"):
                    _place(integration, patch)


def _place(integration: Integration, patch: AnyPatch) -> None:
    from reticent.patching.placing import place

    try:
        place(patch, integration)
    except AttributeError:
        if patch.optional:
            return
        warn_once(
            f"target {patch.target}",
            f"{patch.target} does not exist in this version of {integration.module}: it is not captured",
        )


def _disable(name: str) -> None:
    from reticent.patching.hooking import enabled
    from reticent.patching.placing import remove

    _installed.discard(name)
    enabled.pop(name, None)
    remove(name)


def options_in_force(choices: Mapping[str, Any]) -> tuple[Options, dict[str, Options | None]]:
    """With these choices, the options that all integrations have, and those of each; None for one that is switched off.
    Raises SettingsError if a choice is wrong."""
    import msgspec

    from reticent.patching.options import Options

    _check("autolog", choices)
    shared = msgspec.convert(_of_fields(choices, Options), Options)
    found = {}
    for point in sorted(_points().values(), key=lambda point: point.name):
        with tried() as attempt:
            integration: Integration = point.load()
        if attempt.error is None:  # else the doctor reports it
            found[integration.name] = None if _is_off(integration, choices) else _options(integration, choices)
    return shared, found


def _is_off(integration: Integration, choices: Mapping[str, Any]) -> bool:
    return choices.get(integration.name) is False


def _options(integration: Integration, choices: Mapping[str, Any]) -> Options:
    """The options that the user chose for an integration."""
    from reticent.patching.integration import options_of

    options = options_of(integration)
    own = choices.get(integration.name)
    shared = _of_fields(choices, options)
    if not shared and not isinstance(own, Mapping):
        return options()  # at once: msgspec first has to find out which types these are
    import msgspec

    return msgspec.convert({**shared, **(own if isinstance(own, Mapping) else {})}, options)


def _of_fields(choices: Mapping[str, Any], options: type[Options]) -> dict[str, Any]:
    return {key: value for key, value in choices.items() if key in options.__struct_fields__}


def _check(place: str, options: Mapping[str, Any]) -> None:
    if not options:
        return
    from reticent.patching.integration import options_of

    known: dict[str, type[Options] | None] = {}
    for point in _points().values():
        known[point.name] = None
        with tried():  # the doctor reports it
            integration: Integration = point.load()
            options_taken = options_of(integration)
            del known[point.name]
            known[integration.name] = options_taken
    owners = [one for one in known.values() if one is not None]
    shared = sorted({name for one in owners for name in one.__struct_fields__})
    for key, value in options.items():
        if key == "dry_run":
            if not isinstance(value, bool):
                raise SettingsError(f"{place}: dry_run must be true or false")
        elif key in known:
            own = known[key]
            if not isinstance(value, (bool, Mapping)):
                raise SettingsError(f"{place}: {key} must be true, false or a table of options")
            if isinstance(value, Mapping) and own is not None:
                _convert(f"{place}: {key}", value, own)
        elif key in shared:
            for own in owners:  # several may have it, each with values of its own
                if key in own.__struct_fields__:
                    _convert(place, {key: value}, own)
        else:
            names = ", ".join([*sorted(known), *shared])
            raise SettingsError(f"{place}: unknown integration or option {key!r}; known: {names}")


def _convert(place: str, value: Mapping[str, Any], options: type[Options]) -> None:
    import msgspec

    try:
        msgspec.convert(dict(value), options)
    except msgspec.ValidationError as error:
        message = str(error)
        for key in value:  # of a wrong choice, msgspec names the value, and not what there is
            allowed = _choices_of(options, key)
            if allowed and message.startswith("Invalid enum value") and f"`$.{key}" in message:
                message = f"{key} must be {' or '.join(map(repr, allowed))}"
        message = message.replace(" - at `$.", " at `")
        raise SettingsError(f"{place}: {message}; options: {', '.join(options.__struct_fields__)}") from None


def _choices_of(options: type[Options], key: str) -> tuple[Any, ...]:
    """The values that an option, or each of its list, may have; none if these are not counted."""
    import msgspec.inspect

    fields: Any = msgspec.inspect.type_info(options)
    kind = next((field.type for field in fields.fields if field.name == key), None)
    return tuple(getattr(getattr(kind, "item_type", kind), "values", ()))


def _points() -> dict[str, metadata.EntryPoint]:
    """By the name of the module that they wait for. `metadata.entry_points` takes three times as long: it parses what each
    of the installed distributions has."""
    found: dict[str, metadata.EntryPoint] = {}
    for distribution in metadata.distributions():
        if f"[{_GROUP}]" in (distribution.read_text("entry_points.txt") or ""):
            for point in distribution.entry_points.select(group=_GROUP):
                found.setdefault(point.name, point)  # of two versions of a distribution the first one on the path
    return found


def version_of(integration: Integration) -> str:
    # The module's own word: some distributions (xgboost-cpu) have another name than their module.
    return str(import_module(integration.module).__version__)


def in_range(version: str, required: str) -> bool:
    numbers, least = version.partition("+")[0].split("."), required.removeprefix(">=").split(".")
    if required.startswith(">=") and all(part.isdecimal() for part in (*numbers, *least)):  # as nearly always
        return [*map(int, numbers), *(0 for _ in least)] >= [*map(int, least)]
    from packaging.specifiers import SpecifierSet  # takes as long as a third of all that is done here

    return SpecifierSet(required).contains(version, prereleases=True)


def _forked() -> None:
    global _lock
    _lock = threading.RLock()


after_fork_in_child(_forked)
