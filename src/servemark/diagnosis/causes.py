"""The diagnosis of a run: every row of the table, in order of weight."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

import msgspec

from servemark.diagnosis.answers import cross_talk, empty_answers, said_of, wrong_alone
from servemark.diagnosis.boards import gpu_idle, memory_reserved_not_used
from servemark.diagnosis.connections import stale_connections
from servemark.diagnosis.contexts import (
    answer_cap_too_small,
    context_divided_among_slots,
    context_shifted,
    context_window_full,
    prompt_cut_at_front,
)
from servemark.diagnosis.corruption import engine_corruption
from servemark.diagnosis.failures import engine_restarted, failures_flat_in_load
from servemark.diagnosis.instrument import load_generator_at_limit
from servemark.diagnosis.noise import batch_arithmetic, drift_over_run, scores_within_chance
from servemark.diagnosis.pools import preemption_and_recompute, shared_kv_pool_exhausted, streams_broken_off
from servemark.diagnosis.queueing import queueing_behind_slots, slower_steps, waiting_for_first_token
from servemark.diagnosis.rows import Row, Rule, Seen, finding
from servemark.diagnosis.timeouts import refused_at_once, timeout_while_queued
from servemark.domain.finding import Finding
from servemark.domain.run import Run

RULES: Final[dict[str, Rule]] = {
    "timeout_while_queued": timeout_while_queued,
    "refused_at_once": refused_at_once,
    "failures_flat_in_load": failures_flat_in_load,
    "stale_connections": stale_connections,
    "shared_kv_pool_exhausted": shared_kv_pool_exhausted,
    "streams_broken_off": streams_broken_off,
    "answer_cap_too_small": answer_cap_too_small,
    "context_window_full": context_window_full,
    "prompt_cut_at_front": prompt_cut_at_front,
    "context_divided_among_slots": context_divided_among_slots,
    "context_shifted": context_shifted,
    "wrong_language": said_of("wrong_language", "Answers come in the wrong language"),
    "answer_contradicts_reasoning": said_of("self_contradiction", "Answers contradict their own reasoning"),
    "system_prompt_in_answer": said_of("system_prompt_leak", "The system prompt stands in answers"),
    "framework_text": said_of("framework_text", "Text of a framework stands in answers"),
    "context_echoed": said_of("context_echo", "Answers repeat the context"),
    "engine_corruption": engine_corruption,
    "cross_talk": cross_talk,
    "batch_arithmetic": batch_arithmetic,
    "scores_within_chance": scores_within_chance,
    "wrong_alone": wrong_alone,
    "empty_answers": empty_answers,
    "queueing_behind_slots": queueing_behind_slots,
    "waiting_for_first_token": waiting_for_first_token,
    "slower_steps": slower_steps,
    "preemption_and_recompute": preemption_and_recompute,
    "memory_reserved_not_used": memory_reserved_not_used,
    "engine_restarted": engine_restarted,
    "gpu_idle": gpu_idle,
    "load_generator_at_limit": load_generator_at_limit,
    "drift_over_run": drift_over_run,
}
"""The rule of each row of `data/causes.toml`."""


@cache
def rows() -> Mapping[str, Row]:
    """The table by key, in order."""
    text = (files("servemark.diagnosis") / "data" / "causes.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), dict[str, Row])


def diagnose(run: Run) -> tuple[Finding, ...]:
    """Causes behind what a run shows, the heaviest first; empty where nothing is wrong.

    Takes measured and predicted runs. A rule whose evidence is unknown says nothing: unknown is never 0.
    """
    seen: list[tuple[str, Seen]] = [(key, found) for key, rule in RULES.items() if (found := rule(run))]
    found = [finding(key, rows()[key], each) for key, each in seen]
    return tuple(sorted(found, key=lambda each: -each.weight))
