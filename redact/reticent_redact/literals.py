"""Where any of many fixed texts stands in a long one: the first pass over everything that is scanned.

Passes behind one function, the fastest that is installed: Aho-Corasick (`ahocorasick_rs`), two bytes at a time with numpy,
and the standard library; of very much text Hyperscan. All find the same. A text is looked at as Latin-1, so that a byte's
place is a character's place (literals are ASCII), and with every digit read as `0`, so that `000-00-0000` stands for any
digits.
"""

from __future__ import annotations

import atexit
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from functools import cache
from types import FrameType
from typing import TypeAlias

from reticent_redact.signals import from_handler

Hit: TypeAlias = tuple[int, int]
"""Where a literal begins in the text, and which one it is."""

Pass: TypeAlias = Callable[[bytes], Iterable[Hit]]

WINDOW = 64 * 1024
"""Characters looked at together: what is made of them on the way stays in the processor's cache."""

MUCH = 64 * 1024 * 1024
"""Characters in long texts, after which the second or two that Hyperscan needs to be made are worth it."""

_FOLD = bytes(ord("0") if chr(byte).isdigit() and byte < 128 else byte for byte in range(256))

_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\r\n"
_FOLD_BASE64 = bytes(folded if byte in _BASE64 else 0 for byte, folded in enumerate(_FOLD))
"""The same for Base64; every character that has no place there becomes a zero."""
_LIKE_BASE64 = re.compile(r"[A-Za-z0-9+/=\r\n]{1024}")
_MUCH_BASE64 = 16
"""Windows of Base64, after which a pass of its own for it, of 20 ms, is worth it."""
_IN_WORD = frozenset(_BASE64) - frozenset(b"+/=\r\n")
_LONGEST_ESCAPE = 6
"""Characters before a literal that tell whether it begins a word: `\\u0041` may be no part of the word behind it."""


def fold(text: str) -> bytes:
    """The text as the literals are looked for in it; one byte for each character."""
    return text.encode("latin-1", "replace").translate(_FOLD)


class Literals:
    """Finds `literals` each by its number. `make_pass` makes what finds them in bytes.

    Those whose numbers are `of_words` count where a word begins: in long Base64 they are passed over elsewhere.
    """

    def __init__(
        self,
        literals: Iterable[str],
        make_pass: Callable[[Sequence[bytes]], Pass] | None = None,
        of_words: Set[int] = frozenset(),
    ) -> None:
        self._texts = tuple(literals)
        self._of_words = of_words
        self._literals = [fold(text) for text in self._texts]
        self._overlap = max(map(len, self._literals), default=1) - 1
        self._make_pass = make_pass
        self._find = (make_pass or _quickly_made)(self._literals)
        self._find_in_base64: Callable[[bytes], list[Hit]] | None = None
        self._until_base64 = _MUCH_BASE64
        self._is_small = make_pass is None
        self._is_fastest = False
        self._until_much = MUCH

    def with_more(self, texts: Iterable[str]) -> Literals:
        """These literals, and after them others; for long texts."""
        return Literals([*self._texts, *texts], self._make_pass or fastest, self._of_words)

    def find(self, text: str) -> Iterator[Hit]:
        """Every place where a literal stands, in order of the places; also where they overlap.

        As if a newline stood before the text: a literal that begins with one also stands at -1.
        """
        if len(text) < WINDOW:
            return iter([(at - 1, number) for at, number in sorted(self._find(fold(f"\n{text}")))])
        if self._is_small:  # the pass that is fastest takes a few ms to make
            self._find, self._is_small = (self._make_pass or fastest)(self._literals), False
        if self._make_pass is None and self._until_much > 0:
            self._until_much -= len(text)
            if self._until_much <= 0:
                try:
                    self._find, self._is_fastest = hyperscan(self._literals), True
                except Exception as error:  # not installed, or not for this processor: the pass that there is will do
                    if from_handler(error):
                        raise
        return self._in_windows(text)

    def _in_windows(self, text: str) -> Iterator[Hit]:
        for start in range(-1, len(text), WINDOW):
            end = start + WINDOW + self._overlap
            window = text[start:end] if start >= 0 else f"\n{text[:end]}"
            hits = None if self._is_fastest else self._in_base64(window)
            for at, number in sorted(self._find(fold(window)) if hits is None else hits):
                if at < WINDOW:
                    yield start + at, number

    def _in_base64(self, window: str) -> list[Hit] | None:
        """What is found in a window if it is Base64 and nothing else: there, few literals can stand and no escapes."""
        if not _LIKE_BASE64.match(window):
            return None
        self._until_base64 -= 1
        if self._until_base64 > 0:
            return None
        folded = window.encode("latin-1", "replace").translate(_FOLD_BASE64)
        if b"\0" in folded:
            return None
        if self._find_in_base64 is None:
            self._find_in_base64 = self._only_in_base64()
        return self._find_in_base64(folded)

    def _only_in_base64(self) -> Callable[[bytes], list[Hit]]:
        numbers = [number for number, literal in enumerate(self._literals) if set(literal).issubset(_BASE64)]
        begins = [number in self._of_words for number in numbers]
        find = (self._make_pass or fastest)([self._literals[number] for number in numbers])
        return lambda text: [
            (at, numbers[number])
            for at, number in find(text)
            if not begins[number] or at < _LONGEST_ESCAPE or text[at - 1] not in _IN_WORD
        ]


def fastest(literals: Sequence[bytes]) -> Pass:
    """The fastest pass over long texts that is installed."""
    for make in (aho_corasick, bigrams):
        try:
            return make(literals)
        except ImportError:
            continue
    return plain(literals)


