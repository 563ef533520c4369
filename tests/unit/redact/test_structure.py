"""Structures of any kind: what is secret in them survives in none, nothing of the caller's changes, and all is bounded."""

from __future__ import annotations

import copy
import dataclasses
import json
import sys
from argparse import Namespace
from collections import OrderedDict, UserDict, deque, namedtuple
from collections.abc import Callable
from enum import Enum
from pathlib import Path, PureWindowsPath
from types import MappingProxyType, SimpleNamespace
from typing import Any

import attrs
import msgspec
import numpy
import omegaconf
import pandas
import pydantic
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from reticent_redact import UNSCANNED, Policy, Redactor, Report, plausible

KEYED = "qXv7Lm29-tRz4Wp81-Hd65Ks30"
SHAPED = "ghp_" + "R7mK2pQ9vT4xW1zBnC8dF3gH6jL5sYaE0uNi"
KNOWN = 'Wq7"kZ/x+9\u00e9 mV4=Tb8 gJ2'
SECRETS = (KEYED, SHAPED, KNOWN)


@attrs.define
class WithAttrs:
    api_key: Any
    note: Any


@dataclasses.dataclass(frozen=True)
class WithDataclass:
    api_key: Any
    note: Any


class WithMsgspec(msgspec.Struct):
    api_key: Any
    note: Any


class WithPydantic(pydantic.BaseModel):
    api_key: Any
    note: Any


Named = namedtuple("Named", "api_key note")


def omega(api_key: Any, note: Any) -> Any:
    """A config of what omegaconf takes, and of the text of anything else."""
    try:
        return omegaconf.OmegaConf.create({"api_key": api_key, "note": note})
    except Exception:
        return omegaconf.OmegaConf.create({"api_key": str(api_key), "note": str(note)})


HOLDERS: dict[str, Callable[[Any, Any], Any]] = {
    "dict": lambda api_key, note: {"api_key": api_key, "note": note},
    "OrderedDict": lambda api_key, note: OrderedDict(note=note, api_key=api_key),
    "UserDict": lambda api_key, note: UserDict(api_key=api_key, note=note),
    "MappingProxy": lambda api_key, note: MappingProxyType({"api_key": api_key, "note": note}),
    "namedtuple": Named,
    "attrs": WithAttrs,
    "dataclass": WithDataclass,
    "msgspec": WithMsgspec,
    "pydantic": lambda api_key, note: WithPydantic(api_key=api_key, note=note),
    "omegaconf": omega,
    "namespace": lambda api_key, note: Namespace(api_key=api_key, note=note),
    "pairs": lambda api_key, note: [("api_key", api_key), ("note", note)],
    "named": lambda api_key, note: [{"name": "api_key", "value": api_key}, {"name": "note", "value": note}],
    "arguments": lambda api_key, note: ["train.py", "--api-key", api_key, "--note", note],
}


class Colour(Enum):
    RED = f"red {SHAPED}"
    BLUE = (1, SHAPED)


class Level(str, Enum):
    HIGH = SHAPED


MARKERS = "[REDACTED:known-secret][REDACTED:key-password][REDACTED:key-database-url]"


def redactor() -> Redactor:
    one = Redactor()
    one.register(KNOWN)
    return one


def survivors(*values: Any) -> list[str]:
    """The secrets that are in the text of some values, also with the escapes of `repr` and JSON."""
    text = "\n".join(f"{value}\n{value!r}" for value in values)
    text += "\n".join(value.decode("utf-8", "replace") for value in values if isinstance(value, bytes))
    return [
        secret
        for secret in SECRETS
        if any(form in text for form in (secret, repr(secret)[1:-1], json.dumps(secret)[1:-1]))
    ]


@pytest.mark.parametrize("holder", HOLDERS)
def test_what_a_key_says_is_secret_in_any_holder(holder: str) -> None:
    made = HOLDERS[holder](KEYED, SHAPED)
    before = copy.deepcopy(made) if holder != "MappingProxy" else dict(made)
    one, report = redactor(), Report()
    plain = one.redact("c", made, report)
    assert survivors(plain, one.seal(HOLDERS[holder](KEYED, KNOWN), channel="c"), one.seal([made], channel="c")) == []
    assert made == before
    assert {hidden.rule for hidden in report.counts()} == {"key-api-key", "github-token"}
    if holder not in ("pairs", "named", "arguments"):
        assert plain == {"api_key": "[REDACTED:key-api-key]", "note": "[REDACTED:github-token]"}


