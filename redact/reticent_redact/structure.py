"""One walk through a structure: a copy as plain data without its secrets, within bounds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any

from reticent_redact import names

if TYPE_CHECKING:
    from reticent_redact.found import Found
    from reticent_redact.redactor import Redactor

NEVER_SECRET = frozenset({int, float, bool, complex, type(None)})

SECRET_TYPE = "secret-type"  # noqa: S105 - the rule by that name
"""The rule for values whose type says that they are secret, such as pydantic's SecretStr."""

DROPPED = object()

_FIELDS = ("__attrs_attrs__", "__struct_fields__", "model_fields", "__pydantic_fields__")
_NAME_KEYS = ("name", "key", "Name", "Key")
_VALUE_KEYS = ("value", "val", "Value")
_LONGEST_JSON = 1 << 20


class Walk:
    """A walk on behalf of `redactor`; `found` says where in the data the redactor is and what it has found."""

    def __init__(self, redactor: Redactor, found: Found) -> None:
        self._redactor = redactor
        self._found = found
        self._nodes = redactor.policy.max_nodes
        self._bytes = redactor.policy.max_text
        self._around: list[int] = []

    def plain(self, value: Any, verdict: names.Verdict | None, path: str) -> Any:
        """A copy of `value` as plain data without secrets, or `DROPPED`; `verdict` is that of the keys it is under."""
        kind = type(value)
        if kind is dict:
            return self._inside(value, len(value), lambda: self._mapping(value, verdict, path))
        if kind is list:
            return self._inside(value, len(value), lambda: self._sequence(value, verdict, path))
        if kind in NEVER_SECRET or (isinstance(value, (int, float, complex)) and not isinstance(value, Enum)):
            return value
        if isinstance(value, Enum):
            return self._string(value.value if isinstance(value.value, str) else str(value), verdict, path)
        if isinstance(value, str):
            return self._string(str.__str__(value), verdict, path)
        if isinstance(value, (bytes, bytearray, memoryview)):
            text = bytes(value).decode("utf-8", "surrogateescape")
            sealed = self._string(text, verdict, path)
            return sealed if sealed is DROPPED else sealed.encode("utf-8", "surrogateescape")
        if hasattr(value, "get_secret_value"):
            return self._secret(value, path)
        if isinstance(value, BaseException):
            import traceback

            return self._string("".join(traceback.format_exception(value)).rstrip("\n"), verdict, path)
        if isinstance(value, Mapping) or type(value).__name__ == "DictConfig":
            return self._inside(value, len(value), lambda: self._mapping(dict(value.items()), verdict, path))
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            named = dict(zip(value._fields, value, strict=False))
            return self._inside(value, len(named), lambda: self._mapping(named, verdict, path))
        if isinstance(value, (list, tuple)) or type(value).__name__ == "ListConfig":
            return self._inside(value, len(value), lambda: self._sequence(value, verdict, path))
        if isinstance(value, (set, frozenset)):
            make = frozenset if isinstance(value, frozenset) else set
            return self._inside(value, len(value), lambda: make(self._items(value, verdict, path)))
        fields = _fields(value)
        if fields is not None:
            return self._inside(value, len(fields), lambda: self._mapping(fields, verdict, path))
        return self._string(str(value), verdict, path)

    def _inside(self, container: Any, size: int, copy: Callable[[], Any]) -> Any:
        self._nodes -= size
        if self._nodes < 0 or len(self._around) >= self._redactor.policy.max_depth or id(container) in self._around:
            return self._found.withhold()
        self._around.append(id(container))
        try:
            return copy()
        finally:
            self._around.pop()

    def _mapping(self, items: dict[Any, Any], verdict: names.Verdict | None, path: str) -> dict[Any, Any]:
        named = _named(items)
        result: dict[Any, Any] = {}
        clean = self._redactor.clean() if verdict is None and named is None else ()
        passes = self._redactor.passes
        for key, item in items.items():
            is_text, kind = type(key) is str, type(item)
            if is_text and key in clean and (kind in NEVER_SECRET or (kind is str and passes(key, item))):
                result[key] = item  # what most items are: a plain name and a number, or a word looked at before
                continue
            below = f"{path}.{key}" if path else str(key)
            if is_text:
                name = base = key if key in clean else self._string(key, None, below)
            else:
                name = base = self._hashable(key, below)
            if name is DROPPED:
                continue
            count = 1
            while name in result:  # two secret keys with one marker: neither entry is lost
                count += 1
                name = f"{base}#{count}"
            if kind not in NEVER_SECRET:
                asked = named if named is not None and key in _VALUE_KEYS else key
                own = self._redactor.judge(asked if type(asked) is str else str(asked), below)
                item = self.plain(item, _stronger(verdict, own), below)
            if item is not DROPPED:
                result[name] = item
        return result

    def _sequence(self, items: Iterable[Any], verdict: names.Verdict | None, path: str) -> list[Any] | tuple[Any, ...]:
        result, flag = [], None  # of ["--password", "hunter2"], as in sys.argv, the second is the first one's value
        pair = _pair(items)
        for number, item in enumerate(items):
            is_flag = isinstance(item, str) and item.startswith("--")
            told = flag if pair is None or number != 1 else _doubted(self._redactor.judge(pair, path))
            sealed = self.plain(item, verdict if is_flag else _stronger(verdict, told), path)
            if sealed is not DROPPED:
                result.append(sealed)
            flag = self._redactor.judge(item.lstrip("-"), path) if is_flag and "=" not in item else None
        return tuple(result) if isinstance(items, tuple) else result

    def _items(self, items: Iterable[Any], verdict: names.Verdict | None, path: str) -> Iterable[Any]:
        sealed = (self._hashable(item, path, verdict) for item in items)
        return [item for item in sealed if item is not DROPPED]

    def _hashable(self, item: Any, path: str, verdict: names.Verdict | None = None) -> Any:
        plain = item if isinstance(item, (int, float, complex, bytes, type(None))) else str(item)
        return self.plain(plain, verdict, path)

    def _secret(self, value: Any, path: str) -> Any:
        secret = value.get_secret_value()
        if isinstance(secret, str):
            self._redactor.known.learn(secret)
        return self._found.hide(SECRET_TYPE, path, str(secret))

    def _string(self, value: str, verdict: names.Verdict | None, path: str) -> Any:
        self._bytes -= len(value)
        if self._bytes < 0:
            return self._found.withhold()
        if value[:1] in ("{", "[") and value[-1:] in ("}", "]") and len(value) <= _LONGEST_JSON:
            return self._json(value, verdict, path)
        return self._redactor.string(value, verdict, path, self._found)

    def _json(self, value: str, verdict: names.Verdict | None, path: str) -> Any:
        """JSON in a string: as a structure, and written anew only if something in it had to be hidden."""
        import json

        text = self._redactor.string(value, verdict, path, self._found)
        try:
            data = json.loads(text)
        except (TypeError, ValueError, RecursionError):  # hidden as a whole, or no JSON
            return text
        sealed = self.plain(data, verdict, path)
        return text if sealed == data else json.dumps(sealed, ensure_ascii=False)


