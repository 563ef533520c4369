"""`reticent redact rules` and `reticent redact test`: what each rule finds, and what they make of a text."""

from __future__ import annotations

import pkgutil
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path

from rich.text import Text

from reticent.cli import render
from reticent.cli.scan import STDIN, redactor_by
from reticent_redact import LEFT_OUT, Redactor, Report, names, rules
from reticent_redact.rules.rule import Rule

CHANNELS = ("param", "text", "artifact", "example", "console", "environment", "tag", "dataset", "traceback", "warning")
"""What a text can be judged as; a user's rules may be for some of them only, and some rules are."""


@dataclass(frozen=True)
class Described:
    """A rule as it is listed. `where` are the channels that it is for, `example` shows the form of what it finds."""

    id: str
    family: str
    confidence: str
    where: str
    example: str


def list_rules(policy_file: Path | None, as_json: bool) -> None:
    found = list(described(redactor_by(policy_file)))
    if as_json:
        render.dump([asdict(rule) for rule in found])
        return
    out = render.console()
    table = render.table("rule", "family", "sure", "where", "example", firm=(0, 1))
    limit = 60 if render.on_terminal(out) else None
    for rule in found:
        name = Text(rule.id, style=render.REDACTED)
        table.add_row(name, rule.family, rule.confidence, rule.where, render.literal(rule.example, limit=limit))
    out.print(render.Block(table))
    out.print(
        Text(
            f"\n{render.plural(len(found), 'rule')}; what is known to be secret in a process has none.",
            style=render.DIM,
        )
    )


def described(redactor: Redactor) -> Iterator[Described]:
    """The user's rules, those for values, those for keys."""
    for own in redactor.policy.rules:
        example = _crossed_out(own.hits[0]) if own.hits else ""
        yield Described(own.id, "yours", redactor.confidence(own.id), ", ".join(own.only_in) or "everywhere", example)
    families = _families()
    for rule in rules.RULES:
        where = ", ".join(sorted(rule.only_in)) or "everywhere"
        yield Described(rule.id, families.get(rule.id, "values"), rule.confidence, where, _example(rule))
    for key_rule in sorted(names.RULES):
        example = f"{key_rule.removeprefix('key-').replace('-', '_')}: xxxxxxxx"
        if key_rule == names.DENIED.rule:
            example = "any value of a name in deny"
        yield Described(key_rule, "keys", redactor.confidence(key_rule), "under a key", example)
    yield Described(names.SECRET_FILE, "files", "high", "artifacts by name", "id_rsa")


def try_text(text: str, key: str, channel: str, policy_file: Path | None) -> None:
    """Print a text without its secrets, what it was judged as, and the rules that hit."""
    redactor, report = redactor_by(policy_file), Report()
    given = sys.stdin.read() if text == STDIN else text
    redacted = redactor.seal(given, channel=channel, key=key, report=report)
    out = render.console()
    out.print("nothing: the policy leaves it out" if redacted == LEFT_OUT else render.lines(redacted), soft_wrap=True)
    counts = report.counts()
    judged = f"\njudged as: {channel}"
    if not counts:
        out.print(Text(f"{judged}; no rule hits", style=render.DIM))
        return
    out.print(Text(judged, style=render.DIM))
    table = render.table("rule", "done", "sure", "times", right=(3,))
    for hidden, count in counts.items():
        table.add_row(Text(hidden.rule, style=render.REDACTED), hidden.action, hidden.confidence, str(count))
    out.print(render.Block(table))


def _families() -> dict[str, str]:
    """The module that each rule is written in."""
    found = {}
    for module in pkgutil.iter_modules(rules.__path__):
        for rule in getattr(import_module(f"{rules.__name__}.{module.name}"), "RULES", ()):
            found[rule.id] = module.name.replace("_", " ")
    return found


def _example(rule: Rule) -> str:
    """The form of what a rule finds: its literal and what stands around the secret, and x for every character of that."""
    if not rule.hits:
        return f"{rule.literals[0]}xxxxxxxx"
    hit = rule.hits[0].replace("\n", " ")
    found = next((place for literal in rule.literals for place in _found(rule, rule.hits[0], literal)), (0, len(hit)))
    start, end = found
    inside = hit[start:end]
    literal = next((literal for literal in rule.literals if inside.startswith(literal)), "")
    return hit[:start] + literal + _crossed_out(inside[len(literal) :]) + hit[end:]


def _found(rule: Rule, text: str, literal: str) -> Iterator[tuple[int, int]]:
    for place in re.finditer(re.escape(literal), text):
        found = rule.find(text, place.start())
        if found is not None:
            yield found


def _crossed_out(text: str) -> str:
    return re.sub(r"[^\W_]", "x", text)