leaves = st.sampled_from([SHAPED, KNOWN, f"x {SHAPED}.", f"{KNOWN}!", "adam", "", "a b"]) | st.integers() | st.none()
odd = st.sampled_from(
    [
        *(SHAPED.encode(), bytearray(KNOWN.encode()), memoryview(SHAPED.encode()), Path("/home") / SHAPED, Colour.RED),
        *(
            Colour.BLUE,
            Level.HIGH,
            ValueError(SHAPED),
            pydantic.SecretStr(KEYED),
            json.dumps({"api_key": KEYED, "a": KNOWN}),
        ),
        *(
            json.dumps([[KNOWN, SHAPED]]),
            PureWindowsPath(f"C:\\{SHAPED}"),
            frozenset({SHAPED}),
            {KNOWN},
            {(1, SHAPED): KNOWN},
        ),
        *(SimpleNamespace(note=SHAPED), range(3), b"\xff" + SHAPED.encode(), "\ud800" + SHAPED, {SHAPED: {KNOWN: 1}}),
    ]
)
structures = st.recursive(
    leaves | odd,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.sampled_from(["a", "note", SHAPED, KNOWN]), inner, max_size=3)
        | st.builds(lambda make, value: make(KEYED, value), st.sampled_from(list(HOLDERS.values())), inner)
    ),
    max_leaves=12,
)


@settings(max_examples=300)
@given(structures)
def test_nothing_planted_survives_and_nothing_is_changed(value: Any) -> None:
    before, one = repr(value), redactor()
    plain = one.redact("note", value)
    assert survivors(plain, one.seal(value, channel="c")) == []
    assert repr(value) == before
    assert UNSCANNED not in str(plain)
    assert one.redact("note", plain) == plain


FORMS: list[Callable[[str, Any], Any]] = [
    lambda key, value: {key: value},
    lambda key, value: {"n": 1, "inner": [{key: value}]},
    lambda key, value: [(key, value), ("lr", 0.1)],
    lambda key, value: [["lr", 0.1], [key, value]],
    lambda key, value: {"name": key, "value": value, "of": "adam"},
    lambda key, value: {"params": {"a": {"Key": key, "Value": value}}},
]
SHAPES: list[Callable[[str], Any]] = [
    lambda s: s,
    lambda s: [s, 1],
    lambda s: {"of": s},
    lambda s: [{"a": [s]}],
    lambda s: (s, s),
]
WRITTEN: list[Callable[[Any], Any]] = [
    lambda value: value,
    str,
    json.dumps,
    lambda value: json.dumps(value, ensure_ascii=False, indent=2) + "\n",
    lambda value: json.dumps(json.dumps(value)),
    lambda value: {"config": str(value)},
    lambda value: json.dumps(value).encode(),
    lambda value: [SimpleNamespace(settings=value)],
]


@settings(max_examples=500)
@given(
    st.sampled_from(["password", "DB_PASSWORD", "apiKey", "client-secret", "database_url", "my.hub_token"]),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=5, max_size=30) | st.text("swordfi-", min_size=5),
    st.sampled_from(FORMS),
    st.sampled_from(SHAPES),
    st.lists(st.sampled_from(WRITTEN), min_size=1, max_size=2),
)
def test_whatever_stands_under_a_secret_key_is_in_nothing_that_is_given_back(
    key: str,
    secret: str,
    form: Callable[[str, Any], Any],
    shape: Callable[[str], Any],
    written: list[Callable[[Any], Any]],
) -> None:
    def made(of: str) -> Any:
        value = form(key, shape(of))
        for write in written:
            value = write(value)
        return value

    assume(written[0] in WRITTEN[:4] or len(written) == 1)
    ordinary = str(Redactor().redact("config", made("")))
    assume(secret not in ordinary and secret not in MARKERS and not plausible.says_nothing(secret))
    one = Redactor()
    plain, sealed = one.redact("config", made(secret)), Redactor().seal(made(secret), channel="param", key="config")
    for shown in (str(plain), repr(plain), sealed):
        assert secret not in shown
        assert json.dumps(secret)[1:-1] not in shown
    assert one.redact("config", plain) == plain
    assert Redactor().redact("config", plain) == plain
    assert Redactor().seal(sealed, channel="param", key="config") == sealed


