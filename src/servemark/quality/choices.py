"""The choice that an answer makes: is it offered, is it the right one?"""

from __future__ import annotations

import re
from collections.abc import Mapping

from servemark.domain.exchange import Exchange
from servemark.quality import grades, texts
from servemark.quality.claims import Claim, claims_of, offered_label, option_of_text, plain
from servemark.quality.mentions import named_labels, short_choice
from servemark.quality.refusals import refusing_sentence
from servemark.quality.rulings import NOT_APPLICABLE, PASSED, Ruling, defect, not_applicable
from servemark.quality.wordings import NO_CHOICE

COMPLETE = frozenset({"stop", "end_turn", "eos", "eos_token", "stop_sequence", "completed"})
"""Finish reasons of an answer that had room for its choice."""

_ANSWER_X = r"\b(?:answer|jawapan|jawaban)\s*:\s*[`\"'<(\[]*(?:X|huruf|letter|label|the letter)\b"
_ASKS_FOR_LINE = re.compile(_ANSWER_X, re.I)
"""The prompt wants a line with a label, of an explanation too."""
_ASKS_FOR_LABEL = re.compile(
    rf"{_ANSWER_X}|\b(?:the|one|a"
    r"|its|single) letter (?:of|only)\b"
    r"|\bwith (?:only |just )?(?:the|a|one|its|your)? ?(?:single |correct )*letter\b|\bhuruf (?:pilihan"
    r"|jawapan|jawaban|sahaja|saja|yang)\b"
    r"|\b(?:dengan|satu|hanya) (?:satu )?huruf\b|\bA, B, C,?(?: D,?)* (?:or|atau) [D-H]\b",
    re.I,
)
"""The prompt wants a label to be named."""
STEM = 5
"""Signs by which a longer word is known in any of its forms."""
_UNDECIDED = re.compile(
    r"\bn/a\b|\b(?:both|baik) (?:option |pilihan )?\(?\w\)? (?:and|dan|maupun|mahupun) \(?\w\b"
    r"|\b(?:not sure|unsure|undecided|torn between|no idea|(?:don't|don’t|do not) know"
    r"|hard to (?:say|tell|choose|decide)"
    r"|(?:cannot|can't|can’t|could not|couldn't|unable to) (?:decide|determine|choose|tell|say|pick)"
    r"|(?:tidak|kurang|tak) (?:pasti|yakin|tahu|tau)|sukar (?:untuk )?(?:di)?(?:tentukan|pastikan|pilih|kata\w*)"
    r"|(?:sulit|susah) (?:untuk )?(?:di)?(?:tentukan|pastikan|pilih)|bingung|ragu(?:-ragu)?"
    r"|(?:tidak|tak) (?:dapat|boleh|bisa) (?:me)?(?:nentukan|mastikan|milih|mutuskan|tentukan|pastikan|pilih))\b",
    re.I,
)
_IT_IS = r"(?:it (?:is|was|must be)|it['’]s|(?:ia|itu)?(?:lah)? ?(?:ialah|adalah|merupakan)) "
_BECAUSE = r"\b(?:because|since|kerana|karena|sebab)\b"
SHORT_WORDS = 12
"""A longer answer may mention a wrong option without choosing it."""


def spoken(exchange: Exchange) -> str:
    """The text that must hold the choice: the answer, else the reasons; without a model's thoughts in tags."""
    text = exchange.answer if exchange.answer is not None else exchange.reasoning or ""
    return texts.without_thoughts(text).strip()


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
    opening = opening_option(bare, options)
    label = opening or option_of_text(bare, options)
    named = named_labels(bare, options)
    if label is not None and label != opening and NO_CHOICE.search(_without(bare, options[label])):
        return None
    if label is None or named - {label}:
        return short_choice(bare, options) if label is None and len(named) == 1 else None
    return None if label is None else Claim(label, True, "text", 0, len(bare), bare)


def _without(text: str, option: str) -> str:
    return re.sub(re.escape(option.strip(" .")), " ", text, flags=re.I)


def opening_option(text: str, options: Mapping[str, str]) -> str | None:
    """The option whose text is the first sentence or line: `Melaka. Albuquerque took its port in 1511.`"""
    fits = [
        label
        for label, said in options.items()
        if len(bare := said.strip(" .")) > 0
        and re.match(
            rf"[\W_]*(?:{_IT_IS})?{re.escape(bare)}\s*(?:[.,;:!\n)\"*–—]|-\s|$|{_BECAUSE})(?!\d)",
            text,
            re.I,
        )
    ]
    return max(fits, key=lambda label: len(options[label]), default=None)


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


def _holds(text: str, option: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(option.strip(' .'))}(?!\w)", text, re.I) is not None


def _speaks_of(text: str, option: str) -> bool:
    """Whether a text holds an option, or half of its longer words in some form."""
    if _holds(text, option):
        return True
    stems = {word[:STEM] for word in texts.words(option) if len(word) >= STEM}
    said = {word[:STEM] for word in texts.words(text)}
    return bool(stems) and len(stems & said) >= max(1, len(stems) / 2)


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
    long = len(text.split()) > SHORT_WORDS and opening_option(plain(text).strip(), exchange.options) is None
    if claim is not None and not (claim.kind == "text" and label_asked and long):
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
        or (exchange.eval_type == "teaching" and not _ASKS_FOR_LINE.search(texts.prompt(exchange)))
        or exchange.error
        or (exchange.finish_reason or "stop").lower() not in COMPLETE
    ):
        return NOT_APPLICABLE
    if refusing_sentence(text):
        return not_applicable("a refusal makes no choice")
    told = [words for words in exchange.options.values() if words and _holds(text, words)]
    by_line = _ASKS_FOR_LINE.search(texts.prompt(exchange)) is not None
    taught = exchange.eval_type == "teaching" and exchange.options.get(key_label(exchange) or "") in told
    one = len(told) == 1 and (exchange.eval_type == "teaching" or not by_line)
    if label_asked and (one or taught) and not _UNDECIDED.search(text):
        return not_applicable(f"no label; names the option {', '.join(told)}")
    named = named_labels(text, exchange.options) | {
        label
        for label, words in exchange.options.items()
        if words and not label_asked and _speaks_of(text, words)
    }
    if named and not _UNDECIDED.search(text):
        return not_applicable(f"no choice that can be read; names the options {', '.join(sorted(named))}")
    return defect("invalid_choice", "major", excerpt=text, detail=f"no choice made; offered: {offered}")
