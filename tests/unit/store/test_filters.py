"""The search language: what it means (against an evaluation in Python), what it refuses, that nothing gets through it."""

from __future__ import annotations

import math
import operator
import re
import sqlite3
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import reticent
from reticent import settings
from reticent.backends.sqlite.filters import compile_filter, compile_order
from reticent.backends.sqlite.query import search
from reticent.backends.sqlite.schema import empty_database
from reticent.backends.sqlite.stored import StoredRun
from reticent.errors import FilterError
from reticent.sessions import current
from reticent.store import open_store

NUMBERS = (0, 1, -1, 0.1, 5e-324, 1e308, 2**53 + 1, math.inf, -math.inf, math.nan)
TEXTS = (
    "",
    "0.1",
    "1",
    "1.0",
    " 1 ",
    "1e-1",
    "-1",
    "9007199254740993",
    "9007199254740992",
    "1_0",
    "0x1",
    "abc",
    "ABC",
    "a%c",
    "a_c",
    "a*c",
    "a?c",
    "a[b]c",
    "a^c",
    "Äbc",
    "äbc",
    "it's",
    'say "so"',
    "a\nb",
    "inf",
    "-inf",
    "nan",
    "NaN",
    "None",
    "'; DROP TABLE run; --",
)
KEYS = ("x", "y", "a b", "it's", "q`q", 'd"d', "val/loss-1", "or", "x.y", "Ä", "missing")
METRICS = KEYS[:-1]


@dataclass(repr=False)
class Logged:
    connection: sqlite3.Connection
    runs: list[StoredRun]

    def ids(self, condition: str, values: list[object]) -> list[str]:
        joined = "SELECT run_id FROM run LEFT JOIN experiment ON experiment.id = run.experiment"
        return [run_id for (run_id,) in self.connection.execute(f"{joined} {condition}", values)]


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Logged]:
    settings.reset()
    reticent.configure(dir=str(tmp_path_factory.mktemp("filters")), backends=[])
    for number, text in enumerate(TEXTS):
        with reticent.start_run(text or "unnamed", experiment=f"e{number % 3}") as run:
            for position, key in enumerate(METRICS):
                if (number + position) % 4:
                    value = NUMBERS[(number + position) % len(NUMBERS)]
                    run.log_metric(key, 0.5, 0)
                    run.log_metric(key, value, 1)
                    run.log_param(key, "an older value")
                    run.log_param(key, TEXTS[(number + position) % len(TEXTS)])
                if (number + position) % 3:
                    run.set_tag(key, TEXTS[(number * 7 + position) % len(TEXTS)])
            if number % 5 == 0:
                with reticent.start_run("child"):
                    pass
    open_run = reticent.start_run("goes on", nested=False)
    connection = open_store(current())
    yield Logged(connection, search(connection, str, max_results=None))
    open_run.end()
    settings.reset()


Predicate = Callable[[StoredRun], bool]
Case = tuple[str, Predicate]
OPERATORS = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
ASCII_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def number_of(value: str | float | None) -> float | int | None:
    """The number that a text is, as the store understands it."""
    if not isinstance(value, str):
        return value
    cleaned = value.strip(" \t\n\v\f\r")
    if re.fullmatch(r"[+-]?[0-9]{1,18}", cleaned):
        return int(cleaned)
    if re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", cleaned, re.IGNORECASE):
        return float(cleaned)
    named = {"inf": math.inf, "+inf": math.inf, "infinity": math.inf, "-inf": -math.inf, "-infinity": -math.inf}
    named |= {"nan": math.nan, "+nan": math.nan, "-nan": math.nan}
    return named.get(value.lower())


def compared(sign: str, found: Any, literal: Any) -> bool:
    """A comparison with something that is there; NaN equals NaN."""
    if isinstance(literal, str):
        return bool(OPERATORS[sign](found, literal))
    number = number_of(found)
    if number is None:
        return sign == "!="
    if math.isnan(number) and math.isnan(literal):
        return sign == "="
    return bool(OPERATORS[sign](number, literal))


def like(text: str, pattern: str, fold: bool) -> bool:
    if fold:
        text, pattern = text.translate(ASCII_LOWER), pattern.translate(ASCII_LOWER)
    wild = "".join({"%": ".*", "_": "."}.get(character, re.escape(character)) for character in pattern)
    return re.fullmatch(wild, text, re.DOTALL) is not None


def quoted(text: str, quote: str) -> str:
    return quote + text.replace(quote, quote * 2) + quote


def written(value: str | float) -> str:
    return quoted(value, "'") if isinstance(value, str) else repr(value)


