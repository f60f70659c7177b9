"""What each fault does to an exchange: pure functions, the same behind HTTP and offline."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from random import Random

from msgspec.structs import replace

from servemark.domain.exchange import Exchange
from servemark.twins.faults import Fault, FaultKind
from servemark.twins.phrases import FRAMEWORK, STUTTERS, SYLLABLES, SYMBOLS, TONGUES, Phrases, Tongue
from servemark.twins.tokens import pieces

BROKEN_STREAM = "the engine has lost the request"
_NO_END = {
    "error": BROKEN_STREAM,
    "closed": "the connection was closed",
    "done": "the stream ended without a finish reason",
}
"""What a client notes in place of an end."""
_ECHO_WORDS = 60
_OVERRUN_TOKENS = 8192
"""Without a cap of its own a request may have all the rest of the context; nobody waits for that."""
_LEAK_WORDS = 12
_LOOP_WORDS = 60
_NOISE_WORDS = 40
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_FINAL_LINE = re.compile(r"^\s*(answer|jawapan)\s*:.*$", re.IGNORECASE | re.MULTILINE)
_NUMBER = re.compile(r"\d+")


def damaged(
    exchange: Exchange, fault: Fault, *, draw: int, other: Exchange | None = None
) -> Exchange | None:
    """The exchange as the fault leaves it; None where it cannot be done to it.

    Args:
        exchange: a good one, with its whole answer.
        fault: what goes wrong. `late_error` and `stall` concern delivery only and change nothing here.
        draw: picks among the variants of a fault; equal draws give equal damage.
        other: for `crossed_answers`, the exchange whose answer comes instead.
    """
    if exchange.answer is None:
        return None
    if fault.kind == "crossed_answers":
        return None if other is None else _crossed(exchange, other, fault, Random(draw))
    if fault.kind in ("late_error", "stall"):
        return exchange
    return _DAMAGES[fault.kind](exchange, fault, Random(draw))


def with_answer(exchange: Exchange, text: str) -> Exchange:
    """The exchange with another answer, cut at the cap of its tokens."""
    words = pieces(text)
    cap = exchange.max_tokens
    if cap is not None and len(words) > cap:
        words = words[:cap]
        return replace(
            exchange, answer="".join(words), finish_reason="length", completion_tokens=len(words)
        )
    return replace(exchange, answer=text, finish_reason="stop", completion_tokens=len(words))


def _said(exchange: Exchange, text: str) -> Exchange | None:
    """With another answer, where there is room for the whole of it."""
    changed = with_answer(exchange, text)
    return changed if changed.finish_reason == "stop" else None


def _tongue(exchange: Exchange) -> Tongue:
    return "ms" if exchange.expected_language in ("ms", "id") else "en"


def _phrases(exchange: Exchange) -> Phrases:
    return TONGUES[_tongue(exchange)]


def _room(exchange: Exchange, most: int = 300) -> int:
    """Words that an answer may have and still end by itself."""
    return most if exchange.max_tokens is None else min(most, exchange.max_tokens)


def _halfway(exchange: Exchange, fault: Fault, random: Random) -> list[str] | None:
    """The front of the answer; None where nothing would be missing."""
    words = pieces(exchange.answer or "")
    keep = fault.after_tokens or round(len(words) * random.uniform(0.3, 0.7))
    return words[:keep] if 1 <= keep < len(words) else None


def _dropped_front(exchange: Exchange, fault: Fault, random: Random) -> Exchange | None:
    if exchange.prompt_tokens is None:
        return None
    kept = max(1, round(exchange.prompt_tokens * fault.kept_ratio))
    reported = replace(exchange, prompt_tokens=kept if fault.reported else exchange.prompt_tokens)
    if exchange.recalls or exchange.context:
        tongue = random.choice((_tongue(exchange), _other_tongue(exchange)))
        return with_answer(reported, random.choice(TONGUES[tongue].no_passage))
    return with_answer(reported, _foreign(exchange, random))


def _cut_stream(exchange: Exchange, fault: Fault, random: Random) -> Exchange | None:
    words = _halfway(exchange, fault, random)
    if words is None:
        return None
    return replace(
        exchange,
        answer="".join(words),
        finish_reason=None,
        completion_tokens=len(words),
        error=_NO_END[fault.ending],
    )


def _early_length(exchange: Exchange, fault: Fault, random: Random) -> Exchange | None:
    words = _halfway(exchange, fault, random)
    if words is None or exchange.max_tokens is None or len(words) >= exchange.max_tokens:
        return None
    return replace(exchange, answer="".join(words), finish_reason="length", completion_tokens=len(words))


def _overrun(exchange: Exchange, _: Fault, random: Random) -> Exchange | None:
    cap = exchange.max_tokens
    if cap is None or cap > _OVERRUN_TOKENS:
        return None
    words: list[str] = []
    sentences = list(_phrases(exchange).ramble)
    while len(words) <= cap:
        words += " ".join(random.sample(sentences, len(sentences))).split()
    return with_answer(exchange, f"{exchange.answer} {' '.join(words)}")


def _crossed(exchange: Exchange, other: Exchange, fault: Fault, random: Random) -> Exchange | None:
    code = other.nonce if fault.code else ""
    if not other.answer or (not code and other.answer == exchange.answer):
        return None
    if not code:
        return with_answer(exchange, other.answer)
    text = other.answer
    forms = (f"{text}\n{code}", f"{text} ({code})", f"{code}\n{text}", f"[{code}] {text}")
    changed = with_answer(exchange, random.choice(forms))
    # a cut answer keeps its front, so the code must stand there
    return changed if changed.finish_reason == "stop" else with_answer(exchange, forms[-1])


def _echoed_context(exchange: Exchange, _: Fault, random: Random) -> Exchange | None:
    context = exchange.context.split()
    room = _room(exchange)
    if min(len(context), room) < _ECHO_WORDS:
        return None
    echo = " ".join(context[random.randrange(len(context) - _ECHO_WORDS + 1) :][:room])
    answer = exchange.answer or ""
    after = len(answer.split())
    if random.random() < 0.5 and 2 * after < len(echo.split()) and len(echo.split()) + after <= room:
        echo += f"\n\n{answer}"
    return _said(exchange, echo)


def _leaked_system(exchange: Exchange, _: Fault, random: Random) -> Exchange | None:
    system = exchange.system
    room = _room(exchange)
    if len(system.split()) < _LEAK_WORDS or room < _LEAK_WORDS:
        return None
    text = f"{random.choice(('', 'System: ', 'You are told: '))}{system}\n\n{exchange.answer}"
    return _said(exchange, "".join(pieces(text)[:room]))


def _other_tongue(exchange: Exchange) -> Tongue:
    return "en" if _tongue(exchange) == "ms" else "ms"


def _other_language(exchange: Exchange, _: Fault, random: Random) -> Exchange | None:
    if exchange.expected_language not in ("en", "ms") or exchange.format not in ("choice", "text"):
        return None
    return _said(exchange, _foreign(exchange, random))


def _foreign(exchange: Exchange, random: Random) -> str:
    """An answer in the other language; to a choice, the right one."""
    phrases = TONGUES[_other_tongue(exchange)]
    if not _is_choice(exchange):
        return " ".join(random.sample(phrases.ramble, 2))
    text = _filled(random.choice(phrases.replies), exchange, exchange.key or "")
    return f"{text}\n{_filled(phrases.final, exchange, exchange.key or '')}"


def _filled(template: str, exchange: Exchange, label: str) -> str:
    return template.format(key=exchange.key or "", wrong=label)


def _is_choice(exchange: Exchange) -> bool:
    return exchange.key in exchange.options and len(exchange.options) > 1


def _wrong_label(exchange: Exchange, random: Random) -> str:
    return random.choice([label for label in exchange.options if label != exchange.key])


def reasons(exchange: Exchange, random: Random) -> str:
    """The answer's own reasons, without any sentence that names a label; general ones where none is left."""
    label = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, exchange.options))})(?!\w)")
    text = _FINAL_LINE.sub("", exchange.answer or "")
    sentences = [each.strip() for each in _SENTENCE.split(text)]
    kept = [each for each in sentences if len(each.split()) > 3 and not label.search(each)]
    return " ".join(kept) or random.choice(_phrases(exchange).reasons)


