"""Does the answer refuse to answer? In English, Malay and Indonesian, at its front, and without an answer after all."""

from __future__ import annotations

import re

from servemark.domain.exchange import Exchange
from servemark.quality.claims import claims_of, plain
from servemark.quality.prose import words_of
from servemark.quality.rulings import NOT_APPLICABLE, PASSED, Ruling, defect, passed

FRONT_CHARACTERS = 300
SUBSTANCE_WORDS = 60
"""So many words after the refusal are an answer after all, or a long apology: a note, not a defect."""

_CANNOT_EN = (
    r"(?:can ?not|can't|can’t|couldn't|could not|am (?:not able|unable)(?: to)?|'m (?:not able"
    r"|unable)(?: to)?|’m (?:not able|unable)(?: to)?|won't|won’t|will not|must decline|have to decline"
    r"|refuse|decline|am not (?:allowed|permitted|comfortable|going)|'m not (?:allowed|permitted"
    r"|comfortable|going)|’m not (?:allowed|permitted|comfortable|going))"
)
_DO_EN = (
    r"(?:help(?! \w+ing\b| but\b)|helping|assisting|answering|discussing|providing|sharing|responding"
    r"|assist|answer|comply|fulfil\w*|respond|continue|engage|participate|support|discuss|do (?:that|this|so)|"
    r"provide|give|offer|generate|create|write|complete|process|share|accommodate|proceed)"
)
_CANNOT_MS = (
    r"(?:tidak|tak|tidaklah) (?:dapat|boleh|bisa|mampu|mungkin|berupaya|akan|diizinkan|dibenarkan"
    r"|bersedia|berani)"
)
_DO_MS = (
    r"(?:me(?:mbantu|nolong|njawab|layani|lakukan|matuhi|nyediakan|mberi\w*|mbincangkan|neruskan"
    r"|lanjutkan|menuhi|nghasilkan|"
    r"nulis|nyelesaikan|respons?|nanggapi|mproses|mbuat)|bantu\w*|jawab|tolong|berbincang|buat|teruskan)"
)
_REFUSALS = tuple(
    re.compile(pattern, re.I)
    for pattern in (
        rf"\b(?:i|we)\s*(?:,? (?:really|simply|unfortunately|regret\w*"
        rf"|also),? )?{_CANNOT_EN}(?: to)?(?: \w+ly)?(?: be able to)? {_DO_EN}\b",
        r"\b(?:my|our) (?:guidelines|rules|polic\w+|instructions|programming)"
        r" (?:do not|don't|don’t|does not|won't|forbid)"
        r"|\b(?:garis panduan|dasar|pedoman|kebijakan|peraturan|aturan) (?:saya|kami)\b[^.\n]{0,20}"
        r"\b(?:tidak|melarang)\b",
        r"\bi (?:must|have to|need to|will have to|'ll have to|respectfully) (?:respectfully "
        r"|politely )?(?:decline|refuse)\b",
        rf"\b(?:i|we)(?:'d|’d| would) (?:rather|prefer) not(?: to)? {_DO_EN}\b",
        r"\b(?:i|we) (?:decline|refuse) to (?:answer|help|assist|respond|discuss)\b",
        r"\b(?:as an ai|as a language model|as an artificial)[^.\n]{0,80}\b(?:cannot|can't|can’t"
        r"|am not able|unable|not allowed|do not|don't)\b",
        r"\b(?:it (?:is|would be)|that (?:is|would be)) (?:against|not within) my (?:guidelines|policy"
        r"|policies|programming|principles)\b",
        r"\bi(?:'m| am|’m) (?:sorry|afraid)[,;.]?(?: but)?\s*(?:i|that|this)\s*(?:can'?t|can’t|cannot"
        r"|am unable|'m unable|won't|is not something)"
        rf"(?: to)?\s*(?:{_DO_EN}|i can)\b",
        r"\b(?:unable|not able) to (?:help|assist|answer|comply with|fulfil\w*|respond to) (?:you "
        r"|with )?(?:that|this|your|the)\b",
        rf"\b(?:saya|kami|aku)\s+(?:\w+ )?{_CANNOT_MS} (?:untuk )?{_DO_MS}(?:nya)?\b",
        rf"\b(?:maaf|mohon maaf|minta maaf|harap maaf)\b[^.\n]{{0,60}}?\b(?:{_CANNOT_MS}|enggan"
        rf"|menolak) (?:untuk )?{_DO_MS}\b",
        r"\b(?:saya|kami|aku) (?:terpaksa |harus |perlu |mesti |dengan hormat(?:nya)? )?(?:enggan"
        r"|menolak)(?: untuk)?\b",
        r"\bsebagai (?:sebuah )?(?:ai|model bahasa|pembantu ai|asisten ai"
        r"|kecerdasan buatan)[^.\n]{0,80}\b(?:tidak|tak)\b",
        r"\b(?:permintaan|soalan|pertanyaan) (?:ini|itu|anda|tersebut) (?:tidak dapat|tidak boleh"
        r"|tidak bisa) (?:saya )?(?:dijawab|dipenuhi|dilayan\w*|jawab|penuhi)\b",
    )
)
_UNKNOWABLE = re.compile(
    r"\b(?:texts?|passage|context|paragraph|document|article|story|extract|according to|(?:does|do"
    r"|did) (?:not|n't) (?:say|mention|state|"
    r"give|provide|contain|include|specify)|(?:doesn|don|didn)['’]t (?:say|mention|state|give|provide"
    r"|contain|include|specify)|"
    r"not (?:stated|mentioned|given|provided|specified)|(?:no|not enough|insufficient|too little"
    r"|without more|lack of) (?:further )?"
    r"(?:information|details?|data|facts)|teks|petikan|konteks|perenggan|dokumen|artikel|cerita|paragraf"
    r"|bacaan|"
    r"tidak (?:dinyatakan|disebut\w*|diberikan|menyatakan|menyebut\w*|memberikan maklumat)|"
    r"(?:tiada|tidak ada|kurang|tidak cukup|kekurangan|tanpa) (?:maklumat|informasi|data|butiran)|"
    r"(?:maklumat|informasi|data) (?:yang )?(?:\w+ )?(?:tidak|kurang))\b",
    re.I,
)
_POLICY = re.compile(
    r"\b(?:guideline|polic|harm|unsafe|illegal|inappropriate|sensitive|offensive|ethic|not allowed"
    r"|garis panduan|dasar|"
    r"berbahaya|sensitif|tidak sesuai|menyalahi|melanggar|haram|pedoman|kebijakan|tidak pantas)",
    re.I,
)
_SENTENCE = re.compile(r"[^.!?\n]*[.!?]?")
_SPEECH = re.compile(r"[\"“”«»‘]|(?:^|\s)'")


