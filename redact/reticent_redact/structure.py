"""One walk through a structure: a copy as plain data without its secrets, within bounds."""

from __future__ import annotations

import dataclasses
import re
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, MappingView
from contextlib import suppress
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any

from reticent_redact import names, plausible

if TYPE_CHECKING:
    from reticent_redact.found import Found
    from reticent_redact.redactor import Redactor

NEVER_SECRET = frozenset({int, float, bool, complex, type(None)})

SECRET_TYPE = "secret-type"  # noqa: S105 - the rule by that name
"""The rule for values whose type says that they are secret, such as pydantic's SecretStr."""

DROPPED = object()

_FIELDS = ("__attrs_attrs__", "__struct_fields__", "model_fields", "__pydantic_fields__")
_NAMESPACES = frozenset({"Namespace", "SimpleNamespace"})


def _in_any_case(*words: str) -> frozenset[str]:
    return frozenset(case(word) for word in words for case in (str, str.lower, str.capitalize, str.upper))


_OMEGACONFS: dict[str, type] = {"ListConfig": list, "TupleConfig": tuple}
_NAME_KEYS = _in_any_case(
    *("name", "key", "k", "id", "label", "field", "param", "parameter", "property", "option", "setting", "variable"),
    *("var", "attribute", "header", "envName", "OptionName", "ParameterKey"),
)
_VALUE_KEYS = _in_any_case("value", "val", "v", "values", "default", "envValue", "stringValue", "ParameterValue")
"""What is under one of these belongs to the name that stands under one of those: `{"name": "password", "value": ...}`."""

_COLUMNS_KEYS = ("columns", "column_names", "headers", "header")
_ROWS_KEYS = frozenset({"data", "rows", "values"})
"""What a table is written as whose rows are lists: `{"columns": ["user", "password"], "data": [[...], ...]}`."""