@st.composite
def fields(draw: st.DrawFn) -> tuple[str, Callable[[StoredRun], Any], bool, bool]:
    """How a field is written, how it is read from a run, and whether it takes text and numbers."""
    kind = draw(st.sampled_from(["metrics", "params", "tags", "attributes"]))
    if kind == "attributes":
        name, read, text = draw(
            st.sampled_from(
                [
                    ("run_id", lambda run: run.run_id, True),
                    ("run_name", lambda run: run.name, True),
                    ("experiment", lambda run: run.experiment, True),
                    ("parent_run_id", lambda run: run.parent_id, True),
                    ("start_time", lambda run: run.start_time, False),
                    ("end_time", lambda run: run.end_time, False),
                    ("duration", lambda run: run.duration_s, False),
                ]
            )
        )
        return draw(st.sampled_from(["", "attributes.", "attr.", "run."])) + name, read, text, not text
    key = draw(st.sampled_from(KEYS))
    prefix = draw(
        st.sampled_from({"metrics": ["metrics", "metric"], "tags": ["tags", "tag"]}.get(kind, ["params", "parameter"]))
    )
    styles = [quoted(key, "`"), quoted(key, '"')] + [key] * (re.fullmatch(r"[\wÄ./-]+", key) is not None)
    name = f"{prefix}.{draw(st.sampled_from(styles))}"
    return name, lambda run: getattr(run, kind).get(key), kind != "metrics", True


@st.composite
def comparisons(draw: st.DrawFn) -> Case:
    name, read, text, number = draw(fields())
    values = st.sampled_from((*(TEXTS if text else ()), *(NUMBERS if number else ())))
    how = draw(st.sampled_from(["compare", "in", "null"] + ["like"] * text))
    negated = draw(st.booleans())
    if how == "null":
        return f"{name} is {'not ' * negated}null", lambda run: (read(run) is not None) == negated
    if how == "like":
        pattern, fold = draw(st.sampled_from((*TEXTS, "%", "a%", "_bc", "%b%", "%[b]%", "A_C"))), draw(st.booleans())
        expression = f"{name} {'not ' * negated}{'ilike' if fold else 'like'} {written(pattern)}"
        return expression, lambda run: read(run) is not None and like(read(run), pattern, fold) != negated
    if how == "in":
        listed = draw(st.lists(values, min_size=1, max_size=4))
        expression = f"{name} {'NOT ' * negated}IN ({', '.join(map(written, listed))})"

        def contained(run: StoredRun) -> bool:
            found = read(run)
            return found is not None and any(compared("=", found, value) for value in listed) != negated

        return expression, contained
    sign, value = draw(st.sampled_from(sorted(OPERATORS))), draw(values)
    space = draw(st.sampled_from(["", " "]))
    return (
        f"{name}{space}{sign}{space}{written(value)}",
        lambda run: read(run) is not None and compared(sign, read(run), value),
    )


def combined(parts: st.SearchStrategy[Case]) -> st.SearchStrategy[Case]:
    def both(cases: tuple[Case, Case]) -> Case:
        (left, first), (right, second) = cases
        return f"({left}) AND {right}", lambda run: first(run) and second(run)

    def either(cases: tuple[Case, Case]) -> Case:
        (left, first), (right, second) = cases
        return f"({left} or {right})", lambda run: first(run) or second(run)

    def neither(case: Case) -> Case:
        text, predicate = case
        return f"not ({text})", lambda run: not predicate(run)

    pairs = st.tuples(parts, parts)
    # `and` binds more tightly than `or`: what is written to the right of an `and` is in parentheses if it is an `or`.
    return st.one_of(pairs.map(both), pairs.map(either), parts.map(neither))


@hypothesis_settings(max_examples=400, deadline=None)
@given(case=st.recursive(comparisons(), combined, max_leaves=5))
def test_a_filter_finds_what_its_evaluation_in_python_finds(logged: Logged, case: Case) -> None:
    text, predicate = case
    condition, values = compile_filter(text)
    assert set(logged.ids(f"WHERE {condition}", values)) == {run.run_id for run in logged.runs if predicate(run)}, text


@hypothesis_settings(max_examples=150, deadline=None)
@given(field=fields(), descending=st.booleans())
def test_an_order_is_the_one_of_python(logged: Logged, field: Any, descending: bool) -> None:
    name, read, _, number = field

    def place(run: StoredRun) -> tuple[int, Any]:
        value = read(run)
        as_number = number_of(value) if number else None
        if as_number is not None and not math.isnan(as_number):
            return 0, as_number
        return 1, value

    newest_first = sorted(logged.runs, key=lambda run: (-(run.start_time or 0), run.run_id))
    last = [run for run in newest_first if read(run) is None or (name.startswith("metric") and math.isnan(read(run)))]
    first = sorted([run for run in newest_first if run not in last], key=place, reverse=descending)
    terms, values = compile_order([f"{name} {'desc' if descending else 'ASC'}"])
    assert logged.ids(f"ORDER BY {terms}", values) == [run.run_id for run in (*first, *last)]


