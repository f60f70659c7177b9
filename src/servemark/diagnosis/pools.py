"""The KV pool: exhausted, preempting, or mistaken for the model."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from servemark.diagnosis.defects import same_items
from servemark.diagnosis.observations import (
    Request,
    facts,
    failed,
    peak,
    percent,
    preempted,
    request_tokens,
    requests,
    rising,
    said_by_engine,
    share,
    shown_by,
    where,
    worst,
)
from servemark.diagnosis.rows import Seen
from servemark.diagnosis.timeouts import bunch, given_up
from servemark.domain.finding import Evidence
from servemark.domain.run import Level, Run
from servemark.domain.workload import Users

FULL_RATIO = 0.95
"""A KV pool counts as full from here."""
ROOM_LEFT_RATIO = 0.9
"""A request that breaks off below so much of its slot did not fill it."""
TOGETHER_S = 0.5
"""Streams that end within so long of each other died of one cause."""
POOL_WORDS = ("context size", "kv cache", "kv_cache", "out of memory", "no slot")


def predicted_cliff(pool_tokens: int, request_tokens: float) -> float | None:
    """Users that a shared KV pool holds: pool / tokens of one request; the cliff lies after its whole part.

    512 tokens and about 84 per request: 6.1, so six users fit and the seventh can empty the pool.
    None where a request takes no tokens.
    """
    return pool_tokens / request_tokens if request_tokens > 0 else None


def cliff_note(pool_tokens: int, request_tokens: float) -> str | None:
    """The prediction in words, before anything was measured; None where a request takes no tokens."""
    users = predicted_cliff(pool_tokens, request_tokens)
    if users is None:
        return None
    return (
        f"the KV pool holds {pool_tokens:,} tokens and a request takes about {request_tokens:.0f}: "
        f"{users:.1f} users fit at once"
    )


def cut_off(level: Level) -> list[Request]:
    """Answers of status 200 that an error, or nothing at all, or the end of the connection ended after their first
    text; but for those that a time limit ended.
    """
    bunched = bunch(given_up(level))
    late = {each.position for each in bunched[1]} if bunched else set()
    return [
        each
        for each in failed(level)
        if each.record.outcome in ("broken", "transport") and each.record.text_chunks > 0
        and not each.record.reason.startswith("finish reason") and each.position not in late
    ]  # fmt: skip


def names_pool(found: Request) -> bool:
    """The stream's own error says that there was no room left."""
    return any(word in found.record.reason.lower() for word in POOL_WORDS)


def died_together(found: list[Request]) -> int:
    """How many ended within `TOGETHER_S` of another one."""
    ends = sorted(each.record.end_s for each in found)
    pairs = [b - a <= TOGETHER_S for a, b in pairwise(ends)]
    near = [*pairs, False]
    return sum(near[i] or (i > 0 and near[i - 1]) for i in range(len(ends)))


def shared_kv_pool_exhausted(run: Run) -> Seen | None:
    """Row 5: streams that die together once the pool of all users is empty."""
    at = worst(run, lambda i: share(len(_out_of_pool(run.levels[i])), run.levels[i].requests_sent))
    if at is None or facts(run).shared_pool is False:
        return None
    level, shared = run.levels[at], shared_pool_tokens(run)
    found = _out_of_pool(level)
    evidence = [
        shown_by(
            run, at, found,
            f"{len(found)} of {level.requests_sent} requests were broken off, {_of_200(found)} with status 200, "
            f"{died_together(found)} of them together: {found[0].record.reason}",
        )
    ]  # fmt: skip
    cliff = _cliff_evidence(run)
    if shared is not None:
        evidence.append(Evidence(text=shared[1], source="settings"))
    if cliff is not None:
        evidence.append(cliff[1])
    full = peak(level, "kv_used_ratio")
    if full is not None:
        evidence.append(said_by_engine(run, at, f"the KV pool was {percent(full)} full at its peak"))
    matches = cliff is not None and cliff[2]
    predicted = f", cliff predicted at {int(cliff[0])} users" if cliff is not None else ""
    return Seen(
        claim=f"The shared KV pool is exhausted{predicted}: {len(found)} of {level.requests_sent} answers break off "
        f"{where(run, at)}.",
        confidence="certain" if matches or (full is not None and full >= FULL_RATIO) else "likely",
        weight=share(len(found), level.requests_sent),
        evidence=tuple(evidence),
        next_step=_more_room(run, at),
    )


def _out_of_pool(level: Level) -> list[Request]:
    """Requests that an error of the pool ended, as a stream or (5xx) before it; and streams that broke beside them."""
    lost = [
        each
        for each in failed(level)
        if each.record.outcome == "broken" or (each.record.status or 0) >= 500
    ]
    found = [each for each in lost if names_pool(each)]
    positions = {each.position for each in found}
    beside = [each for each in cut_off(level) if each.position not in positions]
    return sorted(found + beside, key=lambda each: each.position) if found else []


def _of_200(found: list[Request]) -> int:
    return sum(each.record.status == 200 for each in found)


def shared_pool_tokens(run: Run) -> tuple[int, str] | None:
    """Tokens of the pool that all share, and how that is known; None where it is not."""
    known = facts(run)
    if known.shared_pool is not False and known.kv_pool_tokens is not None:
        return known.kv_pool_tokens, f"the engine's pool holds {known.kv_pool_tokens:,} tokens"
    room, first = known.context_tokens_per_slot, same_items(run)
    if room is None or known.shared_pool is False:
        return None
    for level in run.levels:
        for each in _out_of_pool(level):
            before = first.get(each.record.item or "")
            prompt = before.record.input_tokens if before else None
            if prompt is not None and prompt + each.record.text_chunks < ROOM_LEFT_RATIO * room:
                held = prompt + each.record.text_chunks
                return room, (
                    f"a slot has {room:,} tokens, and a request that held {held} broke off for want of room: "
                    "the slots share them"
                )
    return None


