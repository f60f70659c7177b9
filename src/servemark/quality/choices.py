"""The choice that an answer makes: is it offered, is it the right one?"""

from __future__ import annotations

import re
from collections.abc import Mapping

from servemark.domain.exchange import Exchange
from servemark.quality import grades, texts
from servemark.quality.claims import Claim, claims_of, offered_label, option_of_text, plain
from servemark.quality.refusals import refusing_sentence
from servemark.quality.rulings import NOT_APPLICABLE, PASSED, Ruling, defect, not_applicable

_THOUGHTS = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.S)
COMPLETE = frozenset({None, "stop", "end_turn", "eos", "eos_token", "stop_sequence", "completed"})
"""Finish reasons of an answer that had room for its choice."""

_ASKS_FOR_LABEL = re.compile(
    r"\b(?:answer|jawapan|jawaban)\s*:\s*[`\"'<(\[]*(?:X|huruf|letter|label|the letter)\b|\b(?:the|one|a"
    r"|its|single) letter (?:of|only)\b"
    r"|\bwith (?:only |just )?(?:the|a|one|its|your)? ?(?:single |correct )*letter\b|\bhuruf (?:pilihan"
    r"|jawapan|jawaban|sahaja|saja|yang)\b"
    r"|\b(?:dengan|satu|hanya) (?:satu )?huruf\b|\bA, B, C,?(?: D,?)* (?:or|atau) [D-H]\b",
    re.I,
)
"""The prompt wants a label to be named."""
SHORT_WORDS = 12
"""A longer answer may mention a wrong option without choosing it."""


def spoken(exchange: Exchange) -> str:
    """The text that must hold the choice: the answer, else the reasons; without a model's thoughts in tags."""
    text = exchange.answer if exchange.answer is not None else exchange.reasoning or ""
    return _THOUGHTS.sub("", text).strip()


def final_claim(text: str, options: Mapping[str, str]) -> Claim | None:
    """The choice that a text ends up with; None where it makes none.

    An answer line (the last one) outweighs a label that stands alone, that outweighs what prose calls the answer
    (the last time), and that outweighs the one option whose text is mentioned.
    """
    claims = claims_of(text, options)
    for kind in ("line", "bare", "answer", "praise"):
        fits = [claim for claim in claims if claim.kind == kind]
        if fits:
            return fits[-1]
    bare = plain(text).strip()
    label = option_of_text(bare, options)
    return None if label is None else Claim(label, True, "text", 0, len(bare), bare)


def key_label(exchange: Exchange) -> str | None:
    """The label of the right option, also where the key is its text or `B. text`; None without such an option."""
    if exchange.key is None:
        return None
    key, options = exchange.key.strip(), exchange.options
    if not options:
        return key if re.fullmatch(r"[A-Z]", key) else None
    head = re.match(r"\(?(\w{1,5})[).:]", key)
    return (
        offered_label(key, options)
        or (head and offered_label(head[1], options))
        or option_of_text(key, options)
    )


def wrong_answer(exchange: Exchange) -> Ruling:
    """Whether the answer is the key: by the chosen option, word for word, or as a number.

    Applies where there is a key and an answer that makes a choice (or gives a value); a choice that is not offered
    is `invalid_choice`.
    """
    text = spoken(exchange)
    if exchange.key is None or not text:
        return NOT_APPLICABLE
    if refusing_sentence(text) and final_claim(text, exchange.options) is None:
        return not_applicable("a refusal gives no answer")
    label = key_label(exchange)
    if label is None or exchange.format in ("exact", "number"):
        return grades.graded(exchange, text)
    claim = final_claim(text, exchange.options)
    if claim is None or not claim.offered:
        return NOT_APPLICABLE
    if claim.label == label:
        return PASSED
    if claim.kind == "text" and len(text.split()) > SHORT_WORDS:
        return not_applicable(
            f"no label; of the options only {claim.label} is mentioned, the key is {label}"
        )
    given = " (teaching item: the key may have been given)" if exchange.eval_type == "teaching" else ""
    return defect(
        "wrong_answer",
        "major",
        excerpt=claim.words,
        detail=f"chose {claim.label}, the key is {label}{given}",
    )


def invalid_choice(exchange: Exchange) -> Ruling:
    """Whether the answer chooses something that is not offered, or nothing at all.

    A refusal, an empty or a cut answer need no choice, nor does a teaching item whose prompt asks for no label.
    """
    text = spoken(exchange)
    if not exchange.options or not text or exchange.format not in ("text", "choice"):
        return NOT_APPLICABLE
    offered = ", ".join(exchange.options)
    claim = final_claim(text, exchange.options)
    label_asked = _ASKS_FOR_LABEL.search(texts.prompt(exchange)) is not None
    if claim is not None and not (claim.kind == "text" and label_asked and len(text.split()) > SHORT_WORDS):
        if claim.offered:
            return PASSED
        return defect(
            "invalid_choice",
            "major",
            excerpt=claim.words,
            detail=f"chose {claim.label}; offered: {offered}",
        )
    asked_for = exchange.eval_type == "answer" or label_asked
    if (
        exchange.format != "choice"
        or not asked_for
        or exchange.error
        or exchange.finish_reason not in COMPLETE
    ):
        return NOT_APPLICABLE
    if refusing_sentence(text):
        return not_applicable("a refusal makes no choice")
    named = [
        label
        for label, words in exchange.options.items()
        if len(words) > 1 and re.search(rf"(?<!\w){re.escape(words.strip(' .'))}(?!\w)", text, re.I)
    ]
    if named and not label_asked:
        return not_applicable(f"no label; names the options {', '.join(named)}")
    return defect("invalid_choice", "major", excerpt=text, detail=f"no choice made; offered: {offered}")
