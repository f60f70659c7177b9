"""Answers that have lost their prompt: its front was cut, or an earlier turn is gone."""

from __future__ import annotations

import re

from servemark.domain.exchange import Exchange
from servemark.quality import crosstalk
from servemark.quality.endings import is_whole
from servemark.quality.leaks import around
from servemark.quality.pleas import NO_MEMORY, NO_MENTION, NO_PASSAGE
from servemark.quality.rulings import NOT_APPLICABLE, PASSED, Ruling, defect
from servemark.quality.texts import asked, prompt, question, shown

NONCE_TOKENS = 16
"""Two nonces of one length may differ by so many tokens: at most one per sign of a code."""
ASKING_WORDS = 90
"""A longer answer does more than ask for the passage."""
_SECRET = (
    r"(?:code ?words?|pass ?words?|passphrase|pass ?code|secret (?:code|word|number|key|phrase)|magic (?:number|word)"
    r"|(?:access |secret |security )?codes?|PIN|kata (?:kod|laluan|sandi|kunci|rahsia|rahasia)"
    r"|(?:kod|kode|nombor|nomor|angka) (?:rahsia|rahasia|ajaib|akses|sulit)|kod|kode|sandi)"
)
_TOLD = re.compile(
    rf"\b{_SECRET}\b(?:[^.?!\n]{{0,40}}?(?:\bis\b|\bwas\b|\bialah\b|\badalah\b|:|=)|\s)\s*[\"'“‘*`]*"
    r"(?P<code>[^\s\"'”’*`.,;?!]{3,40})",
    re.IGNORECASE,
)
_OWN_FACT = re.compile(
    r"\b(?:my (?P<en>\w+(?: \w+){0,2}) is|(?P<ms>\w+(?: \w+){0,2}) (?:saya|aku)(?: (?:ialah|adalah))?)"
    r" (?P<code>[A-Z]\w+)\s*(?:[.,;!\n]|$)"
)
_OWN_QUESTION = (
    r"(?:what(?:['’]s| is| was) my {0}\b|apa(?:kah)? {0} (?:saya|aku)\b|siapa(?:kah)? {0} (?:saya|aku)\b)"
)
_ASKED_FOR = re.compile(
    r"\b(?:what|which|tell|recall|remember|say|give|apa(?:kah)?|sebutkan|nyatakan|berapa(?:kah)?|ingat)\b"
    rf"[^.!\n]{{0,80}}\b{_SECRET}\b",
    re.IGNORECASE,
)


def lost_context(exchange: Exchange) -> Ruling:
    """Proved by the server's own count of the prompt, by what the answer must hold and does not, or by its asking for
    a passage that was given.
    """
    if found := _uncounted(exchange):
        return defect("lost_context", "major", excerpt=exchange.answer or "", detail=found)
    has_context = bool(exchange.context.strip()) or len(asked(exchange).split()) >= 60
    counted = exchange.prompt_tokens is not None and exchange.prompt_tokens > 0
    text = shown(exchange)
    if not text or not is_whole(exchange):
        return PASSED if counted else NOT_APPLICABLE
    wanted = exchange.recalls or _told(exchange) or _needle(exchange)
    said = folded(text)
    missing = [each for each in wanted if folded(each) not in said]
    if missing:
        names = ", ".join(repr(each) for each in missing)
        detail = f"{names} of its prompt {'is' if len(missing) == 1 else 'are'} not in the answer"
        return defect("lost_context", "major", excerpt=text, detail=detail)
    if has_context and len(text.split()) <= ASKING_WORDS and (plea := _plea(text, asked(exchange))):
        detail = "asks for a passage that its prompt holds"
        return defect("lost_context", "major", excerpt=around(text, plea), detail=detail)
    if len(text.split()) <= ASKING_WORDS and (found := _denial(exchange, text)):
        detail = f"denies what its prompt holds: {exchange.key}"
        return defect("lost_context", "major", excerpt=found, detail=detail)
    earlier = sum(each.role == "user" for each in exchange.messages) > 1
    if earlier and len(text.split()) <= ASKING_WORDS and (found := NO_MEMORY.search(text)):
        detail = "knows nothing of the earlier turns of its prompt"
        return defect("lost_context", "major", excerpt=around(text, found[0]), detail=detail)
    return PASSED if earlier or wanted or has_context or counted else NOT_APPLICABLE


