"""Is the answer in the language that was asked for?

Sentence by sentence: a sentence counts as wrong only if the rest of it is wrong too once names, options and what it
repeats from the prompt are taken away. Malay and Indonesian are one group for the verdict; which of the two it is
becomes a note.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from servemark.domain.exchange import Exchange
from servemark.quality import texts
from servemark.quality.claims import without_answer_lines
from servemark.quality.prose import (
    prose_of,
    runs_of,
    sentences_of,
    without_names,
    without_quotations,
    without_runs,
    words_of,
)
from servemark.quality.rulings import NOT_APPLICABLE, Ruling, defect, passed
from servemark.quality.second_opinion import second_opinion
from servemark.quality.tongues import (
    CORE,
    FUNCTION_WORDS,
    LANGUAGES,
    MALAYIC,
    SCRIPTS,
    WIDE,
    group_of,
    language_code,
    language_name,
    language_of_script,
    likely_languages,
    script_letters,
)

ENOUGH_WORDS, ENOUGH_LETTERS, FEWEST_LETTERS = 3, 20, 12
"""A sentence of fewer words and letters is not judged: every detector misreads `Answer: B`."""
FOREIGN, FOREIGN_LETTERS = 0.01, 40
"""Languages besides English, Malay, Indonesian and the expected one count only in sentences of so many letters, and
only where they leave the expected one a lower probability than this."""
NOUNS_IN_CAPITALS = frozenset({"de"})
LIKELY = 0.5
UNLIKELY = 0.1
"""Probability of the expected group above which a sentence is right, and below which it is wrong."""
WRONG_SHARE, WRONG_LETTERS = 0.3, 15
"""Share of the judged letters in another language from which on, and number of them from which on, the
answer is wrong; less becomes a note."""
QUOTED_RUN_WORDS = 4
"""So many words in a row that stand in the prompt are a quotation."""
FREE_WORDS = 5
"""So many Malay words need no function word to be a sentence; English ones always do."""
SPLIT_WORDS = 10
"""A sentence of so many words that is neither clearly right nor clearly wrong is judged in halves."""
MALAYIC_GAP, SECOND_GAP = 0.6, 0.95
"""Differences of the probabilities of Malay and Indonesian, over all prose, from which on a note names the other: by
py3langid alone, and by lingua where py3langid leans the same way. Of 1,000 texts of 2 to 5 sentences the first names
453 rightly and 1 wrongly; with lingua about six in ten are named, about 2 % wrongly."""
MALAYIC_LETTERS = 60


class Part(NamedTuple):
    """One judged stretch of prose."""

    text: str
    letters: int
    wrong: bool
    reads_as: str
    """Code of the language it is taken for."""


def wrong_language(exchange: Exchange) -> Ruling:
    """Whether the answer is in `expected_language`, or in the one that the prompt plainly demands.

    Applies where one of them is known and what the user is shown holds prose.
    """
    expected = exchange.expected_language or demanded_language(exchange)
    if expected not in LANGUAGES:
        return NOT_APPLICABLE
    quoted = runs_of("\n".join([texts.prompt(exchange), *exchange.options.values()]), QUOTED_RUN_WORDS)
    text = texts.without_thoughts(texts.shown(exchange))
    parts = list(judged_parts(text, expected, exchange.options, quoted))
    return _ruling(parts, expected) if parts else NOT_APPLICABLE


def _ruling(parts: list[Part], expected: str) -> Ruling:
    judged = sum(part.letters for part in parts)
    wrong = [part for part in parts if part.wrong]
    letters = sum(part.letters for part in wrong)
    if not wrong:
        note = _malayic_note(" ".join(part.text for part in parts), expected)
        return passed(*note)
    longest = max(wrong, key=lambda part: part.letters)
    detail = (
        f"{language_name(expected)} expected, {letters / judged:.0%} of {judged} letters of prose read as "
        f"{language_name(longest.reads_as)}"
    )
    if letters / judged >= WRONG_SHARE and letters >= WRONG_LETTERS:
        return defect("wrong_language", "major", excerpt=longest.text, detail=detail)
    return passed(f"{detail}: {longest.text}")


def judged_parts(
    text: str, expected: str, options: dict[str, str], quoted: frozenset[tuple[str, ...]]
) -> Iterator[Part]:
    """The sentences of a text that are long enough to be judged, each right or wrong; undecided ones are left out."""
    prose = without_answer_lines(prose_of(text), options)
    undecided: list[str] = []
    found = False
    for sentence in sentences_of(prose):
        for part in _judged(sentence, expected, options, quoted):
            if part is None:
                undecided.append(sentence)
            else:
                found = True
                yield part
    # many short lines may decide together what none decides alone
    if not found and len(undecided) > 1:
        for part in _judged(" ".join(undecided), expected, options, quoted, free=False):
            if part is not None:
                yield part


def _judged(
    sentence: str,
    expected: str,
    options: dict[str, str],
    quoted: frozenset[tuple[str, ...]],
    *,
    free: bool = True,
) -> list[Part | None]:
    own = _without_options(sentence, options)
    likely, _, letters = _share(own, expected)
    if likely >= LIKELY:
        return [Part(sentence, letters, False, expected)]
    words = own.split()
    if likely > UNLIKELY and len(words) >= SPLIT_WORDS:
        half = len(words) // 2
        halves = (" ".join(words[:half]), " ".join(words[half:]))
        return [part for each in halves for part in _judged(each, expected, options, quoted)]
    own = without_runs(own, quoted, QUOTED_RUN_WORDS) if quoted else own
    if expected not in NOUNS_IN_CAPITALS:
        own = without_names(own)
    likely, reads_as, _ = _share(own, expected)
    few = len({word.casefold() for word in own.split()}) < ENOUGH_WORDS <= len(own.split())
    if not few and 0 <= likely <= UNLIKELY and _is_a_sentence_of(reads_as, own, expected, free):
        return [Part(sentence, letters, True, reads_as)]
    return [None]


def _is_a_sentence_of(code: str, text: str, expected: str, free: bool) -> bool:
    """Whether words hold the text together as that language does: a list of loan words is no English sentence."""
    words = [word.casefold() for word in words_of(text)]
    held = {key: sum(word in known for word in words) for key, known in FUNCTION_WORDS.items()}
    held["id"] = held["ms"]
    if code not in held:
        return True
    if held.get(expected, 0) > held[code]:
        return False
    return held[code] > 0 or (free and code in MALAYIC and len(words) >= FREE_WORDS)


def _share(text: str, expected: str) -> tuple[float, str, int]:
    """Probability of the expected group (-1: too short to say), the likeliest other language, the weight of letters."""
    scripts = script_letters(text)
    letters = sum(scripts.values())
    if letters < ENOUGH_LETTERS and (letters < FEWEST_LETTERS or len(words_of(text)) < ENOUGH_WORDS):
        return -1.0, "", letters
    script = max(scripts, key=scripts.__getitem__)
    if script not in SCRIPTS[expected]:
        return 0.0, language_of_script(script), letters
    group = group_of(expected)
    likely = likely_languages(text, _rivals(expected, script))
    share = sum(p for code, p in likely.items() if code in group)
    if letters < FOREIGN_LETTERS or share > FOREIGN:
        likely = {code: p for code, p in likely.items() if code in CORE or code in group}
        share /= sum(likely.values())
    return share, next((code for code in likely if code not in group), ""), letters


@cache
def _rivals(expected: str, script: str) -> frozenset[str]:
    codes = (*CORE, *WIDE) if script == "LATIN" else LANGUAGES
    return frozenset(code for code in codes if script in SCRIPTS[code]) | {expected}


def _without_options(sentence: str, options: dict[str, str]) -> str:
    for text in options.values():
        if len(text) > 1:
            sentence = re.sub(rf"(?<!\w){re.escape(text.strip(' .'))}(?!\w)", " ", sentence, flags=re.I)
    return sentence


def _malayic_note(text: str, expected: str) -> tuple[str, ...]:
    if expected not in MALAYIC or sum(map(str.isalpha, text)) < MALAYIC_LETTERS:
        return ()
    other = "id" if expected == "ms" else "ms"
    likely = likely_languages(text, MALAYIC)
    gap = likely[other] - likely[expected]
    if gap >= MALAYIC_GAP:
        return (f"{LANGUAGES[expected]} expected; reads more like {LANGUAGES[other]}, by {gap:.2f} of 1",)
    opinion = second_opinion(text, MALAYIC) if gap > 0 else None
    if opinion and opinion[other] - opinion[expected] >= SECOND_GAP:
        return (
            f"{LANGUAGES[expected]} expected; may be {LANGUAGES[other]}, by {gap:.2f} of 1 and lingua's opinion",
        )
    return ()


_NAME = (
    r"\b(?:bahasa melayu|bahasa malaysia|bahasa inggeris|bahasa inggris|bahasa indonesia|bahasa arab|bahasa tamil"
    r"|bahasa cina|english|malay|indonesian|malaysian|french|german|spanish|italian|portuguese|dutch|russian|chinese"
    r"|mandarin|japanese|korean|arabic|tamil|hindi|thai|vietnamese|turkish|polish|filipino|tagalog|javanese)\b"
)
_NAMED = (
    rf"(?P<name>{_NAME})(?=\W*(?:$|[.,;:!?)\n]|(?:only|please|language|and|with|using|at|to|for|even|no|regardless"
    r"|sahaja|saja|dan|dengan|yang|untuk|supaya|agar|walaupun|meskipun|baku|sepenuhnya)\b))"
)
"""A language, and not `English history` or `Malay villages`."""
_DEMANDS = (
    re.compile(
        r"\b(?:reply|respond|answer|write|explain|speak|give (?:your|the) (?:answer|reply|response|explanation))\b"
        r"[\w ,]{0,40}?\bin (?:the )?(?:proper |plain |simple |standard |formal )?" + _NAMED,
        re.I,
    ),
    re.compile(
        r"\b(?:answers?|repl(?:y|ies)|responses?|explanations?)\b[\w ]{0,20}?\b(?:must|should|has to|have to|shall) "
        r"(?:always |only )?be (?:written |given |entirely |only )*in " + _NAMED,
        re.I,
    ),
    re.compile(
        r"\b(?:jawab(?:lah|kan)?|balas(?:lah)?|tulis(?:lah)?|terangkan|jelaskan|gunakan|jawapan|jawaban)\b"
        r"(?:[\w ,]{0,50}?"
        r"\b(?:(?:di)?dalam|menggunakan|dengan|gunakan|berbahasa))? " + _NAMED,
        re.I,
    ),
)
_CONDITION = re.compile(
    r"\b(?:if|when|whenever|unless|same language|either|whichever|depending|jika|kalau|apabila|bila|sekiranya|kecuali"
    r"|bahasa yang sama|mengikut bahasa|tergantung|translat\w*|terjemah\w*|not|never|jangan|bukan)\b|\bor\b|\batau\b",
    re.I,
)


def demanded_language(exchange: Exchange) -> str | None:
    """The one language that the system prompt or the last question plainly demands.

    `Reply in English` demands; `reply in Malay if the question is in Malay` does not, nor do two demands that differ.
    """
    last = next((each.content for each in reversed(exchange.messages) if each.role == "user"), "")
    found = {
        language_code(match["name"])
        for text in (exchange.system, last)
        for sentence in sentences_of(without_quotations(text))
        if _is_plain(sentence)
        for pattern in _DEMANDS
        for match in pattern.finditer(sentence)
    }
    return found.pop() if len(found) == 1 else None


def _is_plain(sentence: str) -> bool:
    """No condition, and one language only: `in Chinese and in Russian` asks for two."""
    named = {language_code(name) for name in re.findall(_NAME, sentence, re.I)}
    return not _CONDITION.search(sentence) and len(named) == 1