def _quickly_made(literals: Sequence[bytes]) -> Pass:
    """A pass for short texts, made in less than a millisecond."""
    try:
        from ahocorasick_rs import BytesAhoCorasick
    except ImportError:
        return plain(literals)
    return _by_automaton(BytesAhoCorasick(list(literals)), literals)


def aho_corasick(literals: Sequence[bytes]) -> Pass:
    """One automaton for all literals. ImportError if `ahocorasick_rs` is not installed."""
    from ahocorasick_rs import BytesAhoCorasick, Implementation

    return _by_automaton(BytesAhoCorasick(list(literals), implementation=Implementation.DFA), literals)


def _by_automaton(automaton: object, literals: Sequence[bytes]) -> Pass:
    find = automaton.find_matches_as_indexes  # type: ignore[attr-defined]  # a compiled class without annotations

    at_the_end = cache(lambda: plain(literals))

    def search(text: bytes) -> Iterable[Hit]:
        if _is_ending:
            return at_the_end()(text)
        return [(start, number) for number, start, _ in find(text, overlapping=True)]

    return search


_is_ending = False
_END_S = 1.0


def _end() -> None:
    """At the end of the process: what is compiled lets go of the interpreter while it searches, and aborts the process if
    it comes back when that is gone (before Python 3.14). From now on it is not used; searches under way are waited for,
    which take milliseconds."""
    global _is_ending
    _is_ending = True
    deadline = time.monotonic() + _END_S
    under_way = _under_way()
    while under_way & _under_way() and time.monotonic() < deadline:
        time.sleep(0.001)


def _under_way() -> set[tuple[int, FrameType]]:
    """The other threads that are at a search, and the frame in which each began it."""
    found = set()
    for thread, frame in sys._current_frames().items():
        if thread != threading.get_ident() and frame.f_code.co_filename == __file__:
            while frame.f_back is not None and frame.f_back.f_code.co_filename == __file__:
                frame = frame.f_back
            found.add((thread, frame))
    return found


if all(thread.daemon or not thread.is_alive() for thread in threading.enumerate()):
    _end()  # the process ends already, and a thread that it does not wait for has imported this
else:
    atexit.register(_end)


def hyperscan(literals: Sequence[bytes]) -> Pass:
    """Hyperscan, an extra, takes up to two seconds to be made and is three times as fast then. ImportError if it is not
    installed."""
    import hyperscan

    lengths = [len(literal) for literal in literals]
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(expressions=list(literals), ids=list(range(len(literals))), elements=len(literals), literal=True)
    ours = threading.local()  # its working memory is for one thread at a time
    at_the_end = cache(lambda: plain(literals))

    def find(text: bytes) -> Iterable[Hit]:
        if _is_ending:
            return at_the_end()(text)
        if not hasattr(ours, "scratch"):
            ours.scratch = hyperscan.Scratch(database)
        found: list[Hit] = []

        def hit(number: int, _start: int, end: int, _flags: int, _context: object) -> None:
            found.append((end - lengths[number], number))

        database.scan(text, match_event_handler=hit, scratch=ours.scratch)
        return found

    return find


def bigrams(literals: Sequence[bytes]) -> Pass:
    """A table of the rarest pair of bytes in each literal, looked up for the whole text at once. ImportError without
    numpy."""
    import numpy

    by_pair = _by_rarest_pair(literals)
    stands = numpy.zeros(1 << 16, dtype=bool)
    for first, second in by_pair:
        stands[first << 8 | second] = True

    def find(text: bytes) -> list[Hit]:
        text += b"\0"  # the last character is one of a pair as well
        codes = numpy.frombuffer(text, dtype=numpy.uint8).astype(numpy.uint16)
        places = numpy.flatnonzero(stands[codes[:-1] << 8 | codes[1:]]).tolist()
        return _confirmed(text, places, by_pair)

    return find


def plain(literals: Sequence[bytes]) -> Pass:
    """One regular expression for the rarest pair of bytes in each literal."""
    by_pair = _by_rarest_pair(literals)
    seconds: dict[int, list[int]] = {}
    for first, second in by_pair:
        seconds.setdefault(first, []).append(second)
    pattern = b"|".join(
        re.escape(bytes([first])) + b"(?=[" + b"".join(b"\\x%02x" % second for second in sorted(following)) + b"])"
        for first, following in sorted(seconds.items())
    )
    pairs = re.compile(pattern, re.DOTALL)

    def find(text: bytes) -> list[Hit]:
        text += b"\0"
        return _confirmed(text, (match.start() for match in pairs.finditer(text)), by_pair)

    return find


_COMMON = b" etaoinsrhld0cumfpgwybv_-./,:\"'=kxjqz"
"""The characters of ordinary text, the most common first; all others are rarer."""

_COST = [len(_COMMON) - _COMMON.index(byte) if byte in _COMMON else 0 for byte in range(256)]

_ByPair: TypeAlias = dict[tuple[int, int], list[tuple[int, int, bytes]]]
"""For a pair of bytes: the literals that are looked for by it, each with its number and where in it the pair stands."""


def _by_rarest_pair(literals: Sequence[bytes]) -> _ByPair:
    by_pair: _ByPair = {}
    for number, literal in enumerate(literals):
        if len(literal) == 1:
            for second in range(256):
                by_pair.setdefault((literal[0], second), []).append((number, 0, literal))
            continue
        place = min(range(len(literal) - 1), key=lambda at: _COST[literal[at]] + _COST[literal[at + 1]])
        by_pair.setdefault((literal[place], literal[place + 1]), []).append((number, place, literal))
    return by_pair


def _confirmed(text: bytes, places: Iterable[int], by_pair: _ByPair) -> list[Hit]:
    return [
        (at - offset, number)
        for at in places
        for number, offset, literal in by_pair[text[at], text[at + 1]]
        if at >= offset and text.startswith(literal, at - offset)
    ]