@given(structures)
@settings(max_examples=100)
def test_what_comes_out_is_plain(value: Any) -> None:
    def check(plain: Any) -> None:
        kind = type(plain)
        assert kind in (dict, list, tuple, set, frozenset, str, bytes, int, type(None)), kind
        for item in (
            [*plain, *plain.values()] if kind is dict else plain if kind not in (str, bytes, int, type(None)) else ()
        ):
            check(item)

    check(redactor().redact("note", value))


def test_a_secret_type_is_secret_under_any_key() -> None:
    secret = pydantic.SecretStr("plain words")
    one, report = Redactor(), Report()
    assert one.redact("note", {"a": [secret], "b": pydantic.SecretBytes(b"plain words")}, report) == {
        "a": ["[REDACTED:secret-type]"],
        "b": "[REDACTED:secret-type]",
    }
    assert one.redact("note", "so: plain words") == "so: [REDACTED:known-secret]", "it is known from then on"
    assert secret.get_secret_value() == "plain words"


@pytest.mark.parametrize("pairs", [[["api_key", KEYED], ["note", None]], [("api_key", KEYED), ("note", None)]])
def test_pairs_in_omegaconf(pairs: list[Any]) -> None:
    config = omegaconf.OmegaConf.create({"pairs": pairs, "one": pairs[0]})
    kind = type(pairs[0])
    hidden = kind(["api_key", "[REDACTED:key-api-key]"])
    assert redactor().redact("c", config) == {"pairs": [hidden, kind(["note", None])], "one": hidden}


def test_omegaconf() -> None:
    config = omegaconf.OmegaConf.create(
        {
            "db": {"password": "hunter2-and-3", "url": "postgres://u:${db.password}@h"},
            "list": ["${db.password}", 1],
            "n": 3,
        }
    )
    before = copy.deepcopy(config)
    one = Redactor()
    plain = one.redact("config", config)
    assert plain["db"]["password"] == "[REDACTED:key-password]"
    assert "hunter2" not in str(plain)
    assert (plain["n"], plain["list"][1]) == (3, 1)
    assert config == before
    assert "hunter2" not in str(one.redact("list", config.list)), "it is known from then on"
    missing = omegaconf.OmegaConf.create({"a": "${nowhere}", "b": "???", "password": "hunter2-and-3"})
    assert "hunter2" not in Redactor().seal(missing, channel="c")


def test_a_structured_array_has_its_fields_names() -> None:
    login = [("user", "U8"), ("password", "U32")]
    rows = numpy.array([("me", KEYED), ("you", KEYED[::-1])], dtype=login)
    hidden = "[REDACTED:key-password]"
    assert Redactor().redact("a", rows) == {"user": ["me", "you"], "password": [hidden, hidden]}
    assert Redactor().redact("a", rows[0]) == {"user": "me", "password": hidden}
    assert Redactor().redact("a", rows.view(numpy.recarray)) == Redactor().redact("a", rows)
    nested = numpy.array([(1.5, ("me", KEYED))], dtype=[("lr", "f8"), ("login", login)])
    assert Redactor().redact("a", [nested]) == [{"lr": [1.5], "login": {"user": ["me"], "password": [hidden]}}]
    many = numpy.zeros(1000, dtype=login)
    many["password"] = KEYED
    assert Redactor().redact("a", many)["password"] == [hidden] * 100
    assert Redactor().redact("a", many)["..."] == "900 more rows"


def test_bytes_keep_their_type_and_what_is_no_text_in_them() -> None:
    one = redactor()
    assert one.redact("note", b"a\xff " + SHAPED.encode()) == b"a\xff [REDACTED:github-token]"
    assert one.redact("api_key", memoryview(b"\xff\xfe")) == b"[REDACTED:key-api-key]"
    assert one.redact("note", bytearray(b"\xff clean")) == b"\xff clean"


