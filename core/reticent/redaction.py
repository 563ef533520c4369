"""The policy of redaction: what settings may say of it, what is told of a wrong one, and what it is for each backend."""

from __future__ import annotations

import fnmatch
import os
import re
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from reticent.decoding import decodable
from reticent.errors import SettingsError
from reticent_redact import Action, Match, PatternError, Policy, UserRule
from reticent_redact.patterns import Patterns
from reticent_redact.policy import ACTIONS

KEY_VARIABLE = "RETICENT_HASH_KEY"
"""The environment variable that holds the key for hashes of secrets; it wins over a file."""

_KEY_SIZE = range(16, 65)
_IN_CODE = "decide"
"""What only code can say: the callback."""

_HINTS = {
    "RE2 cannot use": "patterns are in RE2's syntax, which has no look-around and no back-references",
    "is not found": "change the pattern or the example",
    "is found": "change the pattern or the example",
    "another rule": "give one of them another id",
    "empty text": "have it match one character at least",
}


@decodable
class RuleSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A pattern whose matches are hidden, as `reticent_redact.UserRule` has it."""

    id: str
    pattern: str
    action: Action | None = None
    only_in: tuple[str, ...] = ()
    hits: tuple[str, ...] = ()
    misses: tuple[str, ...] = ()


@decodable
class PolicySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A policy as settings have it; see `reticent_redact.Policy`."""

    keep: tuple[str, ...] = ()
    """Names, globs allowed, that are no secrets although they look like some; `name:rule` for any one rule."""
    deny: tuple[str, ...] = ()
    """Names, globs allowed, whose values are always hidden."""
    only: tuple[str, ...] | None = None
    """The only params that may be written, globs allowed; without it, all."""
    actions: dict[str, Action] = {}
    """What is done with what a rule finds, by the rule's name, globs allowed."""
    rules: tuple[RuleSettings, ...] = ()
    hash_key_file: str | None = None
    """A file of 16 to 64 bytes, which only its owner reads; relative to the file that the setting stands in."""


@decodable
class RedactSettings(PolicySettings, frozen=True, forbid_unknown_fields=True):
    backends: dict[str, PolicySettings] = {}
    """By the name of a backend what is stricter there."""


class Policies:
    """The policy that everything is sealed by, and those of backends that get less than what is sealed by it."""

    def __init__(self, base: Policy | None = None, own: Mapping[str, Policy] | None = None) -> None:
        self.base = base or Policy()
        self.own = dict(own or {})
        """By the name of a backend what its own policy says."""

    def of(self, backend: str) -> Policy:
        """The policy by which records go to a backend; the base itself if that has none of its own."""
        return stricter(self.base, self.own[backend]) if backend in self.own else self.base

    def hash_keys(self) -> list[str]:
        """The keys for hashes: secrets, too."""
        policies = (self.base, *self.own.values())
        return [policy.hash_key.decode("utf-8", "replace") for policy in policies if policy.hash_key]


class Layer(NamedTuple):
    """What one place says of redaction: a table, or a policy made in code. `path` is the file that it stands in."""

    place: str
    value: Any
    path: Path | None = None

    def error(self, keys: tuple[str | int, ...], message: str, about: str = "") -> SettingsError:
        """What is wrong with the value under `keys`; in a file that is searched for its line, by the text `about` too."""
        line = None
        if self.path is not None:
            from reticent.places import line_of

            line = line_of(self.path.read_text("utf-8"), ("redact", *keys), about)
        place = self.place if line is None else f"{self.place}, line {line}"
        return SettingsError(f"{place}: setting 'redact': {message}")


