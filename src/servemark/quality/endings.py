"""How an answer ends: properly, or cut, or not begun at all.

Cut answers are told apart by what the server says of them (finish reason, token counts, error). An answer that only
reads as if it stopped in mid-sentence is a remark, never a defect: lists, titles and names end like that too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from servemark.domain.exchange import Exchange
from servemark.quality.rulings import (
    NOT_APPLICABLE,
    PASSED,
    Ruling,
    defect,
    not_applicable,
    passed,
    shortened,
)
from servemark.quality.texts import without_thoughts

LENGTH = frozenset({"length", "max_tokens", "max_length", "max_output_tokens", "token_limit"})
WINDOW = frozenset(
    {"model_length", "context_length", "context_length_exceeded", "model_context_window_exceeded"}
)
BROKEN = frozenset({"error", "abort", "aborted", "cancelled", "canceled", "timeout", "network_error"})
"""Spellings of servers and gateways; all but `length`, `error` and `abort` are other dialects than OpenAI's."""
FILTERED = "content_filter"
TOOLS = frozenset({"tool_calls", "function_call", "tool_use"})
SHORT_WORDS = 6
"""A last line of fewer words says nothing about where a sentence ends."""
_UNSEEN = re.compile(r"[\s\u200b-\u200f\u2028\u2029\u2060\ufeff]+")
_EMPTY_FENCE = re.compile(r"\A\s*```\w*\s*(?:```\s*)?\Z")
_ITEM = re.compile(r"(?:[-*+•]|\(?(?:\d+|[A-Za-z])[.)])\s")
_CHOICE_LINE = re.compile(
    r"(?i)\b(?:answer|option|choice|jawapan|jawaban|pilihan)\b[^.]{0,30}?[:\s(]*\b[A-Z]\b[)*]*$"
)
_ANSWER_END = re.compile(
    r"(?i:\b(?:answer|option|choice|jawapan|jawaban|pilihan))\b[^.:]{0,20}:\s*\W{0,3}[A-Z]\b(?:\W{1,4}[^.!?]{1,80})?$"
)
_LOOSE_END = re.compile(r",\n+[ \t]*[A-Z]\w*(?: [\w']+){0,3}$")
"""The name below a letter."""
_OPEN_WORDS = frozenset((
    "a", "an", "the", "of", "to", "in", "on", "at", "by", "for", "with", "from", "and", "or", "but",
    "because", "that", "which", "is", "are", "was", "were", "its", "their", "yang", "dan", "di", "ke",
    "dari", "daripada", "pada", "untuk", "dengan", "oleh", "kerana", "karena", "bahawa", "bahwa", "ialah",
    "adalah", "atau", "para", "sebagai", "akan", "telah", "sudah",
))  # fmt: skip
"""No sentence ends on one of these."""
_JOINTS = frozenset((
    "a", "an", "the", "and", "or", "but", "because", "its", "their", "yang", "dan", "di", "ke", "dari", "daripada",
    "pada", "dengan", "oleh", "kerana", "karena", "bahawa", "bahwa", "ialah", "adalah", "atau", "para", "sebagai",
))  # fmt: skip
"""Of these, those that end no loose sentence either (`the one I asked for`)."""


def truncated_cap(exchange: Exchange) -> Ruling:
    """Ended by length with as many tokens as were asked for; also where the counts are not known."""
    reason = _reason(exchange)
    if reason is None or exchange.answer is None:
        return NOT_APPLICABLE
    if reason not in LENGTH or _window_is_proved(exchange):
        return PASSED if not exchange.error else NOT_APPLICABLE
    if exchange.max_tokens is None or exchange.completion_tokens is None:
        counts = "; the counts that tell a cap from a full context window are missing"
    else:
        counts = f" after {exchange.completion_tokens} of at most {exchange.max_tokens} tokens"
    return defect(
        "truncated_cap", "major", excerpt=_tail(exchange), detail=f"finish reason {reason}{counts}"
    )


def truncated_window(exchange: Exchange) -> Ruling:
    """Ended by length although fewer tokens came than were asked for: the context window was full."""
    reason = _reason(exchange)
    if reason is None or exchange.answer is None:
        return NOT_APPLICABLE
    if reason not in WINDOW and not (reason in LENGTH and _window_is_proved(exchange)):
        return PASSED if not exchange.error else NOT_APPLICABLE
    detail = f"finish reason {reason}"
    if exchange.max_tokens is not None:
        came = _most_tokens(exchange)
        few = f"{came}" if exchange.completion_tokens is not None else f"at most {came} (one per byte)"
        detail += f" after {few} of {exchange.max_tokens} tokens"
        detail += f", behind a prompt of {exchange.prompt_tokens}" if exchange.prompt_tokens else ""
    return defect(
        "truncated_window", "major", excerpt=_tail(exchange), detail=f"{detail}: the window was full"
    )


def truncated_stream(exchange: Exchange) -> Ruling:
    """Ended by an error, or without saying so."""
    reason = _reason(exchange)
    if exchange.error:
        return defect("truncated_stream", "major", excerpt=_tail(exchange), detail=exchange.error)
    if reason is None or exchange.answer is None:
        if exchange.completion_tokens and _stops_on_a_joint(exchange.answer or ""):
            detail = "no finish reason, and the text stops on a word that must go on"
            return defect("truncated_stream", "major", excerpt=_tail(exchange), detail=detail)
        cut = exchange.answer is not None and stops_in_mid_sentence(exchange.answer)
        return (
            not_applicable(f"reads as if it stopped in mid-sentence: {_tail(exchange)}")
            if cut
            else NOT_APPLICABLE
        )
    if reason in BROKEN:
        detail = f"finish reason {reason}"
        return defect("truncated_stream", "major", excerpt=_tail(exchange), detail=detail)
    if reason == FILTERED:
        remark = f"a content filter ended the answer (finish reason {reason})"
        if stops_in_mid_sentence(exchange.answer):
            return defect("truncated_stream", "major", excerpt=_tail(exchange), detail=remark)
        return passed(remark)
    if reason not in LENGTH | WINDOW and stops_in_mid_sentence(exchange.answer):
        return passed(
            f"reads as if it stopped in mid-sentence, though it ended properly ({reason}): {_tail(exchange)}"
        )
    return PASSED