def test_json_in_strings_is_written_anew_only_if_something_is_hidden() -> None:
    clean = '{ "a":1,  "solver": "lbfgs" }'
    assert redactor().redact("config", clean) == clean
    hidden = redactor().redact("config", json.dumps({"a": [{"api_key": KEYED, "n": 1.5}], "note": KNOWN}))
    assert json.loads(hidden) == {
        "a": [{"api_key": "[REDACTED:key-api-key]", "n": 1.5}],
        "note": "[REDACTED:known-secret]",
    }
    twice = redactor().redact("config", json.dumps({"inner": json.dumps({"api_key": KEYED})}))
    assert json.loads(json.loads(twice)["inner"]) == {"api_key": "[REDACTED:key-api-key]"}
    assert KEYED not in redactor().redact("config", '[{"api_key": "' + KEYED + '"}')  # no JSON


OTHERS = {f"k{number}": number for number in range(10)}


CONTAINERS: list[Callable[[str], Any]] = [
    lambda p: ("password", p),
    lambda p: [("password", p)],
    lambda p: [["password", [p]], ["lr", 1]],
    lambda p: sorted({"password": p, "lr": "x"}.items()),
    lambda p: ["--password", p],
    lambda p: {"name": "DB_PASSWORD", "value": p, **OTHERS},
    lambda p: {"key": "password", "val": p},
    lambda p: {"Name": "db", "KEY": "password", "VALUE": [p]},
    lambda p: {"id": "password", "default": {"of": p}},
    lambda p: {"ParameterKey": "password", "ParameterValue": p},
    lambda p: {"list": [{"password": [p]}]},
]
OBJECTS: list[Callable[[str], Any]] = [
    lambda p: {"password": p}.items(),
    lambda p: deque([("password", p)]),
    lambda p: {("password", p)},
    lambda p: [(b"authorization", p.encode())],
    lambda p: Namespace(password=[p]),
    lambda p: SimpleNamespace(password={"of": p}),
    lambda p: pandas.DataFrame({"password": [p], "lr": [1]}),
    lambda p: pandas.Series([p], name="password"),
    lambda p: pandas.Series({"password": p, "lr": 1}),
    lambda p: {"frames": [pandas.DataFrame({"password": [p] * 300})]},
]
AS_TEXT: list[Callable[[Any], str]] = [str, json.dumps, lambda value: f"\ufeff {json.dumps(value, indent=1)}\n"]


@pytest.mark.parametrize("password", ["tr0ub4dor-and-3", "correct horse battery staple"])
@pytest.mark.parametrize(
    "make",
    [
        *(CONTAINERS + OBJECTS),
        *(lambda p, make=make, to_text=to_text: to_text(make(p)) for make in CONTAINERS for to_text in AS_TEXT),
    ],
)
def test_names_and_values_that_stand_apart_are_put_together(password: str, make: Callable[[str], Any]) -> None:
    plain, sealed = Redactor().redact("config", make(password)), Redactor().seal(make(password), channel="param")
    for shown in (str(plain), sealed):
        assert password not in shown
        assert "[REDACTED:" in shown


@pytest.mark.parametrize(
    "value",
    [
        *(["password", "user name"], ("secret", "Api Key"), [["a", "b"], ["c", "d"]], [("lr", 0.1), ("name", "adam")]),
        *({"name": "password", "value": 7}, {"name": "adam", "value": "sgd"}, {"k": "q", "v": "x"}),
        *(
            "{(1, 2): 'a'}",
            "[('a', 'b')]\n",
            "['\\d+', 'x']",
            '"a"',
            "(",
            "{'a': nan}",
            '\ufeff{"a": "b"}\n',
            "[" * 9000 + "]",
        ),
    ],
)
def test_ordinary_ones_stay_as_they_are(value: Any) -> None:
    assert Redactor().redact("config", value) == value


def test_a_class_and_an_object_with_fields_unset() -> None:
    half = WithAttrs(KEYED, "x")
    del half.note
    assert Redactor().redact("c", [WithDataclass, half]) == [str(WithDataclass), {"api_key": "[REDACTED:key-api-key]"}]


