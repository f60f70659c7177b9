"""Answers that turn in circles."""

from __future__ import annotations

import re
import zlib
from typing import NamedTuple

import numpy as np

from servemark.domain.exchange import Exchange
from servemark.quality.rulings import NOT_APPLICABLE, PASSED, Ruling, defect, passed, shortened
from servemark.quality.texts import asked, placed_words, question, runs, shown

ZLIB_RATIO = 3.0
ZLIB_CHARACTERS = 200
DISTINCT_RATIO = 0.3
"""Plain text compresses 1.3-1.6 fold, a loop 17 fold; both bounds must be broken, since long tables and lists break the
first (own measurement, 2026-11-20)."""
LONGEST_UNIT = 80
"""Words of the longest unit that is looked for."""
NUMBERED_WORDS = 4
VERSE_FACTOR = 2
"""In verse so many times more repeats are needed."""
_ASKED = re.compile(
    r"\b(?:repeat|write|say|print|list|ulang\w*|tulis|sebut|cetak)\b[^.?!\n]{0,80}\b(?:times|kali)\b"
    r"|\b(?:over and over|berulang-ulang)\b",
    re.IGNORECASE,
)
_VERSE = re.compile(
    r"\b(?:poems?|songs?|lyrics|chant|refrain|chorus|rhymes?|verse|sajak|pantun|puisi|lagu|lirik|syair|korus|nyanyian|zikir|mantera)\b",
    re.IGNORECASE,
)
_ONE_SIGN = re.compile(r"([^\s\-=_*#.~|+/\\<>\u2500-\u257f·•])\1{19,}")
_SIGNS = re.compile(r"([^\W\d_]\S{0,15}?|[^\W\d_])\1{14,}")
_CODE = re.compile(r"```.*?(?:```|$)", re.DOTALL)
_NUMBER = re.compile(r"\A\(?\d{1,3}[.):]\s+")
_ROW = re.compile(r"(?m)^\s*\|.*$")


class Loop(NamedTuple):
    """A stretch that says the same `period` words again and again."""

    start: int
    period: int
    length: int

    @property
    def times(self) -> float:
        return self.length / self.period


def repetition(exchange: Exchange) -> Ruling:
    """The same words over and over, at the end or anywhere."""
    text = shown(exchange)
    if not text:
        return NOT_APPLICABLE
    if _ASKED.search(question(exchange)) or _ASKED.search(exchange.system):
        return NOT_APPLICABLE
    verse = VERSE_FACTOR if _VERSE.search(question(exchange)) or _VERSE.search(exchange.system) else 1
    theirs = asked(exchange)
    for part in (_sign_loop(text, verse), _line_loop(text, verse), _word_loop(text, verse)):
        if part is not None:
            said, detail = part
            if " ".join(said.split()[:60]) in " ".join(theirs.split()):
                return passed(f"repeats as the prompt does: {shortened(said, 80)}")
            return defect("repetition", "major", excerpt=said, detail=detail)
    return _worn(text) if verse == 1 else PASSED


def _sign_loop(text: str, verse: int) -> tuple[str, str] | None:
    found = _ONE_SIGN.search(text) or _SIGNS.search(_CODE.sub(" ", text))
    if found is None or (verse > 1 and len(found[0]) < 60):
        return None
    return found[0], f"{found[1]!r} {len(found[0]) // len(found[1])} times in a row"


def _line_loop(text: str, verse: int) -> tuple[str, str] | None:
    """One line of some length many times in a row; of tables and code the only way to turn in circles."""
    lines = [_unnumbered(line.strip()) for line in text.split("\n") if line.strip()]
    count = 1
    for i in range(1, len(lines)):
        count = count + 1 if lines[i] == lines[i - 1] else 1
        line = lines[i]
        if count >= 6 * verse and (len(set(re.findall(r"\w", line))) >= 4 or count >= 20):
            total = count + len(_while_equal(lines, i))
            return "\n".join(lines[i - count + 1 : i + 1]), f"one line {total} times in a row"
    return None


def _unnumbered(line: str) -> str:
    """A long item without its number: lists of one sentence turn in circles too, while `4. True` may well recur."""
    rest = _NUMBER.sub("", line)
    return rest if len(rest.split()) >= NUMBERED_WORDS else line


def _while_equal(lines: list[str], at: int) -> list[str]:
    """The lines behind `at` that are equal to it."""
    end = at + 1
    while end < len(lines) and lines[end] == lines[at]:
        end += 1
    return lines[at + 1 : end]


def _word_loop(text: str, verse: int) -> tuple[str, str] | None:
    prose = _ROW.sub(lambda row: " " * len(row[0]), _CODE.sub(lambda code: " " * len(code[0]), text))
    said, places = placed_words(prose)
    loop = longest_loop(said)
    if loop is None or loop.times < _times_needed(loop.period) * verse:
        return None
    unit = said[loop.start : loop.start + loop.period]
    if not any(each[0].isalpha() for each in unit):
        return None
    excerpt = text[places[loop.start][0] : places[loop.start + loop.length - 1][1]]
    end = " up to the end" if loop.start + loop.length >= len(said) - 1 else ""
    return excerpt, f"{loop.period} words {loop.times:.0f} times in a row{end}"


def _times_needed(period: int) -> float:
    """Short units recur by rights ("ha ha ha", "very, very, very"); a long sentence three times in a row does not."""
    return 10 if period == 1 else 6 if period <= 3 else 4 if period <= 11 else 3


def longest_loop(said: list[str]) -> Loop | None:
    """The stretch that holds most of what its unit needs to count as a loop; None without any repeat."""
    if len(said) < 6 or len(runs(said, 4)) >= (len(said) - 3) * 0.95:
        return _short_loop(said)
    numbers: dict[str, int] = {}
    ids = np.array([numbers.setdefault(each, len(numbers)) for each in said])
    best: tuple[float, Loop] | None = None
    for period in range(1, min(LONGEST_UNIT, len(said) // 2) + 1):
        same = np.concatenate(([False], ids[period:] == ids[:-period], [False]))
        edges = np.flatnonzero(same[1:] != same[:-1])
        if not len(edges):
            continue
        lengths = edges[1::2] - edges[::2]
        i = int(np.argmax(lengths))
        loop = Loop(int(edges[2 * i]), period, int(lengths[i]) + period)
        weight = loop.times / _times_needed(period)
        if best is None or weight > best[0]:
            best = (weight, loop)
    return best[1] if best else None


def _short_loop(said: list[str]) -> Loop | None:
    """Of few words, or with next to no 4 words twice: only one word again and again is left."""
    best, start = None, 0
    for i in range(1, len(said) + 1):
        if i == len(said) or said[i] != said[start]:
            if best is None or i - start > best.length:
                best = Loop(start, 1, i - start)
            start = i
    return best


def _worn(text: str) -> Ruling:
    """No loop in a row, yet hardly anything new: short of words and easy to compress."""
    prose = _ROW.sub(" ", _CODE.sub(" ", text))
    if len(prose) <= ZLIB_CHARACTERS:
        return PASSED
    said, _ = placed_words(prose)
    grams = max(len(said) - 3, 1)
    distinct = len(runs(said, 4)) / grams
    data = prose.encode()
    ratio = len(data) / len(zlib.compress(data))
    if distinct < DISTINCT_RATIO and ratio > ZLIB_RATIO and len(said) >= 40:
        detail = f"compresses {ratio:.1f} fold, {distinct:.0%} of its runs of 4 words are new"
        return defect("repetition", "major", excerpt=prose, detail=detail)
    return PASSED
