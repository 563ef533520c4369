"""The redactor: from a value to the same value without secrets, and from any value to text that may leave the process.

`seal`, and `seal_next` for pieces, are the only makers of `SealedText`. What they cannot look at completely (an error, a
bound) they withhold.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, NewType

from reticent_redact import files, known, names, ordinary, plausible
from reticent_redact.files import SealedFile, Withheld
from reticent_redact.found import Found
from reticent_redact.markers import Hasher
from reticent_redact.patterns import Patterns
from reticent_redact.policy import ACTIONS, Action, Match, Policy, matcher
from reticent_redact.report import Report
from reticent_redact.rules.rule import Confidence
from reticent_redact.signals import from_handler
from reticent_redact.structure import DROPPED, NEVER_SECRET, Walk, may_be_structure
from reticent_redact.text import CONFIDENCE, UNSCANNED_RULE, Scanner, Span, replace

if TYPE_CHECKING:
    from pathlib import Path

SealedText = NewType("SealedText", str)
"""Text that has passed `Redactor.seal`; nothing else makes one."""

LEFT_OUT = SealedText("[REDACTED:left-out]")
"""What `seal` gives for a value that the policy has left out: there is nothing to write."""

_OF_THEIR_OWN = frozenset({"artifact", "example", "console", "environment"})
"""Channels that more is hidden in than in the others."""

_CACHED = 4096
_LONGEST_CACHED = 256
_AGAIN = 3


def to_text(value: Any) -> str:
    """Plain data as text: a string as it is, a container as JSON, anything else by `str`."""
    if isinstance(value, str):
        return value
    if isinstance(value, (dict, list, tuple, set)):
        import json

        return json.dumps(value, ensure_ascii=False, default=_to_json)
    return str(value)


def _to_json(value: Any) -> Any:
    return sorted(map(str, value)) if isinstance(value, (set, frozenset)) else str(value)


class Redactor:
    """Redacts by the names of keys, the formats of credentials, the values known to be secret and a policy's own rules.

    Raises PatternError for a rule in the policy that cannot be used.
    """

    def __init__(self, policy: Policy = Policy()) -> None:  # noqa: B008 - a frozen value
        self.policy = policy
        self.known = known.Known()
        self.scanned: Callable[[int], object] = lambda _: None
        """Called with a number of bytes whenever so many more of a file were scanned."""
        self._variables: dict[str, str] = {}
        """The environment, as far as it was looked at."""
        self._judge_key = names.judge_by(policy)
        self._by_path = any("." in glob for glob in (*policy.keep, *policy.deny))
        self._by_channel = any(rule.only_in for rule in policy.rules)
        self._remembers = not (self._by_path or self._by_channel)
        """Whether what was clean once, under a key and in a channel, is clean under it in any place and channel."""
        self._verdicts: dict[str, names.Verdict | None] = {}
        self._clean: dict[str, None] = {}
        """Short values without a secret that were looked at before, and `_clean_at`, what was known then."""
        self._clean_at = 0
        patterns = Patterns(policy.rules) if policy.rules else None
        self.scanner = Scanner(self.judge, names.literals(policy.deny), self.known, patterns)
        self.hasher = Hasher(policy.hash_key)
        self._keeps = _keeps(policy.keep)
        self._actions = [(matcher((glob,)), action) for glob, action in policy.actions.items()]
        self._actions += [(matcher((rule.id,)), rule.action) for rule in policy.rules if rule.action is not None]
        self._listed = None if policy.only is None else matcher(policy.only)
        self._masks_all = not (self._actions or self._keeps or policy.decide)

    def redact(self, key: str, value: Any, report: Report | None = None) -> Any:
        """A copy of `value` without secrets, given the key it is known by; None if the policy leaves it out.

        Mappings come out as dicts, as do named tuples and objects with fields; what is not plain data comes out as text.
        What exceeds a bound of the policy is withheld.
        """
        kind = type(value)
        if kind in NEVER_SECRET or (kind is str and self.passes(key, value)):
            return value
        with Found(self, "value", report) as found:
            plain = self._plain(key, value, found)
        return None if plain is DROPPED else plain

    def redact_text(self, text: str, report: Report | None = None) -> str:
        """The text without secrets."""
        with Found(self, "text", report) as found:
            return self._masked(text, "", found) if len(text) <= self.policy.max_text else found.withhold()

    def seal(
        self,
        value: object,
        *,
        channel: str,
        key: str = "",
        report: Report | None = None,
        render: Callable[[Any], str] = to_text,
    ) -> SealedText:
        """`value` as text that may be written: redacted, then rendered (a string stays as it is). Raises
        nothing but what a handler of a signal does meanwhile.

        What cannot be redacted, for whatever reason, is withheld, and the report says so. `LEFT_OUT` stands for a value
        that the policy does not let pass at all.
        """
        try:
            if self._listed is None:  # what most values are, without the counting of what is found
                if type(value) is str:
                    if channel not in _OF_THEIR_OWN and self.passes(key, value):
                        return value  # type: ignore[return-value]  # SealedText(value) takes a quarter of the call
                elif type(value) in NEVER_SECRET and render is to_text:
                    return SealedText(str(value))
            with Found(self, channel, report) as found:
                return self._sealed(value, key, render, found)
        except Exception as error:  # fail closed: whatever went wrong, the value stays here and training goes on
            if from_handler(error):
                raise
            with Found(self, channel, report) as found:
                return SealedText(found.withhold())

    def seal_next(
        self, text: str, *, before: str, after: str = "", channel: str, report: Report | None = None
    ) -> SealedText:
        """`text`, a piece of a longer one between `before` and `after`, sealed as the part of the whole that it is. Raises
        as `seal` does."""
        with Found(self, channel, report) as found:
            try:
                whole = before + text + after
                if len(whole) > self.policy.max_text:
                    return SealedText(found.withhold())
                start = len(before)
                return SealedText(self._masked(whole, "", found, start=start, end=start + len(text)))
            except Exception as error:  # fail closed, as in seal
                if from_handler(error):
                    raise
                return SealedText(found.withhold())

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
        with Found(self, channel, report) as found:
            try:
                if self.is_secret_file(name):
                    result: SealedFile | Withheld = Withheld(names.SECRET_FILE)
                else:
                    result = files.seal(source, target, self.scanner, found, workspace)
            except Exception as error:  # fail closed, as in seal
                if isinstance(error, OSError) or from_handler(error):
                    raise
                result = Withheld(UNSCANNED_RULE)
            if isinstance(result, Withheld):
                found.count(result.rule, "withhold")
            return result

    def register(self, secret: str) -> None:
        """Hide this value wherever it appears from now on, however it is written; one of fewer than 8 characters is
        ignored."""
        self.known.add((secret,))

    def know_process(self, environment: Mapping[str, str] = os.environ) -> None:
        """Register what is secret in this process: that of its environment, and `.netrc`."""
        self.know_environment(environment)
        self.known.add(known.of_netrc())

    def know_environment(self, environment: Mapping[str, str] = os.environ) -> None:
        """Register what environment variables with secret names hold, and passwords in URLs in any of them (of proxies,
        databases, trackers). Called again, it looks only at those that have changed."""
        for name in list(environment):
            value = environment.get(name, "")  # another thread may just have removed it
            if self._variables.get(name) == value:
                continue
            if names.names_secret_variable(name, value):
                self.known.learn(value)
            for password in known.in_url(value):
                self.known.learn(password)
            self._variables[name] = value

    def inherit(self, other: Redactor) -> None:
        """Know the values that another redactor knows."""
        self.known.inherit(other.known)

    def clean(self) -> Collection[str]:
        """The texts of which it is known, without looking again, that there is nothing in them to hide."""
        return self._clean if self._remembers and self._clean_at == self.known.generation else ()

    def passes(self, key: str, value: str) -> bool:
        """Whether the same is known of a value under a key."""
        try:
            return (
                self._verdicts[key] is None
                and value in self._clean
                and self._clean_at == self.known.generation
                and self._remembers
            )
        except KeyError:
            return False

    def judge(self, key: str, path: str = "") -> names.Verdict | None:
        """The verdict for a key, or for the dotted path that ends in it."""
        name = path if self._by_path and path else key
        try:
            return self._verdicts[name]
        except KeyError:
            verdict = self._judge_key(key, name)
            if len(self._verdicts) >= _CACHED:
                self._verdicts.clear()
            self._verdicts[name] = verdict
            return verdict

    def confidence(self, rule: str) -> Confidence:
        """How sure a rule is of what it finds."""
        return "medium" if rule in names.DOUBTFUL_RULES else CONFIDENCE.get(rule, "high")

    def action(self, rule: str, channel: str, path: str, secret: str) -> Action:
        """What the policy has done with a secret. ValueError if its callback gives no action."""
        if self._masks_all:
            return "mask"
        if any(path_matches(path) and rule_matches(rule) for path_matches, rule_matches in self._keeps):
            return "keep"
        if self.policy.decide is not None:
            decided = self.policy.decide(Match(rule, self.confidence(rule), channel, path, secret))
            if decided is not None and decided not in ACTIONS:
                raise ValueError("a policy's callback gave what is no action")
            if decided is not None:
                return decided
        return next((action for matches, action in self._actions if matches(rule)), "mask")

    def string(self, value: str, verdict: names.Verdict | None, path: str, found: Found) -> Any:
        """A string without its secrets, under a key with this verdict; `DROPPED` if nothing is left of it."""
        if verdict is None or verdict is names.KEPT:
            return self._text(value, path, found)
        secret = not names.says_nothing(verdict, value) if verdict.certain else plausible.looks_like_credential(value)
        if not secret or self.scanner.is_marker(value):
            return self._text(value, path, found)
        hidden = found.hide(verdict.rule, path, value)
        # `password: password` makes no secret of keys, nor `private_key: /etc/ssl/key.pem` of every path that begins so.
        if hidden is not value and self._judge_key(value, value) is None and not ordinary.is_path(value):
            self.known.learn(value)
        return hidden

    def _judge_variable(self, name: str) -> names.Verdict | None:
        verdict = self._judge_key(name, name)
        return verdict if verdict in (names.KEPT, names.DENIED) else names.judge_variable(name)

    def is_secret_file(self, name: str) -> bool:
        verdict = self._judge_key(name, name)
        return verdict is names.DENIED or (verdict is not names.KEPT and names.is_secret_file(name))

    def _sealed(self, value: object, key: str, render: Callable[[Any], str], found: Found) -> SealedText:
        if found.channel == "param" and self._listed is not None and not self._listed(key):
            found.count(names.NOT_LISTED, "drop")
            return LEFT_OUT
        if type(value) in NEVER_SECRET and render is to_text:
            return SealedText(str(value))
        plain = self._plain(key, value, found)
        if plain is DROPPED:
            return LEFT_OUT
        if type(plain) is str:
            return SealedText(plain)
        # Rendering must not bring back what was not seen.
        return SealedText(self._masked(render(plain), key, found, keys=False))

    def _plain(self, key: str, value: Any, found: Found) -> Any:
        key = key if type(key) is str else str(key)
        verdict = self._judge_variable(key) if found.channel == "environment" else self.judge(key)
        if type(value) is str and not may_be_structure(value):
            return self.string(value, verdict, key, found)
        for _ in range(_AGAIN):
            known, found.counts = self.known.generation, {}
            plain = Walk(self, found).plain(value, verdict, key)
            if self.known.generation == known:  # else a value may stand in what was passed before it was known
                break
        return plain

    def _text(self, text: str, path: str, found: Found) -> Any:
        if len(text) > self.policy.max_text:
            return found.withhold()
        if len(text) > _LONGEST_CACHED or found.channel in _OF_THEIR_OWN or self._by_channel:
            return self._masked(text, path, found)
        if self._clean_at != (generation := self.known.generation):
            self._clean, self._clean_at = {}, generation
        clean = self._clean  # not another one later: what a thread learns while this one looks begins a new one
        if text in clean:
            return text
        is_short = len(text) < known.SHORTEST and not self.policy.rules and not self.scanner.may_hold(text)
        masked = text if is_short else self._masked(text, path, found)
        if masked is text:
            if len(clean) >= _CACHED:
                clean.clear()
            clean[text] = None
        return masked

    def _masked(
        self, text: str, path: str, found: Found, *, keys: bool = True, start: int = 0, end: int | None = None
    ) -> str:
        """`text[start:end]` without its secrets."""
        end = len(text) if end is None else end
        spans = self.scanner.spans(text, found.channel, keys=keys)
        if spans and self.learn(text, spans, found.channel):
            spans = self.scanner.spans(text, found.channel, keys=keys)  # it may stand in the text without its key, too
        spans = [span for span in spans if span.start < end and span.end > start]
        if not spans:
            return text if end - start == len(text) else text[start:end]
        hidden = replace(text, found.hidden(text, spans, path), start, end)
        return self.settled(hidden, path, found, keys=keys)

    def settled(self, text: str, path: str, found: Found, *, keys: bool = True) -> str:
        """A text in which secrets were replaced, once more without secrets: where a longer value was cut, what is left
        may look like one."""
        for _ in range(_AGAIN):
            spans = self.scanner.spans(text, found.channel, keys=keys)
            again = replace(text, found.hidden(text, spans, path, again=True), 0, len(text))
            if again == text:
                break
            text = again
        return text

    def learn(self, text: str, spans: list[Span], channel: str) -> bool:
        """Know the values of secret keys in a text from now on; whether there are new ones."""
        if self.policy.decide is not None:
            return False
        before = self.known.generation
        for span in spans:
            secret = text[span.start : span.end]
            # A word after `password:` in prose is not worth to be hidden everywhere.
            is_learned = span.key and plausible.is_mixed(secret) and not ordinary.is_path(secret)
            if is_learned and self.action(span.rule, channel, span.key, secret) != "keep":
                self.known.learn(secret)
        return self.known.generation != before


def _keeps(entries: tuple[str, ...]) -> list[tuple[Callable[[str], bool], Callable[[str], bool]]]:
    """Of the `name:rule` entries: whether a path and a rule match."""
    pairs = [entry.partition(":") for entry in entries if ":" in entry]
    return [(matcher((path,)), matcher((rule,))) for path, _, rule in pairs]
