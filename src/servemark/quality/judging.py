"""All checks over exchanges."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from servemark.domain.exchange import CHECKS, Check, CheckResult, Exchange, Judgement
from servemark.quality.choices import invalid_choice, wrong_answer
from servemark.quality.codes import without_codes
from servemark.quality.contradictions import self_contradiction
from servemark.quality.crosstalk import cross_talk, owners_of
from servemark.quality.endings import (
    empty_answer,
    is_whole,
    truncated_cap,
    truncated_stream,
    truncated_window,
)
from servemark.quality.formats import bad_format
from servemark.quality.languages import wrong_language
from servemark.quality.leaks import context_echo, framework_text, system_prompt_leak
from servemark.quality.memory import lost_context
from servemark.quality.noise import gibberish
from servemark.quality.refusals import refusal
from servemark.quality.rulings import NOT_APPLICABLE, Ruling
from servemark.quality.texture import repetition

TABLE: Final[dict[Check, Callable[[Exchange], Ruling]]] = {
    "wrong_language": wrong_language,
    "wrong_answer": wrong_answer,
    "invalid_choice": invalid_choice,
    "self_contradiction": self_contradiction,
    "system_prompt_leak": system_prompt_leak,
    "framework_text": framework_text,
    "context_echo": context_echo,
    "repetition": repetition,
    "gibberish": gibberish,
    "truncated_cap": truncated_cap,
    "truncated_window": truncated_window,
    "truncated_stream": truncated_stream,
    "empty_answer": empty_answer,
    "lost_context": lost_context,
    "bad_format": bad_format,
    "refusal": refusal,
}
"""Every check but `cross_talk`, which knows of the other exchanges."""
WITH_CODES: Final = ("system_prompt_leak", "empty_answer")
"""Checks that see the answer with its codes; from the others those of its own request are hidden."""
WHOLE_ONLY: Final = ("invalid_choice", "bad_format", "refusal")
"""Of a cut or empty answer nobody knows what its rest would have said."""


def judge_exchange(exchange: Exchange, *, owners: Mapping[str, str] = {}) -> Judgement:
    """What every check says of one exchange, in the order of `CHECKS`.

    Args:
        exchange: one question and its answer.
        owners: for cross-talk, as `crosstalk.owners_of(exchanges)` makes it: code (nonce, canary, rare code-like token
            of a prompt, a long expected answer) -> id of the only exchange that it belongs to.
    """
    whole = is_whole(exchange)
    plain = _without_own_codes(exchange)
    rulings: dict[Check, Ruling] = {}
    for check in CHECKS:
        if check == "cross_talk":
            rulings[check] = cross_talk(exchange, owners)
        elif check in WHOLE_ONLY and not whole:
            rulings[check] = NOT_APPLICABLE
        else:
            rulings[check] = TABLE[check](exchange if check in WITH_CODES else plain)
    return _judgement(rulings)


def judge_all(exchanges: Sequence[Exchange]) -> list[Judgement]:
    """`judge_exchange` over all of them, in their order, `owners` built from their prompts and expected answers."""
    owners = owners_of(exchanges)
    return [judge_exchange(each, owners=owners) for each in exchanges]


def _judgement(rulings: Mapping[Check, Ruling]) -> Judgement:
    findings: list[CheckResult] = []
    passed: list[Check] = []
    notes: list[str] = []
    for check, ruling in rulings.items():
        notes += [f"{check}: {each}" for each in ruling.notes]
        if ruling.defect is not None:
            findings.append(ruling.defect)
        elif ruling.applied:
            passed.append(check)
    return Judgement(findings=tuple(findings), passed=tuple(passed), notes=tuple(notes))


def _without_own_codes(exchange: Exchange) -> Exchange:
    """Its answer and reasons without the codes of its own prompt, which a model may well say again."""
    if "SM-" not in f"{exchange.answer or ''}{exchange.reasoning or ''}":
        return exchange
    answer, reasoning = (
        None if each is None else without_codes(each) for each in (exchange.answer, exchange.reasoning)
    )
    return replace(exchange, answer=answer, reasoning=reasoning)
