"""What `reticent doctor` says of integrations. Apart from `autologging`, which every training imports."""

from __future__ import annotations

from importlib import import_module, metadata

import msgspec

from reticent import autologging
from reticent.guard import tried
from reticent.patching.integration import Integration, function_of, hooks_of, options_of
from reticent.patching.placing import applies


class IntegrationReport(msgspec.Struct):
    """What `reticent doctor` says of one integration. `patches`: targets, and whether they exist in this version."""

    name: str
    module: str
    installed_version: str | None
    required: str
    in_range: bool
    patches: list[tuple[str, bool]]
    error: str | None = None


def inspect_integrations() -> list[IntegrationReport]:
    """Every registered integration against what is installed. Imports the frameworks."""
    reports = []
    for point in metadata.entry_points(group="reticent.integrations"):
        with tried() as attempt:
            integration: Integration = point.load()
            for hook in (hook for patch in integration.patches for hook in hooks_of(patch)):
                function_of(hook)
            options_of(integration)
        if attempt.error is not None:
            kind = type(attempt.error).__name__
            reports.append(IntegrationReport(point.name, point.name, None, "", False, [], kind))
            continue
        with tried() as attempt:
            version = autologging.version_of(integration)
        if attempt.error is not None:
            missing = isinstance(attempt.error, ModuleNotFoundError)
            text = None if missing else f"{type(attempt.error).__name__} on import"
            reports.append(
                IntegrationReport(integration.name, integration.module, None, integration.requires, False, [], text)
            )
            continue
        patches = []
        for patch in integration.patches:
            try:
                import_module(patch.module)
                there = applies(patch)
            except ImportError:
                there = False
            if there or not patch.optional:
                patches.append((patch.target, there))
        in_range = autologging.in_range(version, integration.requires)
        reports.append(
            IntegrationReport(integration.name, integration.module, version, integration.requires, in_range, patches)
        )
    return reports
