"""The search language of MLflow, compiled to SQL over `run` (left-joined with `experiment`).

    metrics.loss < 0.1 and (params."learning rate" = '0.01' or not tags.stage ilike 'prod%')

MLflow knows AND; OR, NOT and parentheses around them are added. A comparison with something that a run has not got is
false, and `NOT` of it true; `IS NULL` asks for what a run has not got. A quoted literal is compared as text; with a number,
a param or tag is compared as the number that its text is. LIKE heeds case; ILIKE does not, for ASCII letters.
Whatever the user wrote reaches the database as a bound parameter.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Literal, NoReturn

from reticent.errors import FilterError
from reticent.records import RunStatus

Condition = tuple[str, list[object]]

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    | (?P<word>[^\s()<>=!,'"`.]+\.(?:`(?:[^`]|``)+`|"(?:[^"]|"")+") | [^\s()<>=!,'"`]+)
    | (?P<string>'(?:[^']|'')*' | "(?:[^"]|"")*")
    | (?P<operator>[<>=!]+)
    | (?P<mark>[(),])""",
    re.VERBOSE,
)
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|[+-]?(inf|infinity|nan)", re.IGNORECASE)

_OPERATORS = ("=", "!=", ">", ">=", "<", "<=")
_NUMERIC = "=, !=, >, >=, <, <=, IN, NOT IN, IS NULL, IS NOT NULL"
_TEXTUAL = _NUMERIC.replace("IN, NOT", "LIKE, ILIKE, IN, NOT", 1)
_PREFIXES = "metrics., params., tags., attributes. (or their singular; attr., run.)"

_LONGEST, _COMPARISONS, _VALUES, _DEEPEST, _LONGEST_PATTERN = 1_000_000, 200, 10_000, 25, 10_000
"""What SQLite takes in one statement, with room to spare."""

_ENTITIES = {"metric": "metric", "param": "param", "parameter": "param", "tag": "tag"}
_ENTITIES |= {f"{name}s": entity for name, entity in _ENTITIES.items()}
_ATTRIBUTE_PREFIXES = ("attribute", "attributes", "attr", "run")

_ATTRIBUTES = {
    "run_id": "run.run_id",
    "run_name": "run.name",
    "status": "run.status",
    "start_time": "run.start_time",
    "end_time": "run.end_time",
    "experiment": "experiment.name",
    "parent_run_id": "run.parent_id",
    "duration": "(run.end_time - run.start_time)",
}
_ALIASES = {
    "name": "run_name",
    "run name": "run_name",
    "created": "start_time",
    "experiment_name": "experiment",
    "parent_id": "parent_run_id",
    "duration_s": "duration",
}

# The number that a text is, else NULL: compared with a number, SQLite takes a text that is one for it, and puts any other
# text behind infinity. Python's spelling of the infinities is none to SQLite.
_AS_NUMBER = (
    "CASE WHEN v.value <= CAST(9e999 AS REAL) THEN CAST(v.value AS NUMERIC)"
    " WHEN lower(v.value) IN ('inf', '+inf', 'infinity') THEN 9e999"
    " WHEN lower(v.value) IN ('-inf', '-infinity') THEN -9e999 END"
)
_METRIC = "FROM latest_metric AS v WHERE v.run = run.id AND v.key = (SELECT id FROM metric_key WHERE name = ?)"
_VERSIONED = (
    "FROM {table} AS v WHERE v.run = run.id AND v.key = ?"
    " AND v.time = (SELECT max(time) FROM {table} WHERE run = v.run AND key = v.key)"
)


def compile_filter(text: str) -> Condition:
    """A WHERE condition and its parameters. Raises FilterError saying what is wrong, where, and what is allowed."""
    parser = _Parser(text)
    return ("1", []) if parser.token.kind == "end" else parser.filter()


def compile_order(clauses: Sequence[str]) -> Condition:
    """The terms of an ORDER BY for clauses like `metrics.loss ASC`, and its parameters; NULL and NaN come last.

    What is equal in them, or all without clauses, is ordered newest first. Raises FilterError.
    """
    if isinstance(clauses, str):
        clauses = [clauses]
    if len(clauses) > _COMPARISONS:
        raise FilterError(f"more than {_COMPARISONS} order clauses")
    terms, values = [], []
    for clause in clauses:
        term, more = _Parser(clause).order()
        terms.append(term)
        values += more
    return ", ".join([*terms, "run.start_time DESC NULLS LAST", "run.run_id"]), values


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int

    @property
    def word(self) -> str:
        """A keyword in capitals; anything else is none."""
        return self.text.upper() if self.kind == "word" else ""