def resolve(layers: Iterable[Layer], environment: Mapping[str, str]) -> tuple[RedactSettings, Policies]:
    """What several places say: of each part of the policy, and of each backend's own, what the last one says that has it.

    A policy made in code is all parts but the backends'. Raises SettingsError for whatever could not be used later.
    """
    shown, base = RedactSettings(), _policy(Layer("default", {}), (), PolicySettings(), environment)
    told: dict[str, PolicySettings] = {}
    own: dict[str, tuple[Layer, Policy]] = {}
    for layer in layers:
        if isinstance(layer.value, Policy):
            _check_rules(layer, (), layer.value)
            shown, base = RedactSettings(**_as_settings(layer.value)), layer.value
            if base.hash_key is None:
                base = replace(base, hash_key=_key_of_environment(environment))
            continue
        if not isinstance(layer.value, Mapping):
            raise layer.error((), f"Expected `object`, got `{_type_name(layer.value)}`")
        table = dict(layer.value)
        backends = table.pop("backends", {})
        if not isinstance(backends, Mapping):
            raise layer.error(("backends",), f"Expected `object`, got `{_type_name(backends)}` - at `backends`")
        if _IN_CODE in table and layer.path is None:
            base = replace(base, decide=_callback(layer, table.pop(_IN_CODE)))
        settings = _converted(layer, (), table, RedactSettings)
        said = _policy(layer, (), settings, environment)
        of_policy = ("hash_key" if name == "hash_key_file" else name for name in table)
        base = replace(base, **{name: getattr(said, name) for name in of_policy})
        shown = msgspec.structs.replace(shown, **{name: getattr(settings, name) for name in table})
        for name, value in backends.items():
            keys = ("backends", str(name))
            if isinstance(value, Policy):
                told[name], own[name] = PolicySettings(**_as_settings(value)), (layer, value)
                continue
            told[name] = _converted(layer, keys, value, PolicySettings)
            own[name] = layer, _policy(layer, keys, told[name], {})
    policies = Policies(base, {name: policy for name, (_, policy) in own.items()})
    for name, (layer, _) in own.items():
        _check_rules(layer, ("backends", name), policies.of(name))
    return msgspec.structs.replace(shown, backends=told), policies


def stricter(base: Policy, own: Policy) -> Policy:
    """Both policies at once: what either hides is hidden. What the base keeps is kept only if `own` keeps it as well."""
    of_base = {rule: action for rule, action in base.actions.items() if action != "keep"}
    own_ids = {rule.id for rule in own.rules}
    rules = (rule for rule in base.rules if rule.id not in own_ids)
    return Policy(
        keep=own.keep,
        deny=tuple(dict.fromkeys((*base.deny, *own.deny))),
        only=_both(base.only, own.only),
        actions={**own.actions, **{rule: action for rule, action in of_base.items() if rule not in own.actions}},
        rules=(*(replace(rule, action=None) if rule.action == "keep" else rule for rule in rules), *own.rules),
        decide=own.decide or _without_keeping(base.decide),
        hash_key=own.hash_key or base.hash_key,
        max_depth=min(base.max_depth, own.max_depth),
        max_nodes=min(base.max_nodes, own.max_nodes),
        max_text=min(base.max_text, own.max_text),
    )


def digest(policy: Policy, key: bytes) -> str:
    """A keyed digest of what a policy has hidden, by which processes tell that theirs is the same; "" of one with a
    callback, which cannot be compared.

    Of a policy that says nothing it is the same under any key: a run may be copied to another root.
    """
    if policy.decide is not None:
        return ""
    from hashlib import blake2b  # brings OpenSSL, for which most processes have no use here

    from reticent_redact.markers import Hasher

    names = (policy.keep, policy.deny, policy.only)
    said = [
        [None if globs is None else sorted(set(globs)) for globs in names],
        list(policy.actions.items()),  # the first that matches holds
        [(rule.id, rule.pattern, rule.action, rule.only_in) for rule in policy.rules],
        policy.hash_key and Hasher(policy.hash_key).key_id,
        (policy.max_depth, policy.max_nodes, policy.max_text),
    ]
    key = b"" if policy == Policy() else key
    return blake2b(msgspec.json.encode(said), key=key, digest_size=16).hexdigest()


