"""The policy of redaction for people: what is hidden besides the secrets known by their form, what is left, and how."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from reticent.backends import name_of
from reticent.cli import render
from reticent.settings import Source
from reticent_redact import Policy
from reticent_redact.markers import Hasher


def policy_table(source: Source) -> Table:
    """The policy in force, where it comes from, and what is stricter for which backend."""
    policies = source.settings.policies
    table = render.table("", "", "")
    origin = source.origin["redact"]
    for name, says in described(policies.base):
        style = render.DIM if origin == "default" else ""
        table.add_row(render.literal(name, style), render.literal(says, style), render.literal(origin, render.DIM))
    used = {name_of(url) for url in source.settings.backends}
    for backend, own in policies.own.items():
        for name, says in described(own):
            where = "stricter there" if backend in used else "stricter there; no backend of this name is configured"
            table.add_row(render.literal(f"{backend}: {name}"), render.literal(says), Text(where, style=render.DIM))
    return table


def described(policy: Policy) -> Iterator[tuple[str, str]]:
    """What a policy says, by the names that settings have for it; of one that says nothing, that."""
    said = {
        "keep": ", ".join(policy.keep),
        "deny": ", ".join(policy.deny),
        "only": None if policy.only is None else ", ".join(policy.only) or "no param at all",
        "actions": ", ".join(f"{rule} = {action}" for rule, action in policy.actions.items()),
        "rules": ", ".join(rule.id for rule in policy.rules),
        "decide": "a function" if policy.decide is not None else "",
        "hash key": f"its id in hashes is {Hasher(policy.hash_key).key_id}" if policy.hash_key else "",
    }
    found = [(name, text) for name, text in said.items() if text]
    yield from found or [("built-in", "the rules that are built in, and no others")]