def _fields(value: Any) -> dict[str, Any] | None:
    """The fields of a dataclass, attrs, msgspec or pydantic object."""
    kind = type(value)
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    for attribute in _FIELDS:
        listed: Any = getattr(kind, attribute, None)
        if isinstance(listed, (Mapping, tuple)):
            return {name: getattr(value, name) for name in (str(getattr(item, "name", item)) for item in listed)}
    return None


def _named(items: Mapping[Any, Any]) -> str | None:
    """Of `{"name": "password", "value": ...}`: the name."""
    if len(items) > 8 or items.keys().isdisjoint(_VALUE_KEYS):
        return None
    return next((items[key] for key in _NAME_KEYS if isinstance(items.get(key), str)), None)


def _pair(items: Any) -> str | None:
    """Of `("password", ...)`, one of the pairs that a mapping is often written as: the name."""
    is_pair = isinstance(items, (list, tuple)) and len(items) == 2 and isinstance(items[0], str)
    return items[0] if is_pair and isinstance(items[1], str) else None


def _doubted(verdict: names.Verdict | None) -> names.Verdict | None:
    """Two texts need not be a name and its value: the value has to look like a credential, too."""
    return verdict if verdict is None or verdict is names.KEPT else names.Verdict(verdict.rule, False)


def _stronger(around: names.Verdict | None, own: names.Verdict | None) -> names.Verdict | None:
    if own is names.KEPT or around is None or around is names.KEPT:
        return own
    return own if own is not None and own.certain and not around.certain else around
