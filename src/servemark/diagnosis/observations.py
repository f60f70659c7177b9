"""Counting what a run holds: requests, levels, the engine's own samples. What is not there is None, never 0."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import NormalDist, median
from typing import Literal, NamedTuple

from servemark.domain.engine_sample import EngineFacts, EngineSample
from servemark.domain.finding import Evidence
from servemark.domain.run import Level, RequestRecord, Run
from servemark.domain.workload import Users, load_label, load_value

FEW = 5
"""So many requests are pointed at."""
_Z = NormalDist().inv_cdf(0.975)
Counter = Literal["preemptions", "rejected", "corrupted", "output_tokens"]
Gauge = Literal["running", "waiting", "kv_used_ratio"]
Histogram = Literal["queue_s", "ttft_s", "itl_s", "e2e_s"]


class Request(NamedTuple):
    """A request and its position in the requests of its level."""

    position: int
    record: RequestRecord

    @property
    def took_s(self) -> float:
        """From sending (or from when it should have been sent) to its end."""
        record = self.record
        return record.end_s - (record.scheduled_s if record.sent_s is None else record.sent_s)


def requests(level: Level, wanted: Callable[[RequestRecord], bool] = lambda record: True) -> list[Request]:
    """The requests that count (no warm-up) and are wanted."""
    rows = enumerate(level.requests)
    return [Request(i, each) for i, each in rows if not each.warmup and wanted(each)]


def failed(level: Level) -> list[Request]:
    """Those that did not complete."""
    return requests(level, lambda record: record.outcome != "complete")


def rising(run: Run) -> list[int]:
    """Indices of the levels, from the lowest load to the highest."""
    return sorted(range(len(run.levels)), key=lambda i: load_value(run.levels[i].load))


def lowest(run: Run) -> int | None:
    """The level of the lowest load."""
    return rising(run)[0] if run.levels else None


def alone(run: Run) -> int | None:
    """The level with one user, who is alone on the server."""
    for i in rising(run):
        load = run.levels[i].load
        if isinstance(load, Users) and load.users == 1:
            return i
    return None


def worst(run: Run, size: Callable[[int], float]) -> int | None:
    """The level of the largest size above 0; the lower load of two equal ones."""
    sizes = {i: size(i) for i in rising(run)}
    top = max(sizes, key=lambda i: sizes[i], default=None)
    return top if top is not None and sizes[top] > 0 else None


def where(run: Run, index: int) -> str:
    """`at 32 users`."""
    return f"at {load_label(run.levels[index].load)}"


def share(part: int, whole: int) -> float:
    """Part / whole; 0 of none."""
    return part / whole if whole else 0.0


def percent(ratio: float) -> str:
    """Whole percent for people."""
    return f"{100 * ratio:.0f} %"


def wilson(hits: int, n: int) -> tuple[float, float]:
    """95 % Wilson score interval of a proportion (E. B. Wilson 1927); (0, 1) for n = 0."""
    if n == 0:
        return 0.0, 1.0
    ratio, z2 = hits / n, _Z * _Z
    centre = (ratio + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z / (1 + z2 / n) * (ratio * (1 - ratio) / n + z2 / (4 * n * n)) ** 0.5
    return max(0.0, centre - half), min(1.0, centre + half)


def rises(run: Run, hits: Callable[[int], int]) -> bool:
    """Whether a share of the requests is beyond chance higher at some load than at the lowest."""
    order = rising(run)
    if len(order) < 2:
        return False
    highest = wilson(hits(order[0]), run.levels[order[0]].requests_sent)[1]
    return any(wilson(hits(i), run.levels[i].requests_sent)[0] > highest for i in order[1:])


def shown_by(
    run: Run,
    index: int,
    found: Sequence[Request],
    text: str,
    source: Literal["requests", "engine"] = "requests",
) -> Evidence:
    """A row of evidence that points at a few requests of a level."""
    return Evidence(
        text=f"{where(run, index)}: {text}",
        source=source,
        level=index,
        requests=tuple(each.position for each in found[:FEW]),
    )


def said_by_engine(run: Run, index: int, text: str) -> Evidence:
    """A row of evidence from the engine's own metrics."""
    return Evidence(text=f"{where(run, index)}: {text}", source="engine", level=index)


