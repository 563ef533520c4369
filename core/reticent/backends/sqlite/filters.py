"""The search language of MLflow, compiled to SQL over `run` (left-joined with `experiment`).

    metrics.loss < 0.1 and (params."learning rate" = '0.01' or not tags.stage ilike 'prod%')

MLflow knows AND; OR, NOT and parentheses around them are added. A comparison with something that a run has not got is
false, and `NOT` of it true; `IS NULL` asks for what a run has not got. A quoted literal is compared as text; with a
number, a param or tag is compared as the number that its text is. LIKE heeds case; ILIKE does not, for ASCII letters.
Whatever the user wrote reaches the database as a bound parameter.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timezone

from reticent.backends.sqlite.fields import ALIASES, ALLOWED, ATTRIBUTE_PREFIXES, ATTRIBUTES, ENTITIES, Condition, Field
from reticent.backends.sqlite.tokens import Token, Tokens, unquoted
from reticent.errors import FilterError
from reticent.records import RunStatus

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|[+-]?(inf|infinity|nan)", re.IGNORECASE)

_OPERATORS = ("=", "!=", ">", ">=", "<", "<=")

_LONGEST, _COMPARISONS, _VALUES, _DEEPEST, _LONGEST_PATTERN = 1_000_000, 200, 10_000, 25, 10_000
"""What SQLite takes in one statement, with room to spare."""


def compile_filter(text: str, seal: Callable[[str], str] = str) -> Condition:
    """A WHERE condition and its parameters. Raises FilterError saying what is wrong, where, and what is allowed; of the
    text it repeats what `seal` leaves."""
    parser = _Parser(text, seal)
    return ("1", []) if parser.token.kind == "end" else parser.filter()


def compile_order(clauses: Sequence[str], seal: Callable[[str], str] = str) -> Condition:
    """The terms of an ORDER BY for clauses like `metrics.loss ASC`, and its parameters; NULL and NaN come last.

    What is equal in them, or all without clauses, is ordered newest first. Raises FilterError.
    """
    if isinstance(clauses, str):
        clauses = [clauses]
    if len(clauses) > _COMPARISONS:
        raise FilterError(f"more than {_COMPARISONS} order clauses")
    terms, values = [], []
    for clause in clauses:
        term, more = _Parser(clause, seal).order()
        terms.append(term)
        values += more
    # What began at the same time, as the candidates of a search, by name: the shorter number is the smaller one.
    newest = ["run.start_time DESC NULLS LAST", "length(run.name) DESC", "run.name DESC", "run.run_id"]
    return ", ".join([*terms, *newest]), values


def field_of(clause: str) -> Field:
    """What an order clause sorts by. Raises FilterError."""
    return _Parser(clause, str).field()


class _Parser(Tokens):
    """Recursive descent: or > and > not > comparison. `token` is the next one."""

    def __init__(self, text: str, seal: Callable[[str], str]) -> None:
        super().__init__(text, seal, _LONGEST)
        self._comparisons = self._values = self._depth = 0

    def filter(self) -> Condition:
        condition = self._any()
        if self.token.kind != "end":
            self._fail(self.token, f"expected AND, OR or the end, found {self._found()}")
        return condition

    def order(self) -> Condition:
        term, values = self.field().order()
        direction = self._accept("ASC", "DESC") or "ASC"
        if self.token.kind != "end":
            self._fail(self.token, f"expected ASC, DESC or the end, found {self._found()}")
        return f"{term} {direction} NULLS LAST", values

    def _any(self) -> Condition:
        return self._chain("OR", self._all)

    def _all(self) -> Condition:
        return self._chain("AND", self._negation)

    def _chain(self, word: str, part: Callable[[], Condition]) -> Condition:
        term, values = part()
        terms = [term]
        while self._accept(word):
            term, more = part()
            terms.append(term)
            values = [*values, *more]
        return (term, values) if len(terms) == 1 else (f"({f' {word} '.join(terms)})", values)

    def _negation(self) -> Condition:
        first = self.token
        self._depth += 1
        if self._depth > _DEEPEST:
            self._fail(first, f"NOT and parentheses nest {_DEEPEST} deep at most")
        try:
            if self._accept("NOT"):
                term, values = self._negation()
                return f"NOT {term}", values
            if self._mark("("):
                condition = self._any()
                self._expect(")", f"this parenthesis at position {first.start} is not closed: expected AND, OR or )")
                return condition
            return self._comparison()
        finally:
            self._depth -= 1

    def _comparison(self) -> Condition:
        self._comparisons += 1
        if self._comparisons > _COMPARISONS:
            self._fail(
                self.token, f"a filter has {_COMPARISONS} comparisons at most; IN compares with many values at once"
            )
        field, operator = self.field(), self.token
        if self._accept("IS"):
            negated = self._accept("NOT")
            if not self._accept("NULL"):
                self._fail(self.token, f"expected {'NULL' if negated else 'NULL or NOT NULL'}, found {self._found()}")
            term, values = field.present()
            return (term if negated else f"NOT {term}"), values
        if operator.kind == "operator":
            self._advance()
            if operator.text not in _OPERATORS:
                self._fail(operator, f"{self._quoted(operator.text)} is no comparator", field.comparators)
            return field.where(*self._compared(field, operator.text))
        negated = self._accept("NOT")
        word = self._accept("IN", "LIKE", "ILIKE")
        if word == "IN":
            condition, values = self._listed(field)
            # A metric that is NULL is NaN, which is in no list of numbers; a time that is NULL is not there.
            condition = f"({condition})" if field.entity == "attribute" else f"coalesce({condition}, 0)"
        elif word and field.text is not None:
            condition, values = self._like(field.text, word)
        elif word:
            self._fail(operator, f"{word} is for text", field.comparators)
        else:
            self._fail(self.token, f"expected a comparator, found {self._found()}", field.comparators)
        return field.where(f"NOT {condition}" if negated else condition, values)

    def _compared(self, field: Field, operator: str) -> Condition:
        value = self._value(field)
        if isinstance(value, str):
            return f"{field.text} {operator} ?", [value]
        if isinstance(value, float) and math.isnan(value):  # NaN equals NaN alone
            return {"=": field.nan, "!=": f"NOT ({field.nan})"}.get(operator, "0"), []
        if operator == "!=" and field.entity != "attribute":
            operator = "IS NOT"  # what is there but NaN, or no number, differs too
        return f"{field.number} {operator} ?", [value]

    def _listed(self, field: Field) -> Condition:
        self._expect("(", f"expected a list in parentheses, found {self._found()}")
        found = [self._value(field)]
        while self._mark(","):
            found.append(self._value(field))
        self._expect(")", f"expected a comma or ), found {self._found()}")
        texts = [value for value in found if isinstance(value, str)]
        numbers = [value for value in found if not isinstance(value, str) and not math.isnan(value)]
        parts = [
            f"{expression} IN ({', '.join('?' * len(values))})"
            for expression, values in ((field.text, texts), (field.number, numbers))
            if values
        ]
        if len(texts) + len(numbers) < len(found):
            parts.append(field.nan)
        return " OR ".join(parts), [*texts, *numbers]

    def _like(self, text: str, word: str) -> Condition:
        token = self.token
        if token.kind != "string":
            self._fail(token, f"expected a pattern in quotes, found {self._found()}")
        pattern = unquoted(token.text)
        if len(pattern) > _LONGEST_PATTERN:
            self._fail(token, f"a pattern has {_LONGEST_PATTERN:,} characters at most")
        self._advance()
        if word == "ILIKE":
            return f"({text} LIKE ?)", [pattern]
        glob = re.sub(r"[*?\[]", r"[\g<0>]", pattern).replace("%", "*").replace("_", "?")
        return f"({text} GLOB ?)", [glob]

    def field(self) -> Field:
        token = self.token
        if token.kind != "word":
            self._fail(token, f"expected what to compare, found {self._found()}", ALLOWED)
        prefix, dot, key = token.text.partition(".")
        prefix = prefix.lower()
        if key[:1] in ("`", '"'):
            key = unquoted(key)
        if dot and not key:
            self._advance()  # tells of a quote that is not closed
            self._fail(token, f"a key must follow {self._quoted(token.text)}")
        entity = ENTITIES.get(prefix)
        if entity is None and dot and prefix not in ATTRIBUTE_PREFIXES:
            self._fail(token, f"{self._quoted(prefix)} is nothing that can be searched", ALLOWED)
        if entity is not None and dot:
            self._advance()
            return Field(entity, key)
        name = (key if dot else token.text).lower()
        name = ALIASES.get(name, name)
        if name not in ATTRIBUTES:
            near = difflib.get_close_matches(name, ATTRIBUTES, 1)
            hint = f"; did you mean {near[0] if near else f'metrics.{name[:100]}'}?" if self._repeats else ""
            self._fail(token, f"there is no attribute {self._quoted(name)}{hint}", ALLOWED)
        self._advance()
        return Field("attribute", name)

    def _value(self, field: Field) -> str | int | float:
        """The literal that comes next, as the field compares it."""
        token = self.token
        self._values += 1
        if self._values > _VALUES:
            self._fail(token, f"a filter has {_VALUES:,} values at most")
        number = token.kind == "word" and _NUMBER.fullmatch(token.text) is not None
        if token.kind == "word" and not number and field.text is not None:
            self._fail(token, f"expected a value, found {self._quoted(token.text)}: text is written in quotes")
        if token.kind != "string" and not number:
            wanted = (
                "a number or a date in quotes" if field.is_time else "a number" if field.text is None else "a value"
            )
            self._fail(token, f"expected {wanted}, found {self._found()}")
        self._advance()
        if number and field.number is not None:
            value = _number(token.text)
            return value / 1000 if field.is_time and abs(value) >= 1e11 else value  # MLflow's milliseconds
        text = unquoted(token.text)
        if number:
            self._fail(token, f"{field.name} is text: write '{text[:100]}' in quotes")
        if field.is_time:
            return self._time(token, text)
        if field.text is None:
            self._fail(token, f"{field.name} is a number: write it without quotes")
        if field.name == "status" and field.entity == "attribute" and text.upper() not in RunStatus.__members__:
            self._fail(token, "this is no status", ", ".join(RunStatus.__members__))
        return text.upper() if field.name == "status" and field.entity == "attribute" else text

    def _time(self, token: Token, text: str) -> float:
        try:
            moment = datetime.fromisoformat(re.sub("[zZ]$", "+00:00", text))
        except ValueError:
            self._fail(
                token, "this is no date", "ISO 8601, as '2026-11-23' or '2026-11-23T05:32:00Z'; without an offset: UTC"
            )
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()


def _number(text: str) -> int | float:
    """An integer that SQLite holds exactly, so that large seeds and ids compare; else a float."""
    if re.fullmatch("[+-]?[0-9]{1,18}", text):
        return int(text)
    return float(text)