def refusing_sentence(text: str) -> str | None:
    """The sentence at the front of a text that refuses; None where none does.

    Not a refusal: what cannot be known from a text, and what someone in a passage says.
    """
    front = plain(text).strip()[:FRONT_CHARACTERS]
    for match in _SENTENCE.finditer(front):
        sentence = match[0].strip()
        found = next((each for pattern in _REFUSALS if (each := pattern.search(sentence))), None)
        if found is None or _SPEECH.search(sentence[: found.start()]):
            continue
        rest = front[match.start() :]
        if _UNKNOWABLE.search(rest[: len(sentence) + 160]) and not _POLICY.search(rest):
            continue
        return sentence
    return None


def refusal(exchange: Exchange) -> Ruling:
    """Whether the answer refuses instead of answering. Applies to every answer that holds words."""
    text = exchange.answer if exchange.answer is not None else exchange.reasoning or ""
    if not words_of(text):
        return NOT_APPLICABLE
    sentence = refusing_sentence(text)
    if sentence is None:
        return PASSED
    rest = plain(text).replace(sentence, " ", 1)
    chosen = (
        [claim for claim in claims_of(rest, exchange.options) if claim.offered] if exchange.options else []
    )
    has_key = (
        exchange.key is not None and len(exchange.key) > 1 and exchange.key.casefold() in rest.casefold()
    )
    if chosen or has_key:
        return passed(f"answers after refusing: {sentence}")
    if len(words_of(rest)) > SUBSTANCE_WORDS and not _POLICY.search(rest):
        return passed(f"begins like a refusal, and goes on for {len(words_of(rest))} words: {sentence}")
    return defect("refusal", "major", excerpt=sentence, detail="refuses, and gives no answer")
