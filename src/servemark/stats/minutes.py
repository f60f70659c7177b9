"""Minutes of a level in which a promise is broken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from servemark.domain.metrics import METRICS, QUANTILES
from servemark.domain.run import RequestRecord
from servemark.domain.workload import Slo
from servemark.stats.summary import request_samples

MINUTE_S: Final = 60.0


class Minutes(NamedTuple):
    """How many there were, and how many of them broke a promise."""

    counted: int
    """Minutes in which requests were to be sent, warm-up apart."""
    lost: int
    ignored: tuple[str, ...] = ()
    """Promises that say nothing of a single minute's requests (gaps between tokens, throughput)."""


def lost_minutes(requests: Sequence[RequestRecord], slos: Sequence[Slo]) -> Minutes:
    """Count the minutes whose requests, by when they were to be sent, break a promise.

    The statistic of a promise is taken over the complete requests of the minute, without an interval: in a
    quiet minute its p95 is nearly its slowest request. A minute with requests of which none completed is lost.
    """
    measured = [each for each in requests if not each.warmup]
    if not measured:
        return Minutes(0, 0)
    minute = _minutes(measured)
    complete = [each for each in measured if each.outcome == "complete"]
    present, sent = np.unique(minute, return_counts=True)
    done_in = _minutes(complete)
    done = np.bincount(np.searchsorted(present, done_in), minlength=len(present))
    lost = done == 0
    ignored: list[str] = []
    samples = request_samples(complete)
    for slo in slos:
        if slo.metric == "failures_ratio":
            lost |= (sent - done) / sent > slo.limit
        elif slo.metric in samples:
            lost |= _broken(samples[slo.metric], done_in, present, slo)
        else:
            ignored.append(slo.name)
    return Minutes(len(present), int(np.count_nonzero(lost)), tuple(ignored))


def _minutes(requests: Sequence[RequestRecord]) -> NDArray[np.int64]:
    return np.array([each.scheduled_s // MINUTE_S for each in requests], dtype=np.int64)


def _broken(
    values: NDArray[np.float64], minute: NDArray[np.int64], present: NDArray[np.int64], slo: Slo
) -> NDArray[np.bool_]:
    """For each minute, whether the statistic misses the limit; not where it has no sample."""
    known = ~np.isnan(values)
    order = np.argsort(minute[known], kind="stable")
    values, minute = values[known][order], minute[known][order]
    edges = np.searchsorted(minute, present), np.searchsorted(minute, present, side="right")
    broken = np.zeros(len(present), dtype=np.bool_)
    lower = METRICS[slo.metric].better == "lower"
    for i, (first, last) in enumerate(zip(*edges, strict=True)):
        if first < last:
            part = values[first:last]
            value = part.mean() if slo.statistic == "mean" else np.quantile(part, QUANTILES[slo.statistic])
            broken[i] = value > slo.limit if lower else value < slo.limit
    return broken
