"""Another request's words in this answer.

A code (nonce, canary, or a token such as `KX-4471`) that stands in the prompt of one exchange only, and a long expected
answer that only one has, belong to it. What one model knows anyway (COVID-19, MH370, 1MDB) must not count: such names
are letters and a short number, and are no codes here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import pairwise

from servemark.domain.exchange import Exchange
from servemark.quality.codes import without_codes
from servemark.quality.leaks import around
from servemark.quality.rulings import NOT_APPLICABLE, PASSED, Ruling, defect
from servemark.quality.texts import asked, prompt, words

ANSWER_WORDS = 8
ANSWER_CHARACTERS = 40
"""A shorter expected answer ("The correct answer is B.") may come by chance."""
PASSAGE_WORDS = 16
"""So many words in a row of a passage that only another exchange has; shorter ones may be a saying or a pledge that a
model knows by heart."""
SHINGLE_WORDS = 6
"""Every run of so many words among them must be of that passage alone: of passages that are put together from the same
sentences, only the seams are unlike."""
_ANSWER, _PASSAGE = "answer: ", "passage: "
"""No token holds a space, so that keys of three kinds never meet."""
_TOKEN = re.compile(r"(?<![\w@./#-])[A-Za-z0-9]+(?:[-_][A-Za-z0-9]+)*(?![\w@#])")
_MARKED = re.compile(
    r"(?:\b(?:nonce|canary|ref(?:erence)?|request(?:[ _-]?id)?|session(?:[ _-]?id)?|trace(?:[ _-]?id)?|ticket"
    r"|id|order|pesanan|tempahan|req|permintaan|sesi|sesyen"
    r"|(?:start|begin|end) (?:your|the) (?:answer|reply|response) with"
    r"|(?:mulakan|mulailah|awali|akhiri) (?:jawapan|jawaban)(?: anda| kamu)? dengan"
    r"|token|tag|marker|code ?word|code"
    r"|password|passphrase|secret|kod|kode|kata kod|kata sandi|kata kunci"
    r"|kata laluan|nombor rujukan|nomor referensi|rujukan)\b"
    r"(?:[ ](?:is|ialah|adalah|id|code|kod|kode|number|no\.?|token))?\s*[:=#]?\s*[\"'“‘*`\[<(]*)"
    r"(?P<code>[A-Za-z0-9]+(?:[-_][A-Za-z0-9]+)*)",
    re.IGNORECASE,
)
_NAMED = re.compile(
    r"(?i:nonce|canary|req|request|session|sess|trace|ref)[-_](?=\w*\d)\w{2,}"
    r"|(?!.*(?i:covid))[A-Za-z]{3,}[-_][A-Za-z]{3,}[-_](?!(?:1[5-9]|20)\d\d$)\d{2,}"
)
"""`nonce-17`, `amber-falcon-42`."""
_YEAR = re.compile(r"(?:1[5-9]|20)\d\d$")


def owners_of(exchanges: Iterable[Exchange]) -> dict[str, str]:
    """Code -> id of the only exchange whose prompt holds it; likewise for long expected answers and runs of passages.

    Exchanges of one prompt, such as one item at several loads, count as one; so do all that share a passage, and the
    items of one conversation that recall a code.
    """
    found: dict[str, str] = {}
    belongs: dict[str, str] = {}
    shared: set[str] = set()
    passages: set[str] = set()

    def own(name: str, to: str, id: str) -> None:
        if belongs.setdefault(name, to) != to:
            shared.add(name)
        found.setdefault(name, id)

    known = list(exchanges)
    # a code word that later turns of one conversation repeat is of all their prompts, and of no other one
    recalled = {code for each in known for code in each.recalls if is_code(code)}
    for each in known:
        text = prompt(each)
        same = " ".join(words(without_codes(f"{each.system}\n{asked(each)}")))
        for name in (*codes_of(text, each), *_answer_name(each.expected_answer or "")):
            own(name, name if name in recalled else same, each.id)
        if each.context not in passages:
            passages.add(each.context)
            for name in _passage_names(words(each.context)):
                own(name, each.context, each.id)
    return {name: owner for name, owner in found.items() if name not in shared}


def cross_talk(exchange: Exchange, owners: Mapping[str, str]) -> Ruling:
    """A code of another exchange stands in this answer and not in this prompt; or its passage; or its right answer."""
    text = "\n".join(filter(None, (exchange.answer, exchange.reasoning)))
    if not text or not owners:
        return NOT_APPLICABLE
    theirs = prompt(exchange)
    for token in dict.fromkeys(_tokens(text)):
        if token in owners and token.casefold() not in theirs.casefold():
            detail = f"{token!r} stands in the prompt of exchange {owners[token]}, not in this one"
            return defect("cross_talk", "critical", excerpt=around(text, token), detail=detail)
    for name in _answer_name(exchange.answer or ""):
        if (
            name in owners
            and name not in _answer_name(exchange.expected_answer or "")
            and owners[name] != exchange.id
        ):
            detail = f"word for word the right answer of exchange {owners[name]}"
            return defect("cross_talk", "critical", excerpt=exchange.answer or "", detail=detail)
    if run := _strange_run(words(text), words(theirs), owners):
        owner, said = run
        detail = f"{len(said)} words in a row of the passage of exchange {owner}, not of this prompt"
        return defect("cross_talk", "critical", excerpt=" ".join(said), detail=detail)
    return PASSED


def codes_of(text: str, exchange: Exchange) -> set[str]:
    """The codes in a prompt: its own, marked ones ("code word: biru-7"), and whatever looks like one."""
    found = {each for each in (exchange.nonce, exchange.canary) if each}
    found |= {each["code"] for each in _MARKED.finditer(text) if _is_unusual(each["code"])}
    return found | {each for each in _tokens(text) if is_code(each)}


def is_code(token: str) -> bool:
    """Letters and digits as no name has them: three changes between them, four digits that are no year, or a long hex
    number.
    """
    if _NAMED.fullmatch(token):
        return True
    bare = re.sub(r"[-_]", "", token)
    letters, digits = sum(map(str.isalpha, bare)), sum(map(str.isdigit, bare))
    if len(bare) < 6 or not letters or not digits:
        return False
    if (
        re.fullmatch(r"[0-9a-f]{8,}", bare, re.IGNORECASE)
        and digits >= 2
        and (letters >= 2 or token.islower())
    ):
        return True
    kinds = [each.isdigit() for each in bare]
    changes = sum(a != b for a, b in pairwise(kinds))
    if changes >= 3 and digits >= 2:
        return True
    tail = re.search(r"\d{4,}", token)
    return (
        bool(tail)
        and letters >= 2
        and not _YEAR.fullmatch(tail[0])
        and not re.search(r"(?i)^(?:iso|iec|rfc|ieee|en|ms|din|utc|gmt)", bare)
    )


def _is_unusual(token: str) -> bool:
    """Of marked words: with a digit among four signs or more, or of joined words in capitals; no year."""
    if len(token) < 4 or _YEAR.fullmatch(token):
        return False
    if token.isdigit():
        return len(token) >= 5 and not token.endswith("00")
    return any(map(str.isdigit, token)) or (("-" in token or "_" in token) and token.isupper())


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(text)


def _answer_name(answer: str) -> tuple[str, ...]:
    """A long answer as a key of `owners`; nothing of a short one."""
    said = words(answer)
    name = " ".join(said)
    return (f"{_ANSWER}{name}",) if len(said) >= ANSWER_WORDS and len(name) >= ANSWER_CHARACTERS else ()


def _passage_names(said: list[str]) -> list[str]:
    """Every run of `SHINGLE_WORDS` words as a key of `owners`."""
    return [_PASSAGE + " ".join(said[i : i + SHINGLE_WORDS]) for i in range(len(said) - SHINGLE_WORDS + 1)]


def _strange_run(
    said: list[str], theirs: list[str], owners: Mapping[str, str]
) -> tuple[str, list[str]] | None:
    """Owner and words of the first `PASSAGE_WORDS` in a row that are of one other passage."""
    names = _passage_names(said)
    if not any(name in owners for name in names):
        return None
    own = set(_passage_names(theirs))
    start, owner = 0, ""
    for i, name in enumerate(names):
        found = "" if name in own else owners.get(name, "")
        if found != owner or not found:
            start, owner = i, found
        if owner and i - start + SHINGLE_WORDS >= PASSAGE_WORDS:
            return owner, said[start : i + SHINGLE_WORDS]
    return None