def states(level: Level) -> list[EngineSample]:
    """What the engine said meanwhile; of a simulated level its decoding steps, of one replica."""
    if level.engine:
        return list(level.engine)
    if any(step.replica for step in level.steps):
        return []
    return [
        EngineSample(
            at_s=step.start_s, running=step.decodes, waiting=step.waiting, kv_used_ratio=step.kv_used_ratio
        )
        for step in level.steps
        if not step.prefill_tokens
    ]


def values(level: Level, gauge: Gauge) -> list[float]:
    """A gauge over the level, where it is known."""
    return [value for each in states(level) if (value := getattr(each, gauge)) is not None]


def peak(level: Level, gauge: Gauge) -> float | None:
    """Its largest value; None where it is unknown."""
    return max(values(level, gauge), default=None)


def middle(level: Level, gauge: Gauge) -> float | None:
    """Its median; None where it is unknown."""
    known = values(level, gauge)
    return median(known) if known else None


def scraped_in_a_row(level: Level) -> list[tuple[EngineSample, EngineSample]]:
    """Samples that follow each other within one visit to the level: between two visits other loads ran."""
    spans: dict[int, tuple[float, float]] = {}
    for each in level.requests:
        start_s, end_s = spans.get(each.block, (each.scheduled_s, each.end_s))
        spans[each.block] = min(start_s, each.scheduled_s), max(end_s, each.end_s)

    def visit(sample: EngineSample) -> int:
        return min(
            spans, key=lambda b: max(spans[b][0] - sample.at_s, sample.at_s - spans[b][1], 0), default=0
        )

    return [(a, b) for a, b in pairwise(level.engine) if visit(a) == visit(b)]


def growth(level: Level, counter: Counter) -> int | None:
    """By how much a counter rose during the level; None where it is unknown or the engine restarted."""
    known = [(getattr(a, counter), getattr(b, counter)) for a, b in scraped_in_a_row(level)]
    steps = [after - before for before, after in known if before is not None and after is not None]
    return sum(steps) if steps and min(steps) >= 0 else None


def mean_growth_s(level: Level, histogram: Histogram) -> float | None:
    """Mean of what entered a histogram of the engine during the level."""
    known = [(getattr(a, histogram), getattr(b, histogram)) for a, b in scraped_in_a_row(level)]
    both = [(before, after) for before, after in known if before is not None and after is not None]
    count = sum(after[1] - before[1] for before, after in both)
    return sum(after[0] - before[0] for before, after in both) / count if count > 0 else None


def preempted(level: Level) -> int | None:
    """Preemptions: as the engine counts, else as the requests say; None where neither does."""
    counted = growth(level, "preemptions")
    if counted is not None:
        return counted
    return level.preemptions if level.preemptions or level.steps else None


def facts(run: Run) -> EngineFacts:
    """The engine's shape: as it says itself, else as it was set up; every field may be unknown."""
    if run.endpoint is not None and run.endpoint.engine is not None:
        return run.endpoint.engine
    if run.deployment is None or run.origin == "measured":
        return EngineFacts()
    engine = run.deployment.engine
    has_slots = engine.policy == "slots"
    pool = run.memory.kv_tokens if run.memory is not None else None
    split = has_slots and not engine.shared_context and pool is not None
    return EngineFacts(
        engine=engine.name,
        slots=engine.max_num_seqs,
        kv_pool_tokens=pool,
        shared_pool=engine.shared_context if has_slots else True,
        context_tokens_per_slot=pool // engine.max_num_seqs if split and pool is not None else None,
    )


def request_tokens(run: Run) -> float | None:
    """Tokens that a request comes to hold: prompt and answer of the complete ones of the lowest load."""
    index = lowest(run)
    if index is None:
        return None
    held = [
        each.record.input_tokens + each.record.output_tokens
        for each in requests(run.levels[index], lambda record: record.outcome == "complete")
        if each.record.input_tokens is not None
    ]
    return sum(held) / len(held) if held else None
