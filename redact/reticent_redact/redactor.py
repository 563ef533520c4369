"""The redactor: from a value to the same value without secrets, and from any value to text that may leave the process.

`seal` is the one maker of `SealedText`. What it cannot look at completely (an error, a bound) it withholds.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NewType

from reticent_redact import files, names, values
from reticent_redact.files import SealedFile, Withheld
from reticent_redact.policy import Policy, marker
from reticent_redact.report import Report
from reticent_redact.text import SHORTEST_REGISTERED, UNSCANNED_RULE, Scanner, Span, mask

SealedText = NewType("SealedText", str)
"""Text that has passed `Redactor.seal`; nothing else makes one."""

UNSCANNED = marker(UNSCANNED_RULE)
"""Stands for what was withheld because it could not be looked at completely."""

_NEVER_SECRET = frozenset({int, float, bool, complex, type(None)})
_VERDICTS = 4096


def to_text(value: Any) -> str:
    """Plain data as text: a string as it is, a container as JSON, anything else by `str`."""
    if isinstance(value, str):
        return value
    if isinstance(value, (dict, list, tuple, set)):
        return json.dumps(value, ensure_ascii=False, default=_to_json)
    return str(value)


def _to_json(value: Any) -> Any:
    return sorted(map(str, value)) if isinstance(value, (set, frozenset)) else str(value)


class Redactor:
    """Redacts by the names of keys, by the formats of credentials and by the values registered."""

    def __init__(self, policy: Policy = Policy()) -> None:  # noqa: B008 - a frozen value
        self._policy = policy
        self._judge_key = names.judge_by(policy)
        self._verdicts: dict[str, names.Verdict | None] = {}
        self._scanner = Scanner(self._judge, names.literals(policy.deny))
        self.scanned: Callable[[int], object] = lambda _: None
        """Called with a number of bytes whenever so many more of a file were scanned."""

    def redact(self, key: str, value: Any, report: Report | None = None) -> Any:
        """A copy of `value` without secrets, given the key it is known by.

        Mappings come out as dicts, as do named tuples and dataclasses; what is not plain data comes out as text. What
        exceeds a bound of the policy is withheld.
        """
        return self._redacted(key, value, "value", report)

    def redact_text(self, text: str, report: Report | None = None) -> str:
        """The text without secrets."""
        return self._text(text, "text", report)

    def seal(
        self,
        value: object,
        *,
        channel: str,
        key: str = "",
        report: Report | None = None,
        render: Callable[[Any], str] = to_text,
    ) -> SealedText:
        """`value` as text that may be written: redacted, then rendered (a string stays as it is). Never raises.

        What cannot be redacted, for whatever reason, is withheld, and the report says so.
        """
        try:
            if render is to_text and type(value) in _NEVER_SECRET:
                return SealedText(str(value))
            plain = self._redacted(key, value, channel, report)
            if type(plain) is str:
                return SealedText(plain)
            text = render(plain)
            # Rendering must not bring back what was not seen.
            return SealedText(self._masked(text, self._scanner.spans_by_value, channel, report))
        except Exception:  # noqa: BLE001 - fail closed: whatever went wrong, the value stays here and training goes on
            if report is not None:
                report.add(channel, UNSCANNED_RULE, "withhold")
            return SealedText(UNSCANNED)

    def seal_file(
        self,
        source: Path,
        target: Path,
        *,
        name: str,
        channel: str = "artifact",
        report: Report | None = None,
        workspace: Path | None = None,
    ) -> SealedFile | Withheld:
        """Write `source` to `target` as it may be seen: text redacted, anything else unchanged if no secret is in it.

        `name` is what users know the file by: some files are credentials by their name. What is not scanned yet lies in
        the directory `workspace`, on the file system of `target`, else beside `target`. Errors of the file system are
        raised; any other withholds the file. What is withheld is not written.
        """
        try:
            if self._is_secret_file(name):
                result: SealedFile | Withheld = Withheld(names.SECRET_FILE)
                rules: Mapping[str, int] = {}
            else:
                result, rules = files.seal(source, target, self._scanner, workspace, self.scanned)
        except OSError:
            raise
        except Exception:  # noqa: BLE001 - fail closed, as in seal
            result, rules = Withheld(UNSCANNED_RULE), {}
        if report is not None:
            for rule, count in rules.items():
                report.add(channel, rule, "mask", count)
            if isinstance(result, Withheld):
                report.add(channel, result.rule, "withhold")
        return result

    def register(self, secret: str) -> None:
        """Mask this value wherever it appears from now on; one of fewer than 8 characters is ignored."""
        if len(secret) >= SHORTEST_REGISTERED:
            self._scanner.register(secret)

    def inherit(self, other: Redactor) -> None:
        """Know the values that were registered with another redactor."""
        self._scanner.inherit(other._scanner)

    @property
    def knows_values(self) -> bool:
        """Whether values are registered: what another process would not find."""
        return self._scanner.knows_values

    def _judge(self, key: str) -> names.Verdict | None:
        try:
            return self._verdicts[key]
        except KeyError:
            verdict = self._judge_key(key)
            if len(self._verdicts) >= _VERDICTS:
                self._verdicts.clear()
            self._verdicts[key] = verdict
            return verdict

    def _is_secret_file(self, name: str) -> bool:
        verdict = self._judge_key(name)
        return verdict is names.DENIED or (verdict is not names.KEPT and names.is_secret_file(name))

    def _redacted(self, key: str, value: Any, channel: str, report: Report | None) -> Any:
        kind = type(value)
        if kind in _NEVER_SECRET:
            return value
        verdict = self._judge(key if type(key) is str else str(key))
        if kind is str:
            return self._string(value, verdict, channel, report)
        return _Walk(self, channel, report).plain(value, verdict)

    def _string(self, value: str, verdict: names.Verdict | None, channel: str, report: Report | None) -> str:
        if verdict is None or verdict is names.KEPT:
            return self._text(value, channel, report)
        secret = not values.says_nothing(value) if verdict.certain else values.looks_like_credential(value)
        if not secret or self._scanner.is_marker(value):
            return self._text(value, channel, report)
        if report is not None:
            report.add(channel, verdict.rule, "mask")
        return marker(verdict.rule)

    def _text(self, text: str, channel: str, report: Report | None) -> str:
        # Most values are short words. Without these characters and below this length, no rule can match.
        if len(text) < self._scanner.shortest and ":" not in text and "=" not in text and "--" not in text:
            return text
        return self._masked(text, self._scanner.spans, channel, report)

    def _masked(self, text: str, find: Callable[[str], list[Span]], channel: str, report: Report | None) -> str:
        if len(text) > self._policy.max_text:
            return self._withhold(channel, report)
        spans = find(text)
        if report is not None:
            for span in spans:
                report.add(channel, span.rule, "mask")
        return mask(text, spans, 0, len(text)) if spans else text

    def _withhold(self, channel: str, report: Report | None) -> str:
        if report is not None:
            report.add(channel, UNSCANNED_RULE, "withhold")
        return UNSCANNED


class _Walk:
    """One walk through a structure, with its bounds."""

    def __init__(self, redactor: Redactor, channel: str, report: Report | None) -> None:
        self._redactor = redactor
        self._channel = channel
        self._report = report
        self._nodes = redactor._policy.max_nodes
        self._around: list[int] = []

    def plain(self, value: Any, verdict: names.Verdict | None) -> Any:
        """A copy of `value` as plain data without secrets; `verdict` is that of the keys it is under."""
        kind = type(value)
        if kind in _NEVER_SECRET or isinstance(value, (int, float, complex)):
            return value
        if isinstance(value, str):
            return self._string(str.__str__(value), verdict)
        if isinstance(value, (bytes, bytearray)):
            text = bytes(value).decode("utf-8", "surrogateescape")
            return self._string(text, verdict).encode("utf-8", "surrogateescape")
        if isinstance(value, Mapping):
            return self._inside(value, value, lambda: self._mapping(dict(value), verdict))
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            named = zip(value._fields, value, strict=False)
            return self._inside(value, value, lambda: self._mapping(dict(named), verdict))
        if isinstance(value, (list, tuple)):
            return self._inside(value, value, lambda: self._sequence(value, verdict))
        if isinstance(value, (set, frozenset)):
            make = frozenset if isinstance(value, frozenset) else set
            return self._inside(value, value, lambda: make(self._hashable(item, verdict) for item in value))
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = dataclasses.fields(value)
            attributes = ((field.name, getattr(value, field.name)) for field in fields)
            return self._inside(value, fields, lambda: self._mapping(dict(attributes), verdict))
        return self._string(str(value), verdict)

    def _inside(self, container: Any, items: Any, copy: Callable[[], Any]) -> Any:
        self._nodes -= len(items)
        if self._nodes < 0 or len(self._around) >= self._redactor._policy.max_depth or id(container) in self._around:
            return self._redactor._withhold(self._channel, self._report)
        self._around.append(id(container))
        try:
            return copy()
        finally:
            self._around.pop()

    def _mapping(self, items: dict[Any, Any], verdict: names.Verdict | None) -> dict[Any, Any]:
        result: dict[Any, Any] = {}
        for key, item in items.items():
            is_text = type(key) is str
            name = base = self._string(key, None) if is_text else self._hashable(key, None)
            count = 1
            while name in result:  # two secret keys with one marker: neither entry is lost
                count += 1
                name = f"{base}#{count}"
            if type(item) not in _NEVER_SECRET:
                item = self.plain(item, _stronger(verdict, self._redactor._judge(key if is_text else str(key))))
            result[name] = item
        return result

    def _sequence(self, items: Iterable[Any], verdict: names.Verdict | None) -> list[Any] | tuple[Any, ...]:
        result, flag = [], None  # of ["--password", "hunter2"], as in sys.argv, the second is the first one's value
        for item in items:
            is_flag = isinstance(item, str) and item.startswith("--")
            result.append(self.plain(item, verdict if is_flag else _stronger(verdict, flag)))
            flag = self._redactor._judge(item.lstrip("-")) if is_flag and "=" not in item else None
        return tuple(result) if isinstance(items, tuple) else result

    def _hashable(self, item: Any, verdict: names.Verdict | None) -> Any:
        return self.plain(item if isinstance(item, (int, float, complex, bytes, type(None))) else str(item), verdict)

    def _string(self, value: str, verdict: names.Verdict | None) -> str:
        return self._redactor._string(value, verdict, self._channel, self._report)


def _stronger(around: names.Verdict | None, own: names.Verdict | None) -> names.Verdict | None:
    if own is names.KEPT or around is None or around is names.KEPT:
        return own
    return own if own is not None and own.certain and not around.certain else around