def _cliff_evidence(run: Run) -> tuple[float, Evidence, bool] | None:
    """Users that fit by the arithmetic, beside where the first answers broke off; whether the two agree."""
    shared, tokens = shared_pool_tokens(run), request_tokens(run)
    if shared is None or not tokens:
        return None
    pool, users = shared[0], shared[0] / tokens
    whole, broken = None, None
    for i in rising(run):
        load = run.levels[i].load
        if not isinstance(load, Users):
            return None
        if _out_of_pool(run.levels[i]):
            broken = load.users
            break
        whole = load.users
    # the last load without a broken answer may lie above the cliff by chance: not all are long at once
    agrees = broken is not None and broken > int(users) and (whole is None or whole <= users + 1)
    seen = f"none broke off up to {whole}" if whole is not None else "the lowest load"
    first = f", the first at {broken}" if broken is not None else ""
    text = f"{pool:,} tokens / {tokens:.0f} per request = {users:.1f} users; measured: {seen}{first}"
    return users, Evidence(text=text, source="arithmetic"), agrees


def _more_room(run: Run, index: int) -> str:
    load, tokens = run.levels[index].load, request_tokens(run)
    if not isinstance(load, Users) or tokens is None:
        return ""
    needed = int(load.users * tokens) + 1
    return (
        f"Give the pool at least {load.users} x {tokens:.0f} = {needed:,} tokens (llama.cpp: --ctx-size {needed}), or "
        "let in fewer at once (--parallel), or divide the pool among the slots (--no-kv-unified), or lower max_tokens."
    )


def streams_broken_off(run: Run) -> Seen | None:
    """Row 5 without a named cause: a crash of a worker, or a proxy that cuts."""

    def unnamed(i: int) -> list[Request]:
        return [] if _out_of_pool(run.levels[i]) else cut_off(run.levels[i])

    at = worst(run, lambda i: share(len(unnamed(i)), run.levels[i].requests_sent))
    if at is None:
        return None
    level, found = run.levels[at], unnamed(at)
    named = [each for each in found if each.record.reason.startswith("error event")]
    how = (
        "an error that the stream names ends them"
        if len(named) == len(found)
        else "what ends them is not said"
    )
    reasons = Counter(each.record.reason.partition(" after ")[0] for each in found).most_common(2)
    words = "; ".join(f"{count} times: {reason}" if count > 1 else reason for reason, count in reasons)
    return Seen(
        claim=f"Answers of status 200 break off before their end, {len(found)} of {level.requests_sent} "
        f"{where(run, at)}; {how}.",
        confidence="likely" if named else "possible",
        weight=share(len(found), level.requests_sent),
        evidence=(shown_by(run, at, found, words),),
    )


def preemption_and_recompute(run: Run) -> Seen | None:
    """Row 22: the pool runs full, sequences are thrown out and computed again."""
    at = worst(run, lambda i: float(preempted(run.levels[i]) or 0))
    if at is None:
        return None
    level = run.levels[at]
    times, full, waiting = preempted(level) or 0, peak(level, "kv_used_ratio"), peak(level, "waiting")
    if full is not None and full < FULL_RATIO / 2:
        return None
    hit = requests(level, lambda record: record.preemptions > 0 or len(record.stalls_s) > 0)
    words = [f"{times} preemptions"]
    words += [f"the KV pool {percent(full)} full"] if full is not None else []
    words += [f"up to {waiting:.0f} requests waiting"] if waiting else []
    evidence = [
        Evidence(
            text=f"{where(run, at)}: {', '.join(words)}", source="engine" if level.engine else "requests",
            level=at, requests=tuple(each.position for each in hit[:5]),
        )
    ]  # fmt: skip
    note = _fits_words(run)
    evidence += [Evidence(text=note, source="arithmetic")] if note else []
    unharmed = _unharmed(level)
    evidence += (
        [Evidence(text=f"{where(run, at)}: {unharmed}", source="statistics", level=at)] if unharmed else []
    )
    return Seen(
        claim=f"Queueing and preemption {where(run, at)}: the KV pool ran full and the engine threw out sequences "
        f"{times} times to compute them again{', answers unharmed' if unharmed else ''}.",
        confidence="certain" if full is not None and full >= FULL_RATIO else "likely",
        weight=stalled_share(level),
        evidence=tuple(evidence),
    )


def stalled_share(level: Level) -> float:
    """Part of the latency at p95 that the worst gap of a request is."""
    gap, whole = level.metrics.get("stall_max_s"), level.metrics.get("e2e_s")
    if gap is None or whole is None or not gap.p95 or not whole.p95:
        return 0.0
    return gap.p95 / whole.p95


def _fits_words(run: Run) -> str | None:
    pool, tokens = facts(run).kv_pool_tokens, request_tokens(run)
    return cliff_note(pool, tokens) if pool is not None and tokens is not None else None


def _unharmed(level: Level) -> str | None:
    """That the answers are as good as alone, where that is known."""
    quality = level.quality
    if quality is None or quality.loss_ratio is None or quality.loss_ratio > 0:
        return None
    return f"{quality.complete} of {quality.asked} complete, none worse than alone on balance"