def _both(one: tuple[str, ...] | None, other: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """The globs of either list that the other one covers."""
    if one is None or other is None:
        return other if one is None else one

    def covered(globs: tuple[str, ...], by: tuple[str, ...]) -> list[str]:
        return [glob for glob in globs if any(fnmatch.fnmatchcase(glob.lower(), wider.lower()) for wider in by)]

    return tuple(dict.fromkeys((*covered(other, one), *covered(one, other))))


def _without_keeping(decide: Callable[[Match], Action | None] | None) -> Callable[[Match], Action | None] | None:
    if decide is None:
        return None

    def decides(match: Match) -> Action | None:
        action = decide(match)
        return None if action == "keep" else action

    return decides


def _policy(
    layer: Layer, keys: tuple[str | int, ...], settings: PolicySettings, environment: Mapping[str, str]
) -> Policy:
    """The policy that settings say, its rules tried and its key read."""
    policy = Policy(
        keep=settings.keep,
        deny=settings.deny,
        only=settings.only,
        actions=settings.actions,
        rules=tuple(UserRule(**msgspec.structs.asdict(rule)) for rule in settings.rules),
        hash_key=_key_of_environment(environment) or _key_of_file(layer, keys, settings.hash_key_file),
    )
    _check_rules(layer, keys, policy)
    return policy


def _check_rules(layer: Layer, keys: tuple[str | int, ...], policy: Policy) -> None:
    if not policy.rules:
        return
    try:
        Patterns(policy.rules)
    except PatternError as error:
        message = str(error)
        hint = next((f"; {hint}" for part, hint in _HINTS.items() if part in message), "")
        named = re.match(r"rule '(.*?)': ", message)
        about = named[1] if named else ""
        places = [number for number, rule in enumerate(policy.rules) if rule.id == about]
        at = ("rules", places[-1]) if places else ("rules",)  # of two with one id, the second
        raise layer.error((*keys, *at), message + hint, about) from None


S = TypeVar("S", bound=PolicySettings)


def _converted(layer: Layer, keys: tuple[str | int, ...], table: Any, kind: type[S]) -> S:
    if isinstance(table, Mapping):
        actions = table.get("actions")
        for rule, action in actions.items() if isinstance(actions, Mapping) else ():
            if action not in ACTIONS:
                known = ", ".join(ACTIONS)
                raise layer.error(
                    (*keys, "actions", rule), f"the action for {rule!r} does not exist; there are {known}"
                )
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        # msgspec names the wanted and the found type, and of values only such as should be the name of an action.
        message, _, path = str(error).partition(" - at `$")
        steps: list[Any] = [int(step) if step.isdigit() else step for step in re.findall(r"\w+", path)]
        unknown = re.search(r"unknown field `(.*)`", message)
        at = (*keys, *steps, *([unknown[1]] if unknown else []))
        is_rule = steps[:1] == ["rules"] and len(steps) > 1
        known = ", ".join(field.name for field in msgspec.structs.fields(RuleSettings if is_rule else kind))
        rule = (
            str(table["rules"][steps[1]].get("id", ""))
            if is_rule and isinstance(table["rules"][steps[1]], dict)
            else ""
        )
        place = f"rule {rule!r}: " if rule else ""
        raise layer.error(at, f"{place}{message} - at `{'.'.join(map(str, at))}`; it may have {known}", rule) from None


def _callback(layer: Layer, decide: Any) -> Callable[[Match], Action | None] | None:
    if decide is not None and not callable(decide):
        raise layer.error((), "decide must be a function of a match, which gives an action or None")
    callback: Callable[[Match], Action | None] | None = decide
    return callback


def _key_of_environment(environment: Mapping[str, str]) -> bytes | None:
    text = environment.get(KEY_VARIABLE, "")
    if not text:
        return None
    key = text.encode("utf-8", "surrogateescape")
    if len(key) not in _KEY_SIZE:
        raise SettingsError(f"{KEY_VARIABLE}: {_wrong_size}")
    return key


_wrong_size = "a key for hashing secrets has 16 to 64 bytes; `openssl rand -hex 32` makes one"


def _key_of_file(layer: Layer, keys: tuple[str | int, ...], name: str | None) -> bytes | None:
    if name is None:
        return None
    start = layer.path.parent if layer.path is not None else Path.cwd()
    path = start / Path(name).expanduser()
    at = (*keys, "hash_key_file")
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            key = file.read(_KEY_SIZE.stop + 2).strip(b"\r\n")
    except OSError as error:
        raise layer.error(at, f"hash_key_file: {path} cannot be read: {error.strerror}") from None
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise layer.error(at, f"hash_key_file: others can read or write {path}; `chmod 600` makes it yours alone")
    if len(key) not in _KEY_SIZE:
        raise layer.error(at, f"hash_key_file: {path}: {_wrong_size}")
    return key


def _as_settings(policy: Policy) -> dict[str, Any]:
    """What of a policy made in code settings can show."""
    return {
        "keep": policy.keep,
        "deny": policy.deny,
        "only": policy.only,
        "actions": dict(policy.actions),
        "rules": tuple(
            RuleSettings(rule.id, rule.pattern, rule.action, rule.only_in, rule.hits, rule.misses)
            for rule in policy.rules
        ),
    }


def _type_name(value: object) -> str:
    return {list: "array", bool: "bool"}.get(type(value), type(value).__name__)
