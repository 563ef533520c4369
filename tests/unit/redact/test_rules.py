"""Every rule finds its examples and nothing but the secret in them, passes its look-alikes, and costs what it must."""

from __future__ import annotations

import base64
import functools
import json
import random
import re
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from reticent_redact.rules import RULES, personal
from reticent_redact.rules.checks import is_basic, is_card, is_iban, is_password, luhn
from reticent_redact.rules.forms import begins_word
from reticent_redact.rules.rule import Rule

if hasattr(re, "_parser"):
    from re import _parser as regex_parser  # type: ignore[attr-defined]
else:  # Python 3.10
    import sre_parse as regex_parser

HITS = [pytest.param(rule, hit, id=f"{rule.id}-{n}") for rule in RULES for n, hit in enumerate(rule.hits)]
MISSES = [pytest.param(rule, miss, id=f"{rule.id}-{n}") for rule in RULES for n, miss in enumerate(rule.misses)]
EACH = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
DIGITS = str.maketrans("123456789", "000000000")


def places(rule: Rule, text: str) -> list[int]:
    """Where the rule is to be tried, as the engine finds it: digits read as 0, and a newline before the text."""
    folded = "\n" + text.translate(DIGITS)
    return [match.start() - 1 for match in literals(rule).finditer(folded)]


@functools.cache
def literals(rule: Rule) -> re.Pattern[str]:
    return re.compile(f"(?={'|'.join(re.escape(literal.translate(DIGITS)) for literal in rule.literals)})")


def spans(rule: Rule, text: str) -> Iterator[tuple[int, int]]:
    end = -1
    for at in places(rule, text):
        if at >= end and (span := rule.find(text, at)) is not None:
            yield span
            end = span[1]


@pytest.mark.parametrize(("rule", "example"), HITS)
@pytest.mark.parametrize("around", ["{}", "see {}, y", "k={}\n", '"{}"'])
def test_a_hit_wherever_it_stands(rule: Rule, example: str, around: str) -> None:
    assert list(spans(rule, around.format(example) if around != "k={}\n" else f"k={example}\n"))


PERSONAL = {rule.id for rule in personal.RULES}


@pytest.mark.parametrize(("rule", "example"), [hit for hit in HITS if hit.values[0].id not in PERSONAL])
@pytest.mark.parametrize("name", ["column_{}", "a__{}", "{}_0", "{}_left"])
def test_a_hit_in_the_name_of_a_column(rule: Rule, example: str, name: str) -> None:
    """As encoders make them: of numbers there are too many behind an underscore."""
    if example[0].isalnum() and example[-1].isalnum():
        assert list(spans(rule, name.format(example)))


@pytest.mark.parametrize(("rule", "example"), [hit for hit in HITS if begins_word(hit.values[0])])
def test_a_rule_that_begins_a_word_finds_nothing_in_one(rule: Rule, example: str) -> None:
    assert all(rule.find(f"letters{example[max(at, 0) :]}", len("letters")) is None for at in places(rule, example))


@pytest.mark.parametrize(("rule", "example"), MISSES)
def test_a_miss(rule: Rule, example: str) -> None:
    assert list(spans(rule, example)) == []
    assert list(spans(rule, f"see {example} y")) == []


@pytest.mark.parametrize(("rule", "example"), HITS)
def test_no_other_rule_takes_it(rule: Rule, example: str) -> None:
    """What an example is hidden as: of all matches that meet its own the widest, and of equal ones the first rule's."""
    (start, end), *_ = spans(rule, example)
    met = [(other.id, span) for other in RULES for span in spans(other, example) if span[0] < end and span[1] > start]
    widest = max(met, key=lambda found: found[1][1] - found[1][0])
    assert widest[0] == rule.id, met


@EACH
def test_a_rule_is_complete(rule: Rule) -> None:
    assert re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", rule.id)
    assert len(rule.id) <= 40
    assert rule.hits
    assert rule.misses
    assert rule.literals
    assert all(len(literal) >= 2 for literal in rule.literals)
    assert len(set(rule.literals)) == len(rule.literals)


def test_ids_are_unique() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)


def test_email_and_telephone_are_for_texts() -> None:
    assert {rule.id for rule in RULES if rule.only_in} == {"email", "phone-e164", "phone-us", "phone-national"}


def repetitions(pattern: Any) -> Iterator[int]:
    """The upper bounds of all repetitions in a parsed pattern."""
    for operator, argument in pattern:
        if str(operator) in {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}:
            yield int(argument[1])
            yield from repetitions(argument[2])
        elif isinstance(argument, tuple | list):
            yield from (bound for inner in flat(argument) for bound in repetitions(inner))


