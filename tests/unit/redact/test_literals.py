"""The first pass over a text: ways that all find the same."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reticent_redact import literals as literals_module
from reticent_redact.keys import key_literals
from reticent_redact.literals import WINDOW, Literals, aho_corasick, bigrams, fold, hyperscan, plain
from reticent_redact.rules import RULES

LITERALS = sorted({*(literal for rule in RULES for literal in rule.literals), *key_literals()})
PASSES = (aho_corasick, bigrams, plain, hyperscan)
EXAMPLES = [example for rule in RULES for example in (*rule.hits, *rule.misses)]


def naive(literals: list[str], text: str) -> list[tuple[int, int]]:
    folded = fold(f"\n{text}")
    return sorted(
        (at - 1, number)
        for number, literal in enumerate(literals)
        for at in range(len(folded))
        if folded.startswith(fold(literal), at)
    )


@pytest.mark.parametrize("make", PASSES)
def test_every_pass_finds_the_same_in_the_examples_of_all_rules(make: object) -> None:
    shuffled = random.Random(3).sample(EXAMPLES, len(EXAMPLES))
    text = " é ".join(EXAMPLES + shuffled)
    found = list(Literals(LITERALS, make).find(text))  # type: ignore[arg-type]  # parametrized
    assert len(text) > WINDOW / 4
    assert found
    assert found == list(Literals(LITERALS).find(text))


@pytest.mark.parametrize("make", PASSES)
@given(st.text(alphabet="ab0é✓\0-", max_size=40))
def test_every_pass_finds_what_stands_there(make: object, text: str) -> None:
    literals = ["a", "ab", "b0", "0-0", "aba", "-", "00", "\na"]
    assert list(Literals(literals, make).find(text)) == naive(literals, text)  # type: ignore[arg-type]  # parametrized


@pytest.mark.parametrize("make", [None, *PASSES])
def test_a_literal_at_the_border_of_two_windows_is_found_once(make: object) -> None:
    literals = ["needle", "dl"]
    for start in range(WINDOW - 8, WINDOW + 2):
        text = "x" * start + "needle" + "é" * WINDOW
        found = list(Literals(literals, make).find(text))  # type: ignore[arg-type]  # parametrized
        assert found == [(start, 0), (start + 3, 1)]


def test_much_text_is_given_to_hyperscan(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def counted(literals: Sequence[bytes]) -> literals_module.Pass:
        made.append(len(literals))
        return hyperscan(literals)

    monkeypatch.setattr(literals_module, "MUCH", 3 * WINDOW)
    monkeypatch.setattr(literals_module, "hyperscan", counted)
    text = "needle ".ljust(WINDOW) * 2
    literals = Literals(["needle", "dl"])
    found = [list(literals.find(text)) for _ in range(3)]
    assert made == [2]
    assert found == [[(0, 0), (3, 1), (WINDOW, 0), (WINDOW + 3, 1)]] * 3


def test_digits_stand_for_each_other_and_places_are_those_of_characters() -> None:
    assert list(Literals(["00-0"]).find("✓é 12-3 \u0663\u0664-\u0665")) == [(3, 0)]


@pytest.mark.parametrize("make", [None, *PASSES])
def test_in_much_base64_the_literals_of_words_are_found_where_a_word_begins(
    make: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(literals_module, "_MUCH_BASE64", 2)
    literals = ["AK00", "token=", "key: ", "B/"]
    line = "x" * 75 + "\n"
    in_base64 = line * (2 * WINDOW // len(line))
    at = len(in_base64)
    text = f"{in_base64}xAK11{'x' * 60}token=AK22/AK33+B/8\n" + in_base64
    of_words = [(at + 1, 0), (at + 71, 0), (at + 76, 0)]
    others = [(at + 65, 1), (at + 81, 3)]
    for rest in ("", "key: AK44 xAK55"):  # what follows Base64 is looked at as ever
        behind = [(place, number) for place, number in naive(literals, rest) if place >= 0]
        behind = [(len(text) + place, number) for place, number in behind]
        found = list(Literals(literals, make).find(text + rest))  # type: ignore[arg-type]  # parametrized
        assert found == sorted((*of_words, *others, *behind))
        found = list(Literals(literals, make, {0}).find(text + rest))  # type: ignore[arg-type]  # parametrized
        assert found == sorted((*of_words[1:], *others, *behind))
