"""Requests that were given up while they waited, and requests that were turned away at once."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from servemark.diagnosis.observations import (
    Request,
    failed,
    growth,
    mean_growth_s,
    peak,
    percent,
    rises,
    said_by_engine,
    share,
    shown_by,
    where,
    worst,
)
from servemark.diagnosis.rows import Seen
from servemark.domain.finding import Evidence
from servemark.domain.run import Level, Run
from servemark.units import format_seconds

SPREAD_RATIO = 0.03
"""Failures this close to their median end at one value..."""
BUNCHED_RATIO = 0.8
"""...where so many of them do, ..."""
LEAST_BUNCH = 4
"""...and there are at least so many."""
LEAST_TIMEOUT_S = 1.0
AT_ONCE_S = 1.0
TURNED_AWAY = (429, 503, 529)


def bunch(found: Sequence[Request]) -> tuple[float, list[Request]] | None:
    """The one time at which most of these requests ended, and those that did."""
    if len(found) < LEAST_BUNCH:
        return None
    centre_s = median(each.took_s for each in found)
    near = [each for each in found if abs(each.took_s - centre_s) <= SPREAD_RATIO * centre_s]
    if centre_s < LEAST_TIMEOUT_S or len(near) < BUNCHED_RATIO * len(found):
        return None
    return centre_s, near


def given_up(level: Level) -> list[Request]:
    """Failures that a time limit can be behind; a stream that named another error is none."""
    return [
        each
        for each in failed(level)
        if each.record.outcome in ("timed_out", "transport")
        or each.record.status in (408, 499, 502, 503, 504)
        or (each.record.outcome == "broken" and "without finish reason" in each.record.reason)
    ]


def timeout_while_queued(run: Run) -> Seen | None:
    """Row 1: failures that rise with load and all take equally long."""
    at = worst(run, lambda i: len(bunched[1]) if (bunched := bunch(given_up(run.levels[i]))) else 0)
    if at is None or not rises(run, lambda i: len(given_up(run.levels[i]))):
        return None
    level = run.levels[at]
    limit_s, near = bunch(given_up(level)) or (0.0, [])
    own = all(each.record.outcome == "timed_out" for each in near)
    evidence = [
        shown_by(
            run, at, near,
            f"{len(near)} of {len(given_up(level))} such failures ended within {percent(SPREAD_RATIO)} of "
            f"{format_seconds(limit_s)}",
        ),
        *_queue_evidence(run, at),
    ]  # fmt: skip
    whose = "the time limit of this measurement" if own else "a time limit of a client, proxy or framework"
    return Seen(
        claim=f"{whose[0].upper()}{whose[1:]}, {format_seconds(limit_s)}, ends requests that still wait: "
        f"{len(near)} of {level.requests_sent} {where(run, at)}.",
        confidence="certain" if own and len(evidence) > 1 else "likely",
        weight=share(len(near), level.requests_sent),
        evidence=tuple(evidence),
        next_step=f"Measure again with --timeout {4 * limit_s:.0f}s: the same requests then end late instead of never."
        if own
        else "",
    )


def _queue_evidence(run: Run, index: int) -> list[Evidence]:
    """What the engine says of its queue meanwhile."""
    level = run.levels[index]
    waiting, queued_s = peak(level, "waiting"), mean_growth_s(level, "queue_s")
    rows: list[Evidence] = []
    if waiting:
        rows.append(said_by_engine(run, index, f"up to {waiting:.0f} requests waited"))
    if queued_s is not None and queued_s >= LEAST_TIMEOUT_S:
        rows.append(said_by_engine(run, index, f"they waited {format_seconds(queued_s)} on average"))
    return rows


def turned_away(level: Level) -> list[Request]:
    """Refused for load, and at once."""
    return [
        each for each in failed(level) if each.record.status in TURNED_AWAY and each.took_s <= AT_ONCE_S
    ]


def refused_at_once(run: Run) -> Seen | None:
    """Row 2: 429 or 503 before anything was tried."""
    at = worst(run, lambda i: share(len(turned_away(run.levels[i])), run.levels[i].requests_sent))
    if at is None:
        return None
    level = run.levels[at]
    found = turned_away(level)
    status = max({each.record.status or 0 for each in found})
    middle_s = median(each.took_s for each in found)
    evidence = [
        shown_by(
            run, at, found,
            f"{len(found)} of {level.requests_sent} answered HTTP {status}, after {format_seconds(middle_s)} at "
            f"the median: {found[0].record.reason}",
        )
    ]  # fmt: skip
    rejected = growth(level, "rejected")
    if rejected:
        evidence.append(said_by_engine(run, at, f"the engine counts {rejected} rejections of its own"))
    who = "The engine's own admission limit" if rejected else "A queue or rate limit before the engine"
    return Seen(
        claim=f"{who} turns requests away at once: {len(found)} of {level.requests_sent} {where(run, at)}.",
        confidence="certain" if rejected else "likely",
        weight=share(len(found), level.requests_sent),
        evidence=tuple(evidence),
    )
