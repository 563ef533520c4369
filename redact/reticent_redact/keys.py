"""The literals that stand where a secret key may: the words of secret keys, in the ways that they are written.

A word that only may name a secret (`token`) is everywhere in the text of machine learning, so it counts together with what
makes it a key: `token=`, `token": "`. After a quoted key comes a quoted value, a container or none of interest:
`"pad_token": 7` is passed over by the first look.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product

from reticent_redact import vocabulary
from reticent_redact.heads import IN_TWO

_AFTER_BARE = ("=", ":", " =", " :", "  ", "\t", " := ", ">", " =>", "]")
_AFTER_QUOTED = (
    "{q}: {v}",
    "{q}:{v}",
    "{q} : {v}",
    "{q} :{v}",
    "{q}, {v}",
    "{q},{v}",
    "{q}] ",
    "{q}]=",
    "{q} =",
    "{q}=",
    "{q}: b",
    "{q}: f",
    "{q}: r",
    "{q}: u",
    "{q} v",
    "{q}:\n",
    "{q}:  ",
    "{q})",
    "{q}: [",
    "{q}:[",
    "{q}: {{",
    "{q}:{{",
)


@lru_cache(maxsize=8)
def key_literals(more: tuple[str, ...] = ()) -> frozenset[str]:
    """What stands where a secret key may; `more` is what a policy's keys contain."""
    found: dict[str, None] = {case: None for word in more for case in _cases(word)}
    for sequence in vocabulary.SECRET:
        for joined in {"".join(sequence), "_".join(sequence), "-".join(sequence), ".".join(sequence)}:
            found.update(dict.fromkeys(_cases(joined)))
        found["".join((sequence[0], *(word.capitalize() for word in sequence[1:])))] = None
        found["".join(word.capitalize() for word in sequence)] = None
        if IN_TWO.fullmatch(sequence[-1]):
            spaced = " ".join(sequence)
            found.update(
                dict.fromkeys((*_cases(spaced), spaced.title(), spaced.replace("api", "API").replace("ssh", "SSH")))
            )
    found.update(dict.fromkeys(("APIkey", "APIKey", "API Key", "PASSword", "passWORD", "pASSWORD")))
    found.update(dict.fromkeys(end for word in ("sword", "asswd", "ecret", "i_key") for end in _odd_cases(word)))
    found.update(dict.fromkeys(f"{begin}word" for begin in _odd_cases("pass")))
    for word in vocabulary.MAYBE:
        for case in _cases(word):
            found.update(dict.fromkeys(case + tail for tail in _AFTER_BARE))
            for quote in ('"', "'", '\\"'):
                tails = (tail.format(q=quote, v=quote) for tail in _AFTER_QUOTED)
                found.update(dict.fromkeys(case + tail for tail in tails))
    return frozenset(found)


def _cases(word: str) -> tuple[str, str, str]:
    return word.lower(), word.upper(), word.capitalize()


def _odd_cases(word: str) -> set[str]:
    """A word with capitals and small letters in every order, but for those in which it is usually written."""
    cases = {"".join(letters) for letters in product(*((letter, letter.upper()) for letter in word))}
    return cases - set(_cases(word))
