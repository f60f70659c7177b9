"""The steady-state window of a level, and what was put through inside it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace

from servemark.domain.run import RequestRecord, Window
from servemark.domain.workload import Load, Users

_LEAST_SHARE = 0.1
"""A steady window shorter than this share of its level says less than the whole level."""
_LEAST_REQUESTS = 10
"""Fewest requests in the window of an open loop."""
_ROUNDING = 0.01
"""Shares add up to whole requests only up to this."""


class Throughput(NamedTuple):
    """What a window put through; None where there is no window, or an empty one."""

    requests_per_s: float | None = None
    output_tokens_per_s: float | None = None


def steady_window(load: Load, requests: Sequence[RequestRecord]) -> Window | None:
    """The stretch in which the level runs as asked; None without a measured request.

    Closed loop: from the moment every user has its first request in flight to the moment the first
    user stops. Open loop: from the first arrival plus the median latency (batches have filled) to the
    last arrival (nothing drains yet). Warm-up requests count as load but never open the window. Too few
    complete requests inside, or too short: the whole level, marked as not steady, with the reason.
    """
    measured = [each for each in requests if not each.warmup]
    if not measured:
        return None
    start_s = min(_sent_s(each) for each in measured)
    whole = Window(start_s=start_s, end_s=max(each.end_s for each in measured), steady=False)
    if isinstance(load, Users):
        bounds, least = _closed_bounds(load, requests), max(2, load.users)
    else:
        bounds, least = _open_bounds(measured), _LEAST_REQUESTS
    if isinstance(bounds, str):
        return replace(whole, note=f"whole level: {bounds}")
    window = Window(start_s=max(bounds[0], start_s), end_s=bounds[1])
    inside = sum(_share_inside(load, each, window) for each in measured if each.outcome == "complete")
    if inside < least - _ROUNDING:
        found = f"only {inside:.1f} requests completed in the steady part, {least} needed"
        return replace(whole, note=f"whole level: {found}")
    if window.end_s - window.start_s < _LEAST_SHARE * (whole.end_s - start_s):
        return replace(whole, note="whole level: its steady part is too short")
    return window


def throughput(load: Load, requests: Sequence[RequestRecord], window: Window | None) -> Throughput:
    """Complete requests and their output tokens in (start, end], over its length.

    A request that crosses an edge counts by its share inside, and its tokens by the same share, so that
    both rates tell of the same work and no burst at an edge is counted whole or lost. Open loop: the
    share of its output that came inside. Closed loop: the share of its time in flight: every user always
    has one, and users that run in step all end at once, at the edge.
    """
    length_s = window.end_s - window.start_s if window else 0.0
    if window is None or length_s <= 0:
        return Throughput()
    complete = [each for each in requests if each.outcome == "complete"]
    shares = [_share_inside(load, each, window) for each in complete]
    tokens = sum(share * each.output_tokens for share, each in zip(shares, complete, strict=True))
    return Throughput(sum(shares) / length_s, tokens / length_s)


def steady_throughput(load: Load, requests: Sequence[RequestRecord]) -> tuple[Window | None, Throughput]:
    """The window of a level and what it put through.

    Of an experiment, whose level is visited once in every block, each visit has a window of its own: the rates
    are those of all visits together, total over total time, and the window that is told reaches from the first
    to the last of them.
    """
    blocks: dict[int, list[RequestRecord]] = {}
    for each in requests:
        blocks.setdefault(each.block, []).append(each)
    parts = [(steady_window(load, rows), rows) for rows in blocks.values()]
    parts = [
        (window, rows) for window, rows in parts if window is not None and window.end_s > window.start_s
    ]
    if len(blocks) < 2 or not parts:
        window = steady_window(load, requests)
        return window, throughput(load, requests, window)
    rates = [
        (window.end_s - window.start_s, throughput(load, rows, window)) for window, rows in parts if window
    ]
    steady_s = sum(length_s for length_s, _ in rates)
    windows = [window for window, _ in parts if window]
    unsteady = [window.note for window in windows if not window.steady]
    note = f"{len(windows)} visits, {steady_s:.3g} s together"
    if unsteady:
        note += f"; {len(unsteady)} of them not steady ({unsteady[0]})"
    together = Window(
        start_s=min(window.start_s for window in windows),
        end_s=max(window.end_s for window in windows),
        steady=not unsteady,
        note=note,
    )
    return together, Throughput(
        sum(length_s * (rate.requests_per_s or 0.0) for length_s, rate in rates) / steady_s,
        sum(length_s * (rate.output_tokens_per_s or 0.0) for length_s, rate in rates) / steady_s,
    )


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


def _share_inside(load: Load, each: RequestRecord, window: Window) -> float:
    """Share of one complete request that belongs to the window."""
    if isinstance(load, Users):
        return _overlap(_sent_s(each), each.end_s, window)
    if each.chunk_s:
        inside = bisect_right(each.chunk_s, window.end_s) - bisect_right(each.chunk_s, window.start_s)
        return inside / len(each.chunk_s)
    if each.first_token_s is None or each.last_token_s is None:
        return _overlap(each.end_s, each.end_s, window)
    # no stamps: the first token, and the others spread evenly from the first to the last
    first = _overlap(each.first_token_s, each.first_token_s, window)
    others = _overlap(each.first_token_s, each.last_token_s, window)
    return others + (first - others) / max(1, each.output_tokens)


def _overlap(from_s: float, to_s: float, window: Window) -> float:
    """Share of [from, to] that lies in the window; a point counts whole."""
    if to_s <= from_s:
        return float(window.start_s < to_s <= window.end_s)
    return max(0.0, min(to_s, window.end_s) - max(from_s, window.start_s)) / (to_s - from_s)


def _sent_s(each: RequestRecord) -> float:
    return each.scheduled_s if each.sent_s is None else each.sent_s
