"""Latency that grows with load: waiting for a slot, waiting for the first token, slower steps."""

from __future__ import annotations

from typing import NamedTuple

from servemark.diagnosis.instrument import lags
from servemark.diagnosis.observations import (
    facts,
    lowest,
    mean_growth_s,
    middle,
    peak,
    percent,
    preempted,
    requests,
    rising,
    said_by_engine,
    states,
    where,
)
from servemark.diagnosis.pools import FULL_RATIO
from servemark.diagnosis.rows import Seen
from servemark.domain.finding import Evidence
from servemark.domain.metrics import METRICS
from servemark.domain.run import Level, Run
from servemark.domain.workload import Users, load_label
from servemark.stats.verdicts import MANY_TOGETHER_RATIO, requests_needed
from servemark.units import format_seconds

SLOWED_FACTOR = 2.0
"""Without a promise, a latency at p95 counts as harmed from so many times that of the lowest load."""
STEADY_FACTOR = 1.3
"""Gaps between tokens that grew by no more are unchanged; that shrank to less than half were not seen right."""
GROWN_FACTOR = 2.0
GAPS_GROWN_FACTOR = 1.5
FLAT_RATIO = 0.8
"""Of the samples with a queue, so many show the same number running."""
LEAST_QUEUED = 3
LEAST_SHARE = 0.05
"""Of the latency; what explains less of it explains nothing."""


class Growth(NamedTuple):
    """One latency at the lowest and at a higher load."""

    low_s: float
    high_s: float

    @property
    def factor(self) -> float:
        return self.high_s / self.low_s

    @property
    def stays(self) -> bool:
        return 1 / GROWN_FACTOR <= self.factor <= STEADY_FACTOR


def slowed(run: Run) -> int | None:
    """The highest load whose latency breaks its promise (or, without one, is twice that of the lowest at p95)."""
    order = rising(run)
    if len(order) < 2:
        return None
    promised = [slo for slo in run.slos if METRICS[slo.metric].unit == "s"]
    for i in reversed(order[1:]):
        level = run.levels[i]
        if promised:
            verdicts = level.verdict.slos if level.verdict else ()
            if any(each.verdict == "breaks" and each.slo in promised for each in verdicts):
                return i
        elif any(
            (grown := growth_of(run, i, key, "p95")) is not None and grown.factor > SLOWED_FACTOR
            for key in ("ttft_s", "e2e_s")
        ):
            return i
    return None


def growth_of(run: Run, index: int, key: str, statistic: str = "p50") -> Growth | None:
    """A latency at the lowest load and at this one; None where either is unknown or 0."""
    base = lowest(run)
    low = _latency(run.levels[base], key, statistic) if base is not None else None
    high = _latency(run.levels[index], key, statistic)
    return Growth(low, high) if low and high else None


def gap_key(run: Run, index: int) -> str:
    """The metric of the gaps between tokens: ITL, or TPOT where many chunks were read together at either load."""
    base = lowest(run)
    levels = [run.levels[index]] if base is None else [run.levels[index], run.levels[base]]
    shares = [found.together_ratio or 0.0 for each in levels if (found := each.metrics.get("itl_s"))]
    return "tpot_s" if max(shares, default=0.0) > MANY_TOGETHER_RATIO else "itl_s"


def _latency(level: Level, key: str, statistic: str) -> float | None:
    found = level.metrics.get(key)
    # a closed form has no samples, and is no worse for it
    few = found is not None and 0 < found.n < requests_needed("p50")
    return None if found is None or few else getattr(found, statistic)


def running_flat_at(level: Level) -> int | None:
    """The number that runs all the while others wait; None where it is unknown, or moves.

    Where more run at another moment, those that waited had only just come in together.
    """
    known = [each for each in states(level) if each.running is not None]
    queued = [each.running or 0 for each in known if each.waiting]
    most = max((each.running or 0 for each in known), default=0)
    if len(queued) < LEAST_QUEUED or not most:
        return None
    flat = sum(each >= most - (most > LEAST_QUEUED) for each in queued)
    return most if flat >= FLAT_RATIO * len(queued) else None