@dataclass(frozen=True, slots=True)
class _Field:
    """What a comparison is about: a metric, param or tag by its key, or an attribute by its name."""

    entity: Literal["metric", "param", "tag", "attribute"]
    name: str

    @property
    def takes_text(self) -> bool:
        return self.entity != "metric" and self.name != "duration"

    @property
    def takes_numbers(self) -> bool:
        return self.entity != "attribute" or self.is_time or self.name == "duration"

    @property
    def is_time(self) -> bool:
        return self.entity == "attribute" and self.name in ("start_time", "end_time")

    @property
    def comparators(self) -> str:
        return _TEXTUAL if self.takes_text and not self.is_time else _NUMERIC

    def where(self, condition: str, values: list[object]) -> Condition:
        """The runs that have it and for which the condition, on `v.value` for all but attributes, holds."""
        if self.entity == "attribute":
            return f"coalesce({condition}, 0)", values
        source = _METRIC if self.entity == "metric" else _VERSIONED.format(table=self.entity)
        return f"EXISTS (SELECT 1 {source} AND {condition})", [self.name, *values]

    def order(self) -> Condition:
        if self.entity == "attribute":
            return _ATTRIBUTES[self.name], []
        if self.entity == "metric":
            return f"(SELECT v.value {_METRIC})", [self.name]
        return f"(SELECT coalesce({_AS_NUMBER}, v.value) {_VERSIONED.format(table=self.entity)})", [self.name]

    def compare(self, operator: str, value: object) -> Condition:
        """A condition that is never NULL for a value that is there: NaN equals NaN alone."""
        if isinstance(value, str):
            text = _ATTRIBUTES[self.name] if self.entity == "attribute" else "v.value"
            return f"{text} {operator} ?", [value]
        number, nan = "v.value", "v.value IS NULL"
        if self.entity == "attribute":
            number = _ATTRIBUTES[self.name]
            nan = "0"
        elif self.entity != "metric":
            number, nan = _AS_NUMBER, "lower(v.value) IN ('nan', '+nan', '-nan')"
        if isinstance(value, float) and math.isnan(value):
            return {"=": nan, "!=": f"NOT ({nan})"}.get(operator, "0"), []
        if operator == "!=" and self.entity != "attribute":
            operator = "IS NOT"
        return f"{number} {operator} ?", [value]


class _Parser:
    """Recursive descent: or > and > not > comparison. `token` is the next one."""

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise FilterError(f"a filter or order clause must be a str, not {type(text).__name__}")
        self._text = text
        self._comparisons = self._values = self._depth = 0
        if len(text) > _LONGEST:
            self._fail(0, f"a filter may have {_LONGEST:,} characters")
        self._tokens = self._scan()
        self.token = next(self._tokens)

    def filter(self) -> Condition:
        condition = self._any()
        if self.token.kind != "end":
            self._fail(self.token, f"expected AND, OR or the end, found {self._found()}")
        return condition

    def order(self) -> Condition:
        term, values = self._field().order()
        direction = self._accept("ASC", "DESC") or "ASC"
        if self.token.kind != "end":
            self._fail(self.token, f"expected ASC, DESC or the end, found {self._found()}")
        return f"{term} {direction} NULLS LAST", values

    def _scan(self):  # type: ignore[no-untyped-def]
        position = 0
        while position < len(self._text):
            match = _TOKEN.match(self._text, position)
            if match is None:
                hint = "; a key in backticks follows its prefix: params.`a key`" if self._text[position] == "`" else ""
                self._fail(position, f"this quote is not closed{hint}")
            if match.lastgroup != "space":
                token = _Token(str(match.lastgroup), match.group(), position)
                bad = re.search("[\0\ud800-\udfff]", token.text)
                if bad is not None:
                    self._fail(position + bad.start(), "a NUL or half a character (surrogate) is in no run")
                yield token
            position = match.end()
        yield _Token("end", "", len(self._text))