def empty_answer(exchange: Exchange) -> Ruling:
    """No text, although nothing failed."""
    if exchange.answer is None or (exchange.error and not is_blank(exchange.answer)):
        return NOT_APPLICABLE
    if not is_blank(exchange.answer):
        return PASSED
    if exchange.error:
        return NOT_APPLICABLE
    reason = _reason(exchange)
    where = []
    if exchange.reasoning and not is_blank(exchange.reasoning):
        where.append("the text went to the reasoning field")
    elif without_thoughts(exchange.answer) != exchange.answer:
        where.append("nothing but thoughts")
    if reason in TOOLS:
        where.append(f"the text went to tool calls (finish reason {reason})")
    if exchange.completion_tokens:
        where.append(f"the server counts {exchange.completion_tokens} tokens")
    if reason == FILTERED:
        where.append("a content filter took it")
    detail = "; ".join(["no text", *where])
    excerpt = exchange.reasoning if where and exchange.reasoning else exchange.answer
    return defect("empty_answer", "major", excerpt=excerpt, detail=detail)


def is_blank(text: str) -> bool:
    """Nothing that a reader could see, thoughts in `<think>` tags apart; a code fence around nothing is none."""
    return not _UNSEEN.sub("", _EMPTY_FENCE.sub("", without_thoughts(text)))


def is_whole(exchange: Exchange) -> bool:
    """There is an answer, and nothing says that it was cut."""
    if exchange.answer is None or is_blank(exchange.answer) or exchange.error:
        return False
    return _reason(exchange) not in LENGTH | WINDOW | BROKEN | {FILTERED}


def stops_in_mid_sentence(text: str) -> bool:
    """Whether a text reads as cut: on a word or sign that must go on, or a last line of prose without an end while
    the prose before it has ends.
    """
    bare = text.rstrip()
    if not bare or bare.count("```") % 2:
        return bool(bare)
    last_line = bare.rsplit("\n", 1)[-1].strip()
    if re.match(r"[|#>$]|\\|```|[-*+] *$", last_line) or last_line[-1] in ".!?…。)]}\"'”’»`*_|:;>$%":
        return False
    tokens = last_line.split()
    if len(tokens) < SHORT_WORDS:
        return False
    if last_line[-1] in ",-–(" or tokens[-1].casefold() in _OPEN_WORDS:
        return True
    if _ANSWER_END.search(last_line) or _CHOICE_LINE.search(last_line):
        return False
    before = bare[: len(bare) - len(last_line)] + " ".join(tokens[:-1])
    return not re.match(r"(?:[-*+•]|\d+[.)]|[A-Z][.)])\s", last_line) and bool(
        re.search(r"[a-z]{2}[.!?](\s|$)", before)
    )


def _stops_on_a_joint(text: str) -> bool:
    """Whether prose stops on an article, a conjunction or the like: no loose sentence, title or list of words does."""
    tokens = text.rstrip().rsplit("\n", 1)[-1].split()
    return len(tokens) >= SHORT_WORDS and tokens[-1] in _JOINTS and tokens[-2].isalnum()


def lacks_an_end(text: str, options: Mapping[str, str] = {}) -> bool:
    """Whether a text of some length has no end: weaker than `stops_in_mid_sentence`, for where something else says too
    that it was cut. Labels, options, last lines such as `Answer: B`, and items like those before them are ends.
    """
    bare = text.rstrip()
    if any(bare.casefold().endswith(each.casefold().strip(" .")) for each in options.values() if each):
        return False
    if bare.rpartition(" ")[2] in options or _LOOSE_END.search(bare):
        return False
    if stops_in_mid_sentence(bare):
        return True
    lines = [line.strip() for line in bare.split("\n") if line.strip()]
    last = lines[-1] if lines else ""
    if (
        len(bare.split()) < SHORT_WORDS
        or not last[-1].isalnum()
        or last.startswith(("|", "#", "```", "$", "http"))
    ):
        return False
    if _CHOICE_LINE.search(last):
        return False
    items = [bool(_ITEM.match(line)) for line in lines]
    if items[-1] and sum(items) > 1:
        return any(line[-1] in ".!?;" for line, item in zip(lines[:-1], items, strict=False) if item)
    return True


def _reason(exchange: Exchange) -> str | None:
    return exchange.finish_reason.strip().lower() or None if exchange.finish_reason else None


def _most_tokens(exchange: Exchange) -> int:
    """The server's count, else no more than one token per byte."""
    if exchange.completion_tokens is not None:
        return exchange.completion_tokens
    return len(((exchange.answer or "") + (exchange.reasoning or "")).encode())


def _window_is_proved(exchange: Exchange) -> bool:
    """Fewer tokens than the cap; one less is how engines count that leave out the last."""
    if exchange.max_tokens is None:
        return False
    if exchange.completion_tokens == 0:
        # a count of nothing beside a text is no count
        return _most_tokens(exchange) < exchange.max_tokens - 1 and is_blank(exchange.answer or "")
    return _most_tokens(exchange) < exchange.max_tokens - 1


def _tail(exchange: Exchange) -> str:
    text = (exchange.answer or exchange.reasoning or "").rstrip()
    return shortened(text if len(text) <= 120 else f"... {text[-112:]}")