def test_exceptions_with_causes_notes_and_groups() -> None:
    try:
        try:
            raise ValueError(f"api_key={KEYED}")
        except ValueError as error:
            raise RuntimeError(f"it was {KNOWN}") from error
    except RuntimeError as error:
        raised: BaseException = error
    if sys.version_info >= (3, 11):
        raised.add_note(f"with {SHAPED}")
        raised = BaseExceptionGroup(f"several, {SHAPED}", [raised, KeyError(KNOWN)])  # noqa: F821 - of 3.11
    text = redactor().redact("error", {"error": raised})["error"]
    assert survivors(text) == []
    assert "The above exception was the direct cause" in text
    assert "RuntimeError: it was [REDACTED:known-secret]" in text


def test_bounds_on_depth_nodes_and_bytes() -> None:
    def nested(depth: int) -> Any:
        value: Any = SHAPED
        for _ in range(depth):
            value = {"a": [value]}
        return value

    bounded = Redactor(Policy(max_depth=6, max_nodes=50, max_text=1000))
    assert bounded.redact("c", nested(3)) == {"a": [{"a": [{"a": ["[REDACTED:github-token]"]}]}]}
    assert bounded.redact("c", nested(4)) == {"a": [{"a": [{"a": [UNSCANNED]}]}]}
    assert bounded.redact("c", {"a": list(range(49))}) == {"a": list(range(49))}
    assert bounded.redact("c", {"a": list(range(50))}) == {"a": UNSCANNED}
    assert bounded.redact("c", WithAttrs(["x"] * 50, WithMsgspec(1, 2))) == {
        "api_key": UNSCANNED,
        "note": UNSCANNED,
    }, "what is left of the nodes is not enough for the second one"
    assert bounded.redact("c", ["y" * 600, "y" * 600, b"y" * 600]) == ["y" * 600, UNSCANNED, UNSCANNED.encode()]
    assert bounded.redact("c", nested(4000))["a"][0]["a"][0]["a"][0] == UNSCANNED
    for endless in _cycles():
        assert survivors(redactor().redact("c", endless), redactor().seal(endless, channel="c")) == []
        assert UNSCANNED in str(redactor().redact("c", endless))


def _cycles() -> list[Any]:
    inside: list[Any] = [SHAPED]
    inside.append({"again": (inside,)})
    holder = WithAttrs(KEYED, None)
    holder.note = [holder]
    mapping: dict[str, Any] = {"note": KNOWN}
    mapping["self"] = MappingProxyType(mapping)
    return [inside, holder, mapping]


class Odd:
    """A user's class that fails at everything."""

    def __getattr__(self, name: str) -> Any:
        raise ZeroDivisionError(SHAPED)

    def __str__(self) -> str:
        raise ZeroDivisionError(SHAPED)

    __repr__ = __hash__ = __len__ = __iter__ = __eq__ = __str__  # type: ignore[assignment]


def test_what_fails_when_it_is_looked_at_is_withheld() -> None:
    one, report = redactor(), Report()
    assert one.seal({"a": Odd()}, channel="param", report=report) == UNSCANNED
    assert [hidden[:3] for hidden in report.counts()] == [("param", "unscanned", "withhold")]


@pytest.mark.parametrize("orient", ["split", "tight"])
def test_a_table_whose_rows_are_lists(orient: Any) -> None:
    table = pandas.DataFrame({"user": ["bob", "al"], "password": ["tr0ub4dor", "hunter2-"], "n": [1, 2]}).to_dict(
        orient
    )
    rows = [["bob", "[REDACTED:key-password]", 1], ["al", "[REDACTED:key-password]", 2]]
    assert Redactor().redact("table", table) == {**table, "data": rows}
    assert json.loads(Redactor().redact("table", json.dumps(table)))["data"] == rows
    assert Redactor().redact("table", {**table, "data": [["tr0ub4dor"], "hunter2-"]})["data"] == [
        ["tr0ub4dor"],
        "hunter2-",
    ]
    assert Redactor().redact("table", {"columns": ["user", "n"], "data": [["tr0ub4dor", 1]]})["data"] == [
        ["tr0ub4dor", 1]
    ]
