"""What a user may decide about redaction, and what a redacted value looks like.

In this order: what the user keeps, what the user denies, the built-in rules. No policy can skip looking at a value.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from reticent_redact.patterns import UserRule

if TYPE_CHECKING:
    from reticent_redact.rules.rule import Confidence

Action = Literal["mask", "hash", "drop", "keep"]
ACTIONS: tuple[Action, ...] = ("mask", "hash", "drop", "keep")


@dataclass(frozen=True)
class Match:
    """What was found, as a policy's callback sees it. `path` is the key that it stands under, `text` the secret."""

    rule: str
    confidence: Confidence
    channel: str
    path: str
    text: str = field(repr=False)


@dataclass(frozen=True)
class Policy:
    """What to hide besides the built-in rules, what to leave, and how; and the bounds beyond which a value is withheld.

    Names are globs and match a key, its words in snake case, or its dotted path in a structure. `keep` entries are
    `name`, which the rules for keys then leave alone, or `name:rule`, for any rule (`*:email` switches one off). `deny`
    names keys whose values are always hidden, in all spellings. `only`, if given, names the params that may be
    written; no other is. `actions` says by rule (globs; the first that matches) what is done: `mask` where nothing is said.
    `decide` is asked for each match that is not kept: an action, or None for what `actions` says; if it fails, the value is
    withheld.
    """

    keep: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    only: tuple[str, ...] | None = None
    actions: Mapping[str, Action] = field(default_factory=dict)
    rules: tuple[UserRule, ...] = ()
    decide: Callable[[Match], Action | None] | None = None
    hash_key: bytes | None = field(default=None, repr=False)
    max_depth: int = 32
    max_nodes: int = 100_000
    max_text: int = 256 * 1024 * 1024

    def __post_init__(self) -> None:
        for rule, action in self.actions.items():
            if action not in ACTIONS:
                raise ValueError(f"actions: {rule!r} has an action that does not exist; there are {', '.join(ACTIONS)}")


def matcher(globs: Iterable[str]) -> Callable[[str], bool]:
    """Whether a name matches one of some globs, in either case."""
    pattern = "|".join(fnmatch.translate(glob.lower()) for glob in globs)
    match = re.compile(pattern or r"(?!)").match
    return lambda name: match(name.lower()) is not None