WORDS = """metrics.x params.y tags.z attributes.status status start_time run.end_time metrics. . `a` "b" 'c' 'it''s' ' " `
    = != < <= > >= == <> ! ( ) , , and or not in is null like ilike AND OR NOT 1 -1 1e-3 inf nan 1e999 0x1 ; -- /* */ ? ?1
    :a @a $a % _ \\ \0 metrics.`x params."y foo.bar Ä \U0001f600""".split()  # noqa: SIM905 - one list


EMPTY = empty_database()


@hypothesis_settings(max_examples=1000, deadline=None)
@given(
    text=st.one_of(
        st.text(),
        st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join),
        st.lists(st.sampled_from(WORDS), max_size=12).map("".join),
        st.text(st.characters(), max_size=20),
    )
)
def test_any_text_is_a_filter_or_is_refused_as_one(text: str) -> None:
    for statement in ("WHERE {}", "ORDER BY {}"):
        try:
            condition, values = compile_filter(text) if "WHERE" in statement else compile_order([text])
        except FilterError:
            continue
        joined = "SELECT run.id FROM run LEFT JOIN experiment ON experiment.id = run.experiment"
        assert EMPTY.execute(f"{joined} {statement.format(condition)}", values).fetchall() == []


@given(
    key=st.text(min_size=1).filter(lambda key: "\0" not in key), value=st.text().filter(lambda value: "\0" not in value)
)
def test_no_text_of_the_user_is_in_the_sql(key: str, value: str) -> None:
    plain, plain_values = compile_filter("params.k = 'v'")
    found, values = compile_filter(f"params.{quoted(key, '`')} = {written(value)}")
    assert (found, values) == (plain, [key, value])
    assert plain_values == ["k", "v"]
    assert compile_order([f"metrics.{quoted(key, chr(34))} DESC"])[0] == compile_order(["metrics.k DESC"])[0]


@pytest.mark.parametrize("prefix", ["metrics", "metric", "Metrics"])
def test_prefixes_of_metrics(prefix: str) -> None:
    assert compile_filter(f"{prefix}.loss < 1") == compile_filter("metrics.loss < 1")


@pytest.mark.parametrize("prefix", ["params", "param", "parameter", "parameters"])
def test_prefixes_of_params(prefix: str) -> None:
    assert compile_filter(f"{prefix}.lr = '1'") == compile_filter("params.lr = '1'")


@pytest.mark.parametrize("name", ["status", "attributes.status", "attribute.status", "attr.status", "run.status"])
def test_prefixes_of_attributes(name: str) -> None:
    assert compile_filter(f"{name} = 'finished'") == ("coalesce(run.status = ?, 0)", ["FINISHED"])


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("'2026-11-23'", datetime(2026, 11, 23, tzinfo=timezone.utc).timestamp()),
        ("'2026-11-23T05:32:00'", datetime(2026, 11, 23, 5, 32, tzinfo=timezone.utc).timestamp()),
        ("'2026-11-23T05:32:00Z'", datetime(2026, 11, 23, 5, 32, tzinfo=timezone.utc).timestamp()),
        ("'2026-11-23T05:32:00+02:00'", datetime(2026, 11, 23, 3, 32, tzinfo=timezone.utc).timestamp()),
        ("1795411920.5", 1795411920.5),
        ("1795411920500", 1795411920.5),
    ],
)
def test_times_are_seconds_dates_or_the_milliseconds_of_mlflow(text: str, seconds: float) -> None:
    assert compile_filter(f"start_time >= {text}")[1] == [seconds]
    assert compile_filter(f"attributes.end_time IN ({text})")[1] == [seconds]


@pytest.mark.parametrize("text", ["", "  ", "\n"])
def test_no_filter_finds_all(text: str) -> None:
    assert compile_filter(text) == ("1", [])