_LONGEST_JSON = 1 << 20
_LONGEST_LITERAL = 1 << 16
"""Characters: Python reads its own literals a hundred times as slowly as JSON."""
_ESCAPED, _WRITTEN = re.compile(r"\\(.)", re.DOTALL), set("\\'\"nrtxuU")
"""Escapes, and those that Python writes: of others it warns when it reads them."""
_AROUND = " \t\r\n\ufeff"
_MOST_ROWS = 100
_ENDS = {"{": "}", "[": "]", "(": ")", '"': '"'}


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
        if isinstance(value, (list, tuple, deque, MappingView)) or type(value).__name__ in _OMEGACONFS:
            return self._inside(value, len(value), lambda: self._sequence(_native(value), verdict, path))
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
        named = _names(items)
        result: dict[Any, Any] = {}
        clean = self._redactor.clean() if verdict is None and not named else ()
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
                own = self._redactor.judge(_name(key), below)
                if named and key in _VALUE_KEYS:
                    told = [self._redactor.judge(asked, below) for asked in named]
                    own = max((*told, own), key=_strength)
                columns = self._of_columns(items) if key in _ROWS_KEYS and kind is list else None
                if columns is None:
                    item = self.plain(item, _stronger(verdict, own), below)
                else:
                    item = self._inside(
                        item, len(item), partial(self._rows, item, columns, _stronger(verdict, own), below)
                    )
            if item is not DROPPED:
                result[name] = item
        return result

    def _of_columns(self, table: dict[Any, Any]) -> list[names.Verdict | None] | None:
        """The verdicts for the columns of a table whose rows are lists; None if no name of a column says anything."""
        columns = next((table[key] for key in _COLUMNS_KEYS if isinstance(table.get(key), (list, tuple))), ())
        told = [
            self._redactor.judge(_name(name[-1] if isinstance(name, (list, tuple)) and name else name))
            for name in columns
        ]
        return told if any(map(_strength, told)) else None

    def _rows(
        self, rows: list[Any], told: list[names.Verdict | None], verdict: names.Verdict | None, path: str
    ) -> list[Any]:
        def cells(row: Any) -> list[Any]:
            sealed = (self.plain(cell, _stronger(verdict, own), path) for cell, own in zip(row, told, strict=True))
            return [None if cell is DROPPED else cell for cell in sealed]  # the others stay where they are

        fits = [isinstance(row, (list, tuple)) and len(row) == len(told) for row in rows]
        sealed = (
            self._inside(row, len(row), partial(cells, row)) if fit else self.plain(row, verdict, path)
            for row, fit in zip(rows, fits, strict=True)
        )
        return [row for row in sealed if row is not DROPPED]

    def _sequence(self, items: Collection[Any], verdict: names.Verdict | None, path: str) -> Any:
        if type(items) is list and NEVER_SECRET.issuperset(map(type, items)):  # the points of a curve
            return items.copy()
        if items and all(map(_is_pair, items)):  # what a mapping's `items()` give
            result = [
                self._inside(pair, 2, partial(self._pair, pair, self._told(pair, path), verdict, path))
                for pair in items
            ]
        elif _is_pair(items) and not _is_flag(next(iter(items))):
            return self._pair(items, _doubted(self._told(items, path), items), verdict, path)
        else:
            result = self._arguments(items, verdict, path)
        return tuple(result) if isinstance(items, tuple) else result

    def _told(self, pair: Any, path: str) -> names.Verdict | None:
        name = _name(pair[0])
        return self._redactor.judge(name, f"{path}.{name}" if path else name)

    def _pair(self, pair: Any, told: names.Verdict | None, verdict: names.Verdict | None, path: str) -> Any:
        below = f"{path}.{_name(pair[0])}" if path else _name(pair[0])
        both = self.plain(pair[0], verdict, path), self.plain(pair[1], _stronger(verdict, told), below)
        return type(pair)(part for part in both if part is not DROPPED)

    def _arguments(self, items: Iterable[Any], verdict: names.Verdict | None, path: str) -> list[Any]:
        result, told = [], None  # of ["--password", "hunter2"], as in sys.argv, the second is the first one's value
        for item in items:
            is_flag = _is_flag(item)
            sealed = self.plain(item, verdict if is_flag else _stronger(verdict, told), path)
            if sealed is not DROPPED:
                result.append(sealed)
            told = self._redactor.judge(item.lstrip("-"), path) if is_flag and "=" not in item else None
        return result

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
        if may_be_structure(value) and (verdict is None or not verdict.certain):
            written = self._written_anew(value, verdict, path)
            if written is DROPPED:
                return DROPPED
            value = written
        return self._redactor.string(value, verdict, path, self._found)

    def _written_anew(self, value: str, verdict: names.Verdict | None, path: str) -> Any:
        """JSON or a Python literal in a string: as a structure, written anew only if something in it had to be hidden."""
        text = value.strip(_AROUND)
        data, write = _read(text)
        before = sum(self._found.counts.values())
        sealed = self.plain(data, verdict, path)
        if sealed is DROPPED:
            return DROPPED
        is_clean = sealed == data or sum(self._found.counts.values()) == before
        return value if is_clean else value.replace(text, write(sealed))


def may_be_structure(text: str) -> bool:
    """Whether a text may be JSON, or what Python writes for a container."""
    if text[:1] in _AROUND:
        text = text.strip(_AROUND)
    return text[:1] in _ENDS and text.rstrip(_AROUND).endswith(_ENDS[text[:1]])


