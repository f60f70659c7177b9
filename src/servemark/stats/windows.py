"""The steady-state window of a level, and what was put through inside it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from servemark.domain.run import RequestRecord, StepRecord, Window
from servemark.domain.workload import Load, Users

_LEAST_SHARE = 0.1
"""A steady window shorter than this share of its level says less than the whole level."""
_LEAST_COMPLETIONS = 10
"""Fewest completions in the window of an open loop."""


def steady_window(load: Load, requests: Sequence[RequestRecord]) -> Window | None:
    """The stretch in which the level runs as asked; None without a measured request.

    Closed loop: from the moment every user has its first request in flight to the moment the first
    user stops. Open loop: from the first arrival plus the median latency (batches have filled) to the
    last arrival (nothing drains yet). Warm-up requests count as load but never open the window. Too few
    completions inside, or too short: the whole level, marked as not steady, with the reason.
    """
    measured = [each for each in requests if not each.warmup]
    if not measured:
        return None
    whole_start = min(_sent_s(each) for each in measured)
    whole_end = max(each.end_s for each in measured)
    if isinstance(load, Users):
        bounds, least = _closed_bounds(load, requests), max(2, load.users)
    else:
        bounds, least = _open_bounds(measured), _LEAST_COMPLETIONS
    if isinstance(bounds, str):
        return Window(start_s=whole_start, end_s=whole_end, steady=False, note=f"whole level: {bounds}")
    start_s, end_s = max(bounds[0], whole_start), bounds[1]
    done = sum(1 for each in measured if each.outcome == "complete" and start_s < each.end_s <= end_s)
    if end_s - start_s < _LEAST_SHARE * (whole_end - whole_start) or done < least:
        note = f"whole level: only {done} requests completed in the steady part, {least} needed"
        if done >= least:
            note = "whole level: its steady part is too short"
        return Window(start_s=whole_start, end_s=whole_end, steady=False, note=note)
    return Window(start_s=start_s, end_s=end_s)


def _closed_bounds(load: Users, requests: Sequence[RequestRecord]) -> tuple[float, float] | str:
    first: dict[int, float] = {}
    last: dict[int, float] = {}
    for each in requests:
        if each.user is None:
            return "its requests name no user"
        first[each.user] = min(_sent_s(each), first.get(each.user, _sent_s(each)))
        last[each.user] = max(each.end_s, last.get(each.user, each.end_s))
    if len(first) < load.users:
        return f"{len(first)} of {load.users} users sent a request"
    return max(first.values()), min(last.values())


def _open_bounds(measured: Sequence[RequestRecord]) -> tuple[float, float] | str:
    latencies = [each.end_s - each.scheduled_s for each in measured if each.outcome == "complete"]
    if not latencies:
        return "no request completed"
    arrivals = [each.scheduled_s for each in measured]
    return min(arrivals) + float(np.median(latencies)), max(arrivals)


def requests_per_s(requests: Sequence[RequestRecord], window: Window) -> float | None:
    """Requests completed in (start, end] over its length; None for an empty window."""
    length_s = window.end_s - window.start_s
    if length_s <= 0:
        return None
    ends = (each.end_s for each in requests if each.outcome == "complete")
    return sum(window.start_s < end <= window.end_s for end in ends) / length_s


def output_tokens_per_s(
    requests: Sequence[RequestRecord], steps: Sequence[StepRecord], window: Window
) -> float | None:
    """Output tokens emitted in (start, end] over its length; None for an empty window.

    Simulated: every decode of every step that ends inside, plus first tokens and tokens after a
    preemption. Measured: of complete requests, the chunks stamped inside, each worth
    `output_tokens / chunks` tokens (the server's count, not ours); without stamps, the tokens after the
    first are spread evenly from first to last.
    """
    length_s = window.end_s - window.start_s
    if length_s <= 0:
        return None
    if steps:
        return (_decoded(steps, window) + _outside_decodes(requests, window)) / length_s
    complete = [each for each in requests if each.outcome == "complete"]
    return sum(_emitted(each, window) for each in complete) / length_s


def _decoded(steps: Sequence[StepRecord], window: Window) -> float:
    """Tokens of decode steps that end in the window; a stretch on its edge is counted step by step."""
    total = 0
    for step in steps:
        end_s = step.start_s + step.count * (step.first_s + step.last_s) / 2
        if end_s <= window.start_s or step.start_s >= window.end_s or not step.decodes:
            continue
        inside = step.count
        if step.start_s < window.start_s or end_s > window.end_s:
            ends = step.start_s + np.cumsum(np.linspace(step.first_s, step.last_s, step.count))
            inside = int(((ends > window.start_s) & (ends <= window.end_s)).sum())
        total += inside * step.decodes
    return float(total)


def _outside_decodes(requests: Sequence[RequestRecord], window: Window) -> float:
    """First tokens in the window, and tokens after a preemption in the share of the request inside it."""
    total = 0.0
    for each in requests:
        if each.first_token_s is None:
            continue
        total += window.start_s < each.first_token_s <= window.end_s
        if each.stalls_s:
            last_s = each.end_s if each.last_token_s is None else each.last_token_s
            total += len(each.stalls_s) * _share_inside(each.first_token_s, last_s, window)
    return total


def _emitted(each: RequestRecord, window: Window) -> float:
    """Tokens of one request that came in the window."""
    if each.first_token_s is None or each.last_token_s is None:
        return 0.0
    if each.chunk_s:
        stamps = np.asarray(each.chunk_s)
        inside = int(((stamps > window.start_s) & (stamps <= window.end_s)).sum())
        return each.output_tokens * inside / len(stamps)
    later = max(0, each.output_tokens - 1) * _share_inside(each.first_token_s, each.last_token_s, window)
    return later + (window.start_s < each.first_token_s <= window.end_s)


def _share_inside(first_s: float, last_s: float, window: Window) -> float:
    """Share of [first, last] that lies in the window; a point counts whole."""
    if last_s <= first_s:
        return float(window.start_s < last_s <= window.end_s)
    return max(0.0, min(last_s, window.end_s) - max(first_s, window.start_s)) / (last_s - first_s)


def _sent_s(each: RequestRecord) -> float:
    return each.scheduled_s if each.sent_s is None else each.sent_s