def flat(argument: Any) -> Iterator[Any]:
    for inner in argument:
        if isinstance(inner, regex_parser.SubPattern):
            yield inner
        elif isinstance(inner, tuple | list):
            yield from flat(inner)


@EACH
def test_every_repetition_has_a_bound(rule: Rule) -> None:
    assert all(bound <= 32768 for bound in repetitions(regex_parser.parse(rule.pattern)))


def test_the_bounds_are_seen() -> None:
    assert sorted(repetitions(regex_parser.parse("(?:a|(?=b{3}))(?<!c)(d{2,5}e*)?"))) == sorted(
        [3, 5, int(regex_parser.MAXREPEAT), 1]
    )


# Linear work. Texts in which a rule is tried at as many places as can be, and nothing is found at most of them.

UNITS = [
    "a",
    "7",
    "7 ",
    "a@",
    "://a:",
    "aB3/",
    "1.2345678901234567, ",
    "\\n",
    "A",
    "-----",
    "eyJ",
    "_eyJ",
    "_eyJaaaaaaaa",
    "00",
]


def adversaries(rule: Rule) -> list[str]:
    hit = rule.hits[0]
    ends = [rule.literals[0], f" {rule.literals[0]}", hit[:-1], f" {hit[:-1]}", f"{hit[:-1]}\n", hit[: len(hit) // 2]]
    return [*UNITS, *ends, f"{hit} "]


def seconds(rule: Rule, text: str) -> float:
    tries = places(rule, text)
    best = float("inf")
    for _ in range(3):
        start, end = time.process_time(), -1
        for at in tries:
            if at >= end and (span := rule.find(text, at)) is not None:
                end = span[1]
        best = min(best, time.process_time() - start)
    return best


@EACH
def test_the_work_is_linear(rule: Rule) -> None:
    for unit in adversaries(rule):
        if not places(rule, unit * 20):  # no literal in it, no work
            continue
        n = 2_000

        def make(size: int, unit: str = unit) -> str:
            return unit * (size // len(unit) + 1)

        while (once := seconds(rule, make(n))) < 0.001 and n < 50_000:  # long enough for the clock's grain
            n *= 2
        # Twice the text is twice the work, and four times if it were quadratic; tried again, against noise.
        assert once < 0.001 or any(seconds(rule, make(2 * n)) < 2.6 * seconds(rule, make(n)) for _ in range(20)), unit
        assert once / n < 20e-6, unit


def ordinary() -> dict[str, str]:
    """Text as training writes it, of each kind 100,000 characters or more."""
    rnd = random.Random(7)
    log = "".join(
        f"2026-11-23 12:{n % 60:02}:01,{rnd.randrange(1000):03} INFO trainer step={n} loss={rnd.random():.4f} "
        f"lr=3.0e-04 tokens/s={rnd.randrange(99999)} path=runs/exp_42/ckpt/step_{n}/model.safetensors\n"
        for n in range(800)
    )
    floats = json.dumps([rnd.gauss(0, 1) for _ in range(6000)])
    data = base64.b64encode(rnd.randbytes(120_000)).decode()
    ids = "".join(
        f"{rnd.randbytes(20).hex()} sha256:{rnd.randbytes(32).hex()} run={rnd.randrange(10**9)} "
        f"id={uuid.UUID(bytes=rnd.randbytes(16))}\n"
        for _ in range(900)
    )
    words = re.findall(
        r"\S+",
        "the model mask_task class_path test_score pattern patience data final global attention_mask key_states return "
        "def forward self hidden_size config layers loss optimizer step batch logits labels import torch numpy",
    )
    code = "".join(f"{' '.join(rnd.choices(words, k=9))}\n" for _ in range(1200))
    dump = "".join(f"{n:08x}  {rnd.randbytes(16).hex(' ')}  |................|\n" for n in range(1600))
    zeros = base64.b64encode(b"".join(rnd.randrange(256).to_bytes(8, "little") for _ in range(12_000))).decode()
    return {"log": log, "floats": floats, "base64": data, "ids": ids, "code": code, "dump": dump, "zeros": zeros}


@pytest.mark.parametrize("kind", ["log", "floats", "base64", "ids", "code", "dump", "zeros"])
def test_ordinary_text_has_few_literals_and_no_secrets(kind: str) -> None:
    text = ordinary()[kind]
    tried: dict[str, int] = {}
    for rule in RULES:
        tried[rule.id] = len(places(rule, text))
        assert list(spans(rule, text)) == [] or rule.only_in, rule.id
    assert {rule_id: len(text) // count for rule_id, count in tried.items() if count * 500 > len(text)} == {}


@pytest.mark.parametrize(
    "text",
    [
        "s3://bucket/key/part-00000-of-00010.parquet",
        "meta-llama/Llama-3.1-8B-Instruct",
        "task-3f9a0c7e5b1d82463f9a0c7e5b1d8246",
        "sha256:" + "3f9a0c7e5b1d8246" * 4,
        "3f9a0c7e-5b1d-4246-8f3a-9c0e7d5b1a24",
        "0.12345678901234567",
        "1732362001123456789",
        "<|endoftext|> <|im_start|> [SEP] \u0120the \u2581of",
        r"\frac{1}{\sqrt{2\pi}} e^{-\frac{x^2}{2}} costs $1$ and $6$",
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
        "hf_hub_download_with_progress_and_retries",
        "model.layers.12.self_attn.q_proj.weight",
        "https://huggingface.co/org/model/resolve/main/config.json?download=true",
        "slurm job 40112233 on gpu[01-04,07]",
        "2026-11-23T12:00:01.123456+00:00",
        "tensor([[ 4.1111e+03, -1.1111e-05]], device='cuda:0')",
        "ModuleNotFoundError: No module named 'sk-learn'",
    ],
)
def test_what_is_in_every_training_log_stays(text: str) -> None:
    assert [(rule.id, text[slice(*span)]) for rule in RULES for span in spans(rule, text)] == []


Check = Callable[[str], bool]


@pytest.mark.parametrize(
    ("check", "right", "wrong"),
    [
        (luhn, "79927398713", "79927398710"),
        (is_card, "4111 1111 " + "1111 1111", "9111 1111 1111 1111"),
        (is_card, "3782-822463-" + "10005", "0000 0000 0000 0000"),
        (is_iban, "GB82" + "WEST12345698765432", "GB82" + "WEST12345698765433"),
        (is_basic, base64.b64encode("ü:ß".encode()).decode(), base64.b64encode(b"a:\x00").decode()),
        (is_password, "hunter2", "${PASSWORD}"),
        (is_password, "$ecret!", "<your password>"),
    ],
)
def test_checks(check: Check, right: str, wrong: str) -> None:
    assert check(right)
    assert not check(wrong)


def test_only_the_secret_goes() -> None:
    by_id = {rule.id: rule for rule in RULES}

    def found(rule_id: str, text: str) -> list[str]:
        return [text[slice(*span)] for span in spans(by_id[rule_id], text)]

    assert found("url-password", "https://user:pw@host/x") == ["pw"]
    assert found("url-password", "see a://b:c@d and e://f:g@h,i://j") == ["c", "g"]
    assert found("bearer-token", "Authorization: Bearer a1B2c3D4a1B2c3D4 x") == ["a1B2c3D4a1B2c3D4"]
    assert found("card-number-grouped", "pay 4111 " + "1111 1111 1111 12/29") == ["4111 " + "1111 1111 1111"]
    assert found("iban", "to BE68 " + "5390 0754 7034 EUR 5") == ["BE68 " + "5390 0754 7034"]
    assert found("email", "<jane@example.com>") == ["jane@example.com"]
    assert found("telegram-bot-token", "/bot12345678:AA" + "k7Qz2LmX9rT" * 3 + "/x") == [
        "12345678:AA" + "k7Qz2LmX9rT" * 3
    ]
    assert found("kubernetes-secret-data-first", "data:\n  a: c2VjcmV0\nkind: Secret\n") == ["  a: c2VjcmV0"]
    assert found("curl-password", "curl -s -u me:hunter2 https://h") == ["hunter2"]


def test_a_private_key_goes_to_its_end_and_no_further() -> None:
    (rule,) = (rule for rule in RULES if rule.id == "pem-private-key")
    begin, end = "-----BEGIN " + "EC PRIVATE KEY-----", "-----END " + "EC PRIVATE KEY-----"
    text = f"a\n{begin}\nMHcCAQEEIKtLnQ0cAbCd\n{end}\nb"
    assert [text[slice(*span)] for span in spans(rule, text)] == [f"{begin}\nMHcCAQEEIKtLnQ0cAbCd\n{end}"]
    text = f'"{begin}\\n"\n"MHcCAQEEIKtLnQ0cAbCd\\n"\n"{end}" and'
    assert [text[slice(*span)] for span in spans(rule, text)] == [text[1:-5]]
    text = f"{begin}\nMHcCAQEEIKtLnQ0cAbCd\n{end}{begin}\nMHcCAQEEIKtLnQ0cAbCd\n{end}"  # nothing between the two
    assert len(list(spans(rule, text))) == 2