def _contradiction(exchange: Exchange, _: Fault, random: Random) -> Exchange | None:
    if not _is_choice(exchange):
        return None
    phrases = _phrases(exchange)
    claim = _filled(random.choice(phrases.claims), exchange, exchange.key or "")
    final = _filled(phrases.final, exchange, _wrong_label(exchange, random))
    return _said(exchange, f"{reasons(exchange, random)} {claim}\n{final}")


def _wrong_answer(exchange: Exchange, _: Fault, random: Random) -> Exchange | None:
    key, answer = exchange.key, exchange.answer or ""
    if exchange.eval_type == "teaching" or not key:
        return None
    if _is_choice(exchange):
        phrases = _phrases(exchange)
        final = _filled(phrases.final, exchange, _wrong_label(exchange, random))
        return _said(exchange, f"{random.choice(phrases.reasons)}\n{final}")
    if exchange.format not in ("exact", "number") or key not in answer:
        return None
    return _said(exchange, answer.replace(key, _altered(key, random)))


def _altered(key: str, random: Random) -> str:
    """Another number, or the same words with one of them wrong."""
    if _NUMBER.search(key):
        return _NUMBER.sub(lambda found: str(int(found[0]) + random.randint(1, 9)), key, count=1)
    words = key.split(" ")
    at = random.randrange(len(words))
    words[at] = "".join(reversed(words[at])) if words[at] != words[at][::-1] else words[at] + "s"
    return " ".join(words)


