"""All rules that know a secret by its value: of two that match the same characters, the more specific comes first."""

from __future__ import annotations

from reticent_redact.rules import (
    ai,
    cloud,
    code_hosts,
    commands,
    keys,
    messaging,
    monitoring,
    packages,
    payment,
    personal,
    web,
)
from reticent_redact.rules.rule import Rule

RULES: tuple[Rule, ...] = (
    *ai.RULES,
    *cloud.RULES,
    *code_hosts.RULES,
    *packages.RULES,
    *payment.RULES,
    *messaging.RULES,
    *monitoring.RULES,
    *keys.RULES,
    *commands.RULES,
    *web.RULES,
    *personal.RULES,
)