@pytest.mark.parametrize(
    ("text", "position", "message", "allowed"),
    [
        ("metrics.loss foo 5", 13, "expected a comparator, found 'foo'", ">="),
        ("metrics.loss == 5", 13, "'==' is no comparator", ">="),
        ("metrics.loss < 'low'", 15, "loss is a number", ""),
        ("metrics.loss < low", 15, "expected a number, found 'low'", ""),
        ("metrics.loss LIKE '%'", 13, "LIKE is for text", "NOT IN"),
        ("metrics.loss <", 14, "expected a number, found the end", ""),
        ("params.lr = abc", 12, "text is written in quotes", ""),
        ("params.lr = 'abc", 12, "this quote is not closed", ""),
        ("params.`lr = 1", 7, "this quote is not closed", ""),
        ("params. = 1", 0, "a key must follow 'params.'", ""),
        ("strat_time > 5", 0, "did you mean start_time?", "params.<key>"),
        ("foo.bar = 1", 0, "'foo' is nothing that can be searched", "metrics.<key>"),
        ("status = 'done'", 9, "this is no status", "CRASHED"),
        ("status = 5", 9, "status is text", ""),
        ("start_time > 'yesterday'", 13, "this is no date", "ISO 8601"),
        ("(metrics.a = 1", 14, "position 0 is not closed", ""),
        ("metrics.a = 1)", 13, "expected AND, OR or the end, found ')'", ""),
        ("metrics.a = 1 metrics.b = 2", 14, "expected AND, OR or the end", ""),
        ("metrics.a IN 1", 13, "expected a list in parentheses", ""),
        ("metrics.a IN ()", 14, "expected a number", ""),
        ("metrics.a IN (1 2)", 16, "expected a comma or )", ""),
        ("metrics.a IS 5", 13, "expected NULL or NOT NULL", ""),
        ("5 < metrics.a", 0, "no attribute '5'", "metrics.<key>"),
        ("and", 0, "no attribute", "metrics.<key>"),
        ("params.a = 'x\0y'", 13, "NUL", ""),
        ("(" * 40, 25, "25 deep at most", ""),
    ],
)
def test_an_error_shows_the_place_and_what_is_allowed(text: str, position: int, message: str, allowed: str) -> None:
    with pytest.raises(FilterError) as caught:
        compile_filter(text)
    told = str(caught.value).split("\n")
    assert message in told[0]
    assert told[0].endswith(f"(position {position})")
    assert told[2].index("^") - 4 == position
    assert told[1][4:] == text.replace("\0", "?")
    assert allowed in told[-1]


def test_an_error_in_a_long_filter_shows_the_part_around_it() -> None:
    text = "metrics.a = 1 and " * 50 + "nonsense" + " and metrics.a = 1" * 50
    with pytest.raises(FilterError) as caught:
        compile_filter(text)
    _, shown, caret, _ = str(caught.value).split("\n")
    assert len(shown) < 140
    assert shown[caret.index("^") :].startswith("nonsense")


@pytest.mark.parametrize("clause", ["", "metrics.a b", "metrics.a asc desc", "foo", "metrics.a = 1", "params.`a"])
def test_an_order_that_is_none(clause: str) -> None:
    with pytest.raises(FilterError):
        compile_order([clause])


def test_filters_at_the_limits_run_and_beyond_them_are_refused() -> None:
    connection = empty_database()
    many = " or ".join(["not params.x not in (1, 'a', nan)"] * 200)
    listed = f"run_id in ({', '.join(map(repr, map(str, range(10_000))))})"
    deep = "not " * 12 + "(" * 12 + "params.x = 1" + ")" * 12
    pattern = f"params.x like '{'%[' * 5000}'"
    for text in (many, listed, deep, pattern):
        assert search(connection, str, text) == []
        assert search(connection, str, text, ["params.x"] * 200) == []
    for text in (
        f"{many} or params.x = 1",
        f"{listed} or run_id in ('a')",
        f"not {deep}and",
        f"{pattern[:-1]}%'",
        "a" * 10**6 + "b",
    ):
        with pytest.raises(FilterError):
            compile_filter(text)


def test_a_huge_hostile_filter_is_refused_quickly() -> None:
    for text in (
        "'" * 100_001,
        '"' * 100_001,
        "metrics." * 100_000,
        "(" * 900_000,
        "not " * 200_000,
        "params.`" + "`" * 300_000,
    ):
        with pytest.raises(FilterError):
            compile_filter(text)


def test_a_filter_must_be_text() -> None:
    with pytest.raises(FilterError, match="not int"):
        compile_filter(5)  # type: ignore[arg-type]


def test_an_injection_is_a_value_like_any_other(logged: Logged) -> None:
    connection = logged.connection
    hostile = "'; DROP TABLE run; --"
    assert [run.name for run in search(connection, str, f"run_name = {written(hostile)}")] == [hostile]
    assert search(connection, str, "params.`x') OR 1=1 --` = '1'") == []
    assert search(connection, str, "tags.x = '1'' OR ''1''=''1'") == []
    assert len(search(connection, str, max_results=None)) == len(logged.runs)
