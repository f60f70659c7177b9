"""What the raw rows of a level come to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from servemark.domain.metrics import QUANTILES
from servemark.domain.run import (
    OUTCOMES,
    CpuShare,
    Distribution,
    GpuSample,
    Lag,
    Level,
    RequestRecord,
    StepRecord,
)
from servemark.domain.workload import Load
from servemark.stats.blocked import over_blocks
from servemark.stats.gaps import gap_distribution, worst_gaps
from servemark.stats.percentiles import mean_interval, quantile_interval, ratio_interval
from servemark.stats.windows import steady_throughput


def summarise(
    load: Load,
    requests: Sequence[RequestRecord],
    steps: Sequence[StepRecord] = (),
    *,
    lag: Lag | None = None,
    cpu: CpuShare | None = None,
    samples: Sequence[GpuSample] = (),
    notes: Sequence[str] = (),
    cut: int = 0,
) -> Level:
    """The summary of one level, measured or simulated. Never raises: failed requests are data.

    Latencies are those of complete requests only. Warm-up requests (`RequestRecord.warmup`) enter no
    count but `warmup_sent`. Every latency metric is present, with n = 0 where it has no sample:
    TPOT needs two tokens that came apart, a gap needs two chunks. Several tokens in one chunk are one
    ITL sample (the gap to the chunk before), never zero gaps. `metrics["failures_ratio"]` holds the
    share of requests that did not complete as its mean, with an exact binomial interval. Of an experiment,
    whose requests come in blocks, intervals of latencies are by a bootstrap of blocks.

    Args:
        load: what was asked for.
        requests: every request, warm-up included.
        steps: engine steps of a simulated level; its gaps come from these. Steps before the first
            measured request are no gaps of the level; a warm-up request still in flight after that
            leaves its last gaps in.
        lag: the instrument's own error.
        cpu: cores kept busy by client and engine.
        samples: board samples.
        notes: remarks, kept.
        cut: requests still in flight at the end, of which there is no record.
    """
    measured = [each for each in requests if not each.warmup]
    complete = [each for each in measured if each.outcome == "complete"]
    outcomes: dict[str, int] = dict.fromkeys(OUTCOMES, 0)
    for each in measured:
        outcomes[each.outcome] += 1
    failed = len(measured) - len(complete)
    began_s = min((each.scheduled_s for each in measured), default=0.0)
    own_steps = [step for step in steps if step.start_s >= began_s] if steps else []
    metrics = _request_metrics(complete)
    metrics["itl_s"] = gap_distribution(complete, own_steps)
    metrics["stall_max_s"] = describe(worst_gaps(complete, own_steps))
    if measured:
        interval = ratio_interval(failed, len(measured))
        metrics["failures_ratio"] = Distribution(
            n=len(measured), mean=failed / len(measured), ci={"mean": interval}
        )
    window, rates = steady_throughput(load, requests)
    return Level(
        load=load,
        requests_sent=len(measured),
        warmup_sent=len(requests) - len(measured),
        outcomes=outcomes,
        metrics=metrics,
        output_tokens_per_s=rates.output_tokens_per_s,
        requests_per_s=rates.requests_per_s,
        failures_ratio=failed / len(measured) if measured else None,
        preemptions=sum(each.preemptions for each in measured),
        cut=cut,
        window=window,
        lag=lag,
        cpu=cpu,
        notes=tuple(notes),
        requests=tuple(requests),
        steps=tuple(steps),
        samples=tuple(samples),
    )


def describe(values: NDArray[np.float64]) -> Distribution:
    """Mean and percentiles of independent samples (one per request), with 95 % intervals."""
    if not len(values):
        return Distribution(n=0)
    ordered = np.sort(values)
    points = dict(zip(QUANTILES, np.quantile(ordered, list(QUANTILES.values())).tolist(), strict=True))
    intervals = {name: quantile_interval(ordered, q) for name, q in QUANTILES.items()}
    return Distribution(
        n=len(ordered),
        mean=float(ordered.mean()),
        ci={"mean": mean_interval(ordered), **intervals},
        **points,
    )


def request_samples(complete: Sequence[RequestRecord]) -> dict[str, NDArray[np.float64]]:
    """The metrics with one sample per complete request, in the order of these; NaN where it has none."""
    sent = _column([each.sent_s for each in complete])
    scheduled = _column([each.scheduled_s for each in complete])
    first = _column([each.first_token_s for each in complete])
    last = _column([each.last_token_s for each in complete])
    tokens = _column([each.output_tokens for each in complete])
    apart = (tokens > 1) & (last > first)
    return {
        "ttft_s": first - sent,
        "ttft_scheduled_s": first - scheduled,
        "tpot_s": np.where(apart, (last - first) / np.where(apart, tokens - 1, 1.0), np.nan),
        "e2e_s": last - sent,
        "e2e_scheduled_s": last - scheduled,
    }


def _request_metrics(complete: Sequence[RequestRecord]) -> dict[str, Distribution]:
    samples = request_samples(complete)
    metrics = {key: describe(values[~np.isnan(values)]) for key, values in samples.items()}
    return over_blocks(metrics, samples, complete)


def _column(values: Sequence[float | None]) -> NDArray[np.float64]:
    """Absent stamps as NaN."""
    return np.array(values, dtype=np.float64)