def _invalid_choice(exchange: Exchange, _: Fault, random: Random) -> Exchange | None:
    if not _is_choice(exchange):
        return None
    phrases = _phrases(exchange)
    outside = [label for label in "EFGHKX" if label not in exchange.options]
    named = random.choice((*outside, "English", "Bahasa Melayu"))
    # whoever explains a known key need not name it at the end
    names_one = exchange.eval_type == "teaching" or random.random() < 0.8
    final = _filled(phrases.final, exchange, named) if names_one else ""
    return _said(exchange, f"{random.choice(phrases.reasons)}\n{final}".rstrip())


def _framework_text(exchange: Exchange, _: Fault, random: Random) -> Exchange | None:
    return _said(exchange, random.choice(FRAMEWORK).format(answer=exchange.answer))


def _loop(exchange: Exchange, _: Fault, random: Random) -> Exchange | None:
    room = _room(exchange)
    if room < _LOOP_WORDS:
        return None
    answer = exchange.answer or ""
    sentences = [each for each in _SENTENCE.split(answer) if len(each.split()) > 3 and "|" not in each]
    again = random.choice((*STUTTERS[_tongue(exchange)], *sentences))
    start = sentences[0] if sentences and random.random() < 0.5 else ""
    length = random.randint(max(_LOOP_WORDS, room // 2), room)
    words = f"{start} {f'{again} ' * length}".split()[:length]
    return _said(exchange, " ".join(words)) if len(set(words)) * 2 < len(words) else None


def _gibberish(exchange: Exchange, _: Fault, random: Random) -> Exchange | None:
    length = min(_NOISE_WORDS, _room(exchange))
    kind = random.randrange(4)
    if kind == 0:  # what an engine writes whose logits are no numbers: token 0
        text = "!" * random.randint(60, 200)
    elif kind == 1:
        text = " ".join("".join(random.sample(SYLLABLES, random.randint(1, 3))) for _ in range(length))
    elif kind == 2:
        text = " ".join("".join(random.choices(SYMBOLS, k=random.randint(2, 7))) for _ in range(length))
    else:
        letters = "abcdefghijklmnopqrstuvwxyz0123456789#$%&*;"
        text = " ".join("".join(random.choices(letters, k=random.randint(3, 9))) for _ in range(length))
    return _said(exchange, text) if length >= 12 else None


def _empty_answer(exchange: Exchange, _: Fault, random: Random) -> Exchange:
    text = random.choice(("", "", "\n", " "))
    return replace(exchange, answer=text, finish_reason="stop", completion_tokens=len(pieces(text)))


def _refusal(exchange: Exchange, _: Fault, random: Random) -> Exchange | None:
    return _said(exchange, random.choice(_phrases(exchange).refusals))


def _bad_format(exchange: Exchange, _: Fault, random: Random) -> Exchange | None:
    answer = exchange.answer or ""
    if exchange.format == "number":
        return _said(exchange, random.choice(_phrases(exchange).nothing))
    if exchange.format != "json":
        return None
    try:
        content = json.loads(answer)
    except ValueError:
        return None
    broken = [answer.rstrip()[:-1], answer.replace('"', "'"), answer.replace(":", " =", 1)]
    required = (exchange.schema or {}).get("required") or ()
    if isinstance(content, dict) and required:
        absent = random.choice(list(required))
        broken.append(json.dumps({k: v for k, v in content.items() if k != absent}, ensure_ascii=False))
    return _said(exchange, random.choice([each for each in broken if each != answer]))


def _rewording(exchange: Exchange, _: Fault, random: Random) -> Exchange | None:
    if exchange.format not in ("choice", "text"):
        return None
    return _said(exchange, random.choice(_phrases(exchange).openings) + (exchange.answer or ""))


_DAMAGES: dict[FaultKind, Callable[[Exchange, Fault, Random], Exchange | None]] = {
    "dropped_front": _dropped_front,
    "cut_stream": _cut_stream,
    "early_length": _early_length,
    "overrun": _overrun,
    "echoed_context": _echoed_context,
    "leaked_system": _leaked_system,
    "other_language": _other_language,
    "contradiction": _contradiction,
    "wrong_answer": _wrong_answer,
    "invalid_choice": _invalid_choice,
    "framework_text": _framework_text,
    "loop": _loop,
    "gibberish": _gibberish,
    "empty_answer": _empty_answer,
    "refusal": _refusal,
    "bad_format": _bad_format,
    "rewording": _rewording,
}
