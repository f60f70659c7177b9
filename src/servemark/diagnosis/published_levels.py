"""Published latencies over load, and what was asked at each load."""

from __future__ import annotations

from math import ceil

from msgspec.structs import replace

from servemark.diagnosis.published_case import (
    Case,
    at_users,
    deciding_command,
    reported,
    users_words,
    worked_out,
)
from servemark.domain.deployment import Deployment
from servemark.domain.finding import Finding
from servemark.domain.published_test import PublishedLevel
from servemark.domain.workload import FixedLength, Users, Workload
from servemark.physics.levels import closed_form_level
from servemark.physics.memory import memory_budget

INPUT_TOKENS = 512
"""Of a prompt with its passage, where the report does not say; a thousand more change little at one user."""


def e2e_s(case: Case, deployment: Deployment, users: int, output_tokens: int) -> float:
    """Closed-form E2E latency at p50."""
    workload = Workload(input=FixedLength(tokens=INPUT_TOKENS), output=FixedLength(tokens=output_tokens))
    budget = memory_budget(deployment, sequence_tokens=INPUT_TOKENS + output_tokens)
    level = closed_form_level(deployment, case.coefficients, budget, Users(users=users), workload)
    return level.metrics["e2e_s"].p50 or 0.0


def answer_tokens(case: Case, latency_s: float) -> int:
    """Length of an answer that takes so long at one user, by the closed form (linear in the length)."""
    short_s, long_s = (e2e_s(case, case.deployment, 1, n) for n in (32, 288))
    return max(1, round(32 + (latency_s - short_s) / (long_s - short_s) * 256))


def timed(case: Case) -> list[PublishedLevel]:
    """Levels with a latency, by users."""
    return sorted((each for each in case.test.levels if each.latency_s), key=lambda each: each.users)


def latency_sub_linear(case: Case) -> Finding | None:
    """Latency that grew less than the load did, and what would make it grow so."""
    known = timed(case)
    if len(known) < 2 or known[0].users != 1 or case.deployment.model.kind != "decoder":
        return None
    one, many = known[0], known[-1]
    alone_s, late_s = one.latency_s or 0.0, many.latency_s or 0.0
    factor = late_s / alone_s
    slots = max(1, ceil(many.users / factor))
    if factor >= many.users or slots >= many.users:
        return None
    tokens = answer_tokens(case, alone_s)
    few = replace(
        case.deployment, engine=replace(case.deployment.engine, max_num_seqs=slots, cuda_graph_sizes=())
    )
    batched_s, queued_s = (
        e2e_s(case, case.deployment, many.users, tokens),
        e2e_s(case, few, many.users, tokens),
    )
    return Finding(
        key="queueing_behind_slots",
        claim=f"Latency is sub-linear, {factor:.1f}x for {many.users}x the users, and fits about {slots} slots; a full "
        f"batch on this card would answer in about {batched_s:.0f} s at {many.users} users.",
        confidence="likely",
        weight=max(0.0, 1 - batched_s / late_s),
        evidence=(
            reported(f"{alone_s:g} s at {users_words(one.users)}", at_users(case.test, one)),
            reported(f"{late_s:g} s at {users_words(many.users)}", at_users(case.test, many)),
            worked_out(
                f"{many.users} users / {slots} slots = {ceil(many.users / slots)} rounds x {alone_s:g} s = "
                f"{ceil(many.users / slots) * alone_s:.0f} s"
            ),
            worked_out(
                f"closed form, {INPUT_TOKENS} + {tokens} tokens ({alone_s:g} s at 1 user): {batched_s:.1f} s at "
                f"{many.users} users, {queued_s:.1f} s with max_num_seqs = {slots}"
            ),
            worked_out(f"{len(known)} points show no curve, neither straight nor exponential"),
        ),
        refuted_by=f"A count of running requests above {slots} at {many.users} users.",
        next_step="Read the number of sequences at once from the engine (vLLM: max_num_seqs, Ollama: "
        f"OLLAMA_NUM_PARALLEL, llama.cpp: --parallel) and measure again with {many.users}.",
        consequence="Users waited for a setting, most likely, and not for the card.",
    )


def subject_and_load_confounded(case: Case) -> Finding | None:
    """Other questions at other loads, in one sweep, nothing measured twice."""
    test = case.test
    subjects = {each.subject: each for each in test.levels if each.subject}
    if len(subjects) < 2 or len({each.users for each in subjects.values()}) < 2 or test.controls:
        return None
    order = f"{test.sweeps or 'one'} {test.order} sweep" if test.order else "an order that is not disclosed"
    hits = [(each.wrong_language or 0) / each.items for each in subjects.values() if each.items]
    return Finding(
        key="subject_and_load_confounded",
        claim="Subject and load are confounded: "
        + ", ".join(f"{name} at {users_words(each.users)}" for name, each in subjects.items())
        + "; what is put down to load may be the subject's.",
        confidence="certain",
        weight=max(hits, default=0.0),
        evidence=(
            *(
                reported(f"{name} at {users_words(each.users)}", at_users(test, each))
                for name, each in subjects.items()
            ),
            reported(f"{order}, {test.controls or 'no'} load measured twice"),
        ),
        refuted_by="The same items at every load, in random order of the loads.",
        next_step=deciding_command(test),
        consequence="A change of hardware after this comparison could miss the cause altogether.",
    )