def _read(text: str) -> tuple[Any, Callable[[Any], str]]:
    """The structure that a text stands for, and what writes one so; None for no structure."""
    import json

    if len(text) <= _LONGEST_JSON:
        with suppress(ValueError, RecursionError):
            return json.loads(text), partial(json.dumps, ensure_ascii=False)
    if len(text) <= _LONGEST_LITERAL and ("'" in text or '"' in text) and _WRITTEN.issuperset(_ESCAPED.findall(text)):
        import ast

        with suppress(ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            return ast.literal_eval(text), repr
    return None, repr


def _fields(value: Any) -> dict[Any, Any] | None:
    """The fields of a dataclass, attrs, msgspec or pydantic object, of a namespace, pandas' tables and numpy's records."""
    kind = type(value)
    if isinstance(value, type):
        return None
    if kind.__module__.partition(".")[0] == "pandas":
        return _columns(value)
    if is_record(value):
        return _record(value)
    if not _NAMESPACES.isdisjoint(base.__name__ for base in kind.__mro__):
        return dict(vars(value))
    if dataclasses.is_dataclass(value):
        return _attributes(value, (field.name for field in dataclasses.fields(value)))
    for attribute in _FIELDS:
        listed: Any = getattr(kind, attribute, None)
        if isinstance(listed, (Mapping, tuple)):
            return _attributes(value, (str(getattr(item, "name", item)) for item in listed))
    return None


def is_record(value: Any) -> bool:
    """Whether something is a structured array of numpy, or an item of one: its text has no names."""
    return isinstance(getattr(getattr(value, "dtype", None), "names", None), tuple)


def _record(value: Any) -> dict[Any, Any]:
    """The fields of a structured array, of its first rows; those that have fields themselves as they are."""
    is_one = not getattr(value, "ndim", 0)
    shown = value if is_one else value[:_MOST_ROWS]
    columns = {name: shown[name] for name in value.dtype.names}
    if is_one:
        return columns
    plain = {name: column if is_record(column) else column.tolist() for name, column in columns.items()}
    return plain if len(shown) == len(value) else {**plain, "...": f"{len(value) - len(shown)} more rows"}


def _attributes(value: Any, listed: Iterable[str]) -> dict[Any, Any]:
    return {name: getattr(value, name) for name in listed if hasattr(value, name)}


def _columns(value: Any) -> dict[Any, Any] | None:
    """The first rows of a DataFrame or Series of pandas: their text has the names and the values apart."""
    kind = type(value).__name__
    if kind not in ("DataFrame", "Series"):
        return None
    shown = value.head(_MOST_ROWS)
    columns = shown.to_dict("list") if kind == "DataFrame" else {value.name: shown.to_dict()}
    return columns if len(shown) == len(value) else {**columns, "...": f"{len(value) - len(shown)} more rows"}


def _names(items: Mapping[Any, Any]) -> list[str]:
    """Of `{"name": "password", "value": ...}`: the name."""
    if items.keys().isdisjoint(_VALUE_KEYS):
        return []
    return [items[key] for key in _NAME_KEYS.intersection(items) if isinstance(items[key], str)]


def _name(key: Any) -> str:
    return key if type(key) is str else key.decode("latin-1") if isinstance(key, bytes) else str(key)


def _native(value: Any) -> Any:
    make = _OMEGACONFS.get(type(value).__name__)
    return value if make is None else make(map(_native, value))


def _is_pair(items: Any) -> bool:
    """Whether something may be one of the pairs that a mapping is often written as: `("password", ...)`."""
    return type(items) in (list, tuple) and len(items) == 2 and isinstance(items[0], (str, bytes))


def _is_flag(item: Any) -> bool:
    return isinstance(item, str) and item.startswith("--")


def _doubted(verdict: names.Verdict | None, pair: Any) -> names.Verdict | None:
    """Two texts need not be a name and its value: `["password", "user name"]` are two names."""
    is_word = isinstance(pair[1], str) and plausible.is_word(pair[1].lower().replace(" ", "-"))
    return None if is_word and verdict is not names.KEPT else verdict


def _strength(verdict: names.Verdict | None) -> int:
    return 0 if verdict is None or verdict is names.KEPT else 1 + verdict.certain


def _stronger(around: names.Verdict | None, own: names.Verdict | None) -> names.Verdict | None:
    if own is names.KEPT or around is None or around is names.KEPT:
        return own
    return own if own is not None and own.certain and not around.certain else around
