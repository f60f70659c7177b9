"""Does an answer contradict the reasons that were given for it?

Only what one request returned is compared: the reasons beside the answer, or those in its own text. What counts is the
last option that the reasons argue for: weighing options, eliminating and correcting oneself is no contradiction.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from servemark.domain.exchange import Exchange
from servemark.quality import texts
from servemark.quality.choices import final_claim, key_label, spoken
from servemark.quality.claims import Claim, claims_of, plain
from servemark.quality.mentions import short_choice
from servemark.quality.rulings import NOT_APPLICABLE, PASSED, Ruling, defect

_INVERTED = re.compile(
    r"\b(?:NOT|EXCEPT|KECUALI|BUKAN|TIDAK)\b|\b(?i:(?:not|isn't|in)\s*(?:true|correct|supported|accurate|mentioned)|false"
    r"|untrue|wrong|least|kecuali|yang bukan|tidak (?:benar|betul|tepat|disebut|disokong|sesuai)|salah|palsu)\b"
)
"""A question for the wrong statement: there `A is correct` does not argue for A."""
_TURN = re.compile(
    r"(?:^|[.!?\n]\s*)(?:actually|sebenarnya)\b|\bwait(?=\s*(?:[,.!…—-]|$|no\b|a \w+[,.]))"
    r"|\b(?:hmm+|actually,|sebenarnya,|on second thoughts?|correction|scratch that|let me (?:re|double|check)\w*"
    r"|no,|rather|i was wrong|tunggu,|sekejap,|sebentar,|eh,|pembetulan|koreksi|setelah (?:saya )?(?:di)?fikir\w*|"
    r"selepas disemak|semak semula|saya silap|saya salah|maaf,)",
    re.I,
)
_NUMBERED = re.compile(r"(?im)^\W*(?:(?:question|soalan|soal|q|no\.?|nombor|nomor)\s*)?\d{1,3}\s*[.):]")
_HOWEVER = re.compile(
    r"(?:^|[.!?\n]\s*)(?:however|but|yet|although|still|namun|tetapi|akan tetapi|walau bagaimanapun|meskipun|tapi)\b",
    re.I,
)


def self_contradiction(exchange: Exchange) -> Ruling:
    """Whether the last option that the reasons argue for differs from the final choice.

    Applies where both are there: a choice, and reasons of the same request that argue for one.
    """
    text = spoken(exchange)
    if not text:
        return NOT_APPLICABLE
    options = exchange.options
    final = final_claim(text, options)
    if final is None:
        return NOT_APPLICABLE
    # to call the key correct and answer something else is no matter of how the question is turned
    inverted = _INVERTED.search(texts.question(exchange)) is not None and not (
        exchange.key
        and final.label != (key := key_label(exchange))
        and _praises(exchange.reasoning, key, options)
    )
    argued = None
    if exchange.answer is not None and exchange.reasoning:
        argued = _argued(plain(exchange.reasoning), options, inverted, final)
    if argued is None or argued.label == final.label:
        argued = _argued_beside(plain(text), options, inverted, final) or argued
    if argued is None:
        return NOT_APPLICABLE
    if argued.label == final.label:
        return PASSED
    detail = f"argues for {argued.label}, answers {final.label}"
    if exchange.eval_type == "teaching":
        detail += "; a teaching item: the key may have been given to the model"
    return defect("self_contradiction", "major", excerpt=f"{argued.words} | {final.words}", detail=detail)


def _praises(reasons: str | None, label: str | None, options: Mapping[str, str]) -> bool:
    return label is not None and any(each.label == label for each in claims_of(reasons or "", options))


def _counts(claim: Claim, inverted: bool) -> bool:
    return claim.offered and (
        claim.kind in ("line", "bare", "answer") or (claim.kind == "praise" and not inverted)
    )


def _argued(reasons: str, options: Mapping[str, str], inverted: bool, final: Claim) -> Claim | None:
    """The last option that reasons of their own argue for, unless they take it back."""
    claims = [each for each in claims_of(reasons, options) if _counts(each, inverted)]
    if not claims:
        return short_choice(reasons, options)
    last = claims[-1]
    if last.label == final.label:
        return last
    praised = {each.label for each in claims if each.kind == "praise"}
    if last.kind == "praise" and final.label in praised:
        return None
    return None if _is_taken_back(reasons[last.end :], final, options) else last


def _argued_beside(text: str, options: Mapping[str, str], inverted: bool, final: Claim) -> Claim | None:
    """The option that the prose around an explicit final choice argues for."""
    if final.kind == "answer":
        return _other_answer(text, options, final)
    if final.kind not in ("line", "bare"):
        return None
    claims = [
        each
        for each in claims_of(text, options)
        if _counts(each, inverted)
        and each.kind != "bare"
        and not (each.end > final.start and each.start < final.end)
        and each.kind != "line"
    ]
    if not claims:
        return None
    last = claims[-1]
    between = text[last.end : final.start] if last.end < final.start else text[last.end :]
    if last.label != final.label and _is_taken_back(between, final, options):
        return None
    return last


def _other_answer(text: str, options: Mapping[str, str], final: Claim) -> Claim | None:
    """Another option that the prose calls the answer before the final one, and does not take back.

    Answers to several numbered questions are none of one question.
    """
    claims = [each for each in claims_of(text, options) if each.offered and each.kind == "answer"]
    earlier = [each for each in claims if each.end <= final.start and each.label != final.label]
    if not earlier or len(_NUMBERED.findall(text)) > 1:
        return None
    return None if _is_taken_back(text[earlier[-1].end :], final, options) else earlier[-1]


def _is_taken_back(rest: str, final: Claim, options: Mapping[str, str]) -> bool:
    """Whether what follows a claim turns away from it, towards the final choice."""
    if _TURN.search(rest):
        return True
    turn = _HOWEVER.search(rest)
    if turn is None:
        return False
    after = rest[turn.start() :]
    said = options.get(final.label, "").strip(" .").casefold()
    return re.search(rf"(?<!\w){re.escape(final.label)}(?!\w)", after) is not None or bool(
        said and said in after.casefold()
    )