def queueing_behind_slots(run: Run) -> Seen | None:
    """Row 19: k run, the others wait."""
    at = slowed(run)
    if at is None:
        return None
    level, full = run.levels[at], peak(run.levels[at], "kv_used_ratio")
    slots = running_flat_at(level)
    if slots is None:
        return _by_latency_alone(run, at) if not states(level) else None
    asked = facts(run).slots
    # a full pool bounds what runs, unless every slot has a share of its own and all are taken
    full_pool = full is not None and full >= FULL_RATIO and asked != slots
    if full_pool or preempted(level) or _waited_share(run, at) < LEAST_SHARE or _is_queue_short(level):
        return None
    if not _fits_slots(run, at, slots):
        return None
    evidence = [
        said_by_engine(run, at, f"{slots} ran and up to {peak(level, 'waiting') or 0:.0f} waited"),
        *_latency_evidence(run, at),
    ]
    if asked == slots:
        evidence.append(Evidence(text=f"the engine is set to {slots} sequences at once", source="settings"))
    return Seen(
        claim=f"Requests queue behind {slots} slot{'' if slots == 1 else 's'}: {where(run, at)} {slots} ran while up "
        f"to {peak(level, 'waiting') or 0:.0f} waited.",
        confidence="certain" if asked == slots else "likely",
        weight=_waited_share(run, at),
        evidence=tuple(evidence),
        next_step=f"Raise the number of sequences at once above {slots} (vLLM: --max-num-seqs, llama.cpp: --parallel, "
        "Ollama: OLLAMA_NUM_PARALLEL) as far as the KV pool holds, or add replicas.",
    )


def _fits_slots(run: Run, at: int, slots: int) -> bool:
    """N users in rounds of k wait for N / k rounds: latency grows about so many times, or it was but a moment."""
    load, whole = run.levels[at].load, growth_of(run, at, "e2e_s")
    if not isinstance(load, Users) or load.think_s or whole is None:
        return True
    return whole.factor >= load.users / slots / 2


def _is_queue_short(level: Level) -> bool:
    """By the engine's own clock, requests hardly waited, whatever a sample has caught."""
    queued_s, whole = mean_growth_s(level, "queue_s"), level.metrics.get("e2e_s")
    return queued_s is not None and whole is not None and queued_s < LEAST_SHARE * (whole.p50 or 0.0)


def _by_latency_alone(run: Run, at: int) -> Seen | None:
    """Without the engine's own word: latency N / k times that alone, gaps unchanged."""
    load, base = run.levels[at].load, lowest(run)
    gaps, whole, first = (growth_of(run, at, key) for key in (gap_key(run, at), "e2e_s", "ttft_s"))
    alone = run.levels[base].load if base is not None else None
    if not isinstance(load, Users) or alone != Users(users=1) or not (gaps and whole and first):
        return None
    slots = load.users / whole.factor
    if not gaps.stays or first.factor < GROWN_FACTOR or load.think_s or slots > load.users / 2:
        return None
    if _waited_share(run, at) < LEAST_SHARE:
        return None
    return Seen(
        claim=f"Latency {where(run, at)} is {whole.factor:.1f} times that of one user with unchanged gaps between "
        f"tokens, as behind about {slots:.1f} slots.",
        confidence="possible",
        weight=_waited_share(run, at),
        evidence=_latency_evidence(run, at),
    )


