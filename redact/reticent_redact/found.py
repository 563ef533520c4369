"""What is found in one value or one file: what stands in the place of each secret, and the counts for the report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reticent_redact.markers import marker
from reticent_redact.policy import Action
from reticent_redact.report import Report
from reticent_redact.structure import DROPPED
from reticent_redact.text import UNSCANNED_RULE, Span

if TYPE_CHECKING:
    from reticent_redact.redactor import Redactor

UNSCANNED = marker(UNSCANNED_RULE)
"""Stands for what was withheld because it could not be looked at completely."""


class Found:
    """The secrets of one channel that a redactor finds. As a context: what was counted goes to the report at its end."""

    def __init__(self, redactor: Redactor, channel: str, report: Report | None) -> None:
        self.redactor = redactor
        self.channel = channel
        self.counts: dict[tuple[str, str], int] = {}
        """How often a rule hit and an action was taken."""
        self._report = report

    def __enter__(self) -> Found:
        return self

    def __exit__(self, *_: object) -> None:
        if self._report is not None:
            for (rule, action), count in self.counts.items():
                self._report.add(self.channel, rule, action, self.redactor.confidence(rule), count)

    def count(self, rule: str, action: str) -> None:
        self.counts[rule, action] = self.counts.get((rule, action), 0) + 1

    def hide(self, rule: str, path: str, secret: str) -> Any:
        """What stands for a secret that is a whole value: `DROPPED` for nothing; the secret itself if it is kept."""
        action = self.redactor.action(rule, self.channel, path, secret)
        self.count(rule, action)
        return DROPPED if action == "drop" else self._instead(action, rule, secret)

    def hidden(self, text: str, spans: list[Span], path: str, *, again: bool = False) -> list[tuple[Span, str]]:
        """What stands for each secret in a text; what is kept is counted once, not when it is found `again`."""
        result = []
        for span in spans:
            secret = text[span.start : span.end]
            action = self.redactor.action(span.rule, self.channel, span.key or path, secret)
            if not (again and action == "keep"):
                self.count(span.rule, action)
            result.append((span, "" if action == "drop" else self._instead(action, span.rule, secret)))
        return result

    def learn(self, text: str, spans: list[Span]) -> None:
        """`Redactor.learn` for a part of a file."""
        self.redactor.learn(text, spans, self.channel)

    def settled(self, text: str) -> str:
        """`Redactor.settled` for a part of a file."""
        return self.redactor.settled(text, "", self)

    def scanned(self, size: int) -> None:
        """Tell whoever watches that so many more bytes of a file were looked at."""
        self.redactor.scanned(size)

    def withhold(self) -> str:
        """Count that something could not be looked at; what stands in its place."""
        self.count(UNSCANNED_RULE, "withhold")
        return UNSCANNED

    def _instead(self, action: Action, rule: str, secret: str) -> str:
        if action == "keep":
            return secret
        return self.redactor.hasher.marker(rule, secret) if action == "hash" else marker(rule)