def folded(text: str) -> str:
    """Lower case, without spaces, hyphens and marks: `KX-4471`, `kx 4471` and `**KX4471**` are one."""
    return re.sub(r"[\W_]+", "", text.casefold())


def prompt_words(exchange: Exchange) -> int:
    """Words between spaces of the whole prompt: no tokenizer that splits at spaces makes fewer tokens of it."""
    turns = [each.content for each in exchange.messages if each.role != "user"]
    return sum(len(each.split()) for each in (exchange.system, asked(exchange), *turns))


def _uncounted(exchange: Exchange) -> str:
    counted = exchange.prompt_tokens
    if not counted:
        # some servers report 0 where they do not count
        return ""
    if counted < (least := prompt_words(exchange)):
        return f"the server counts {counted} prompt tokens, the prompt has {least} words"
    alone = exchange.alone_prompt_tokens
    if alone is not None and counted < alone - (NONCE_TOKENS if exchange.nonce else 0):
        return f"the server counts {counted} prompt tokens, of the same prompt alone {alone}"
    return ""


def _told(exchange: Exchange) -> tuple[str, ...]:
    """The code word that the prompt tells once, where the question asks for it."""
    ask = question(exchange)
    told = asked(exchange).replace(ask.strip(), " ") if ask.strip() else ""
    if exchange.options or not told.strip():
        return ()
    codes = (
        {found["code"] for found in _TOLD.finditer(told) if _is_code(found["code"])}
        if _ASKED_FOR.search(ask)
        else set()
    )
    for found in _OWN_FACT.finditer(told):
        fact = re.escape(found["en"] or found["ms"])
        if re.search(_OWN_QUESTION.format(fact), ask, re.IGNORECASE):
            codes.add(found["code"])
    if len(codes) != 1:
        return ()
    if exchange.key and folded(exchange.key) not in {folded(each) for each in codes}:
        return ()
    return tuple(codes)


def _needle(exchange: Exchange) -> tuple[str, ...]:
    """A key that is a code, stands before the question, and is not in the answer, which names no other code of the
    prompt instead: that one would be the wrong needle, not a lost one.
    """
    key = (exchange.key or "").strip()
    if (
        exchange.options
        or exchange.format == "json"
        or not crosstalk.is_code(key)
        or not _stands_before(exchange, key)
    ):
        return ()
    said = {each.casefold() for each in re.findall(r"[\w-]+", shown(exchange))}
    others = {
        each for each in re.findall(r"[\w-]+", prompt(exchange)) if crosstalk.is_code(each) and each != key
    }
    return () if said & {each.casefold() for each in others} else (key,)


def _stands_before(exchange: Exchange, key: str) -> bool:
    """Whether it is in the passage or an earlier turn, and not in the question itself."""
    ask = question(exchange)
    told = prompt(exchange).replace(ask.strip(), " ") if ask.strip() else ""
    return folded(key) in folded(told) and folded(key) not in folded(ask)


def _denial(exchange: Exchange, text: str) -> str:
    """The words that deny a thing which the passage or an earlier turn holds word for word."""
    key = (exchange.key or "").strip()
    if (
        exchange.options
        or len(folded(key)) < 3
        or folded(key) in folded(text)
        or not _stands_before(exchange, key)
    ):
        return ""
    found = NO_MENTION.search(text)
    return found[0] if found else ""


def _is_code(word: str) -> bool:
    """More than a word of everyday: with a digit, a hyphen or in capitals."""
    return len(word) >= 3 and (any(map(str.isdigit, word)) or "-" in word.strip("-") or word.isupper())


def _plea(text: str, theirs: str) -> str:
    """The words that ask for the passage, unless they are quoted from it."""
    found = NO_PASSAGE.search(text)
    return found[0] if found and found[0].casefold() not in theirs.casefold() else ""