def _latency_evidence(run: Run, at: int) -> tuple[Evidence, ...]:
    """TTFT and gaps at both loads; points at the requests that waited longest."""
    base, words = lowest(run), []
    for key in ("ttft_s", gap_key(run, at)):
        grown = growth_of(run, at, key)
        if grown is not None:
            label = METRICS[key].label
            words.append(f"{label} p50 {format_seconds(grown.low_s)} to {format_seconds(grown.high_s)}")
    if not words or base is None:
        return ()
    slow = sorted(
        requests(
            run.levels[at], lambda record: record.first_token_s is not None and record.sent_s is not None
        ),
        key=lambda each: (each.record.sent_s or 0.0) - (each.record.first_token_s or 0.0),
    )
    text = (
        f"from {load_label(run.levels[base].load)} to {load_label(run.levels[at].load)}: {', '.join(words)}"
    )
    positions = tuple(each.position for each in slow[:3])
    return (Evidence(text=text, source="requests", level=at, requests=positions),)


def _waited_share(run: Run, at: int) -> float:
    """Share of the latency at that load that is longer waiting for the first token."""
    first, whole = growth_of(run, at, "ttft_s"), growth_of(run, at, "e2e_s")
    return (first.high_s - first.low_s) / whole.high_s if first and whole else 0.0


def waiting_for_first_token(run: Run) -> Seen | None:
    """Row 20: TTFT grows, the gaps do not."""
    at = slowed(run)
    if at is None or queueing_behind_slots(run) is not None:
        return None
    first, gaps, level = growth_of(run, at, "ttft_s"), growth_of(run, at, gap_key(run, at)), run.levels[at]
    if first is None or gaps is None or first.factor < GROWN_FACTOR or not gaps.stays:
        return None
    if _waited_share(run, at) < LEAST_SHARE:
        return None
    queued_s = mean_growth_s(level, "queue_s")
    in_queue = queued_s is not None and queued_s >= first.high_s / 2
    evidence = list(_latency_evidence(run, at))
    if queued_s is not None:
        text = f"{format_seconds(queued_s)} of it in the queue on average"
        evidence.append(said_by_engine(run, at, text))
    what = "waiting to be admitted" if in_queue else "prompts that wait for prompts before them"
    what = what if queued_s is not None else "a queue, or a backlog of prompts"
    return Seen(
        claim=f"The first token comes {first.factor:.1f} times later {where(run, at)} and the gaps stay: {what}.",
        confidence="likely" if queued_s is not None else "possible",
        weight=_waited_share(run, at),
        evidence=tuple(evidence),
    )


def slower_steps(run: Run) -> Seen | None:
    """Row 21: the gaps between tokens grow with what runs at once."""
    at = slowed(run)
    gaps = growth_of(run, at, gap_key(run, at)) if at is not None else None
    if at is None or gaps is None or gaps.factor < GAPS_GROWN_FACTOR or lags(run.levels[at]):
        return None
    if _decoding_share(run, at) < LEAST_SHARE:
        return None
    level, base = run.levels[at], lowest(run)
    full, times = peak(level, "kv_used_ratio"), preempted(level)
    if times or (full is not None and full >= FULL_RATIO) or base is None:
        return None
    before, now = middle(run.levels[base], "running"), middle(level, "running")
    if before is not None and now is not None and now <= before:
        return None
    evidence = list(_latency_evidence(run, at))
    if before is not None and now is not None:
        evidence.append(
            said_by_engine(run, at, f"{now:.0f} ran at once at the median, {before:.0f} at the lowest load")
        )
    if full is not None:
        evidence.append(
            said_by_engine(run, at, f"the KV pool was {percent(full)} full, nothing was preempted")
        )
    return Seen(
        claim=f"Steps take longer with more sequences: the gap between tokens grows from {format_seconds(gaps.low_s)} "
        f"to {format_seconds(gaps.high_s)} {where(run, at)}.",
        confidence="likely" if times == 0 and now is not None else "possible",
        weight=_decoding_share(run, at),
        evidence=tuple(evidence),
    )


def _decoding_share(run: Run, at: int) -> float:
    """Share of the latency at that load that is longer decoding."""
    first, whole = growth_of(run, at, "ttft_s"), growth_of(run, at, "e2e_s")
    if not first or not whole:
        return 0.0
    return (whole.high_s - first.high_s - (whole.low_s - first.low_s)) / whole.high_s
