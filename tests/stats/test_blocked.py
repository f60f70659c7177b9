"""Intervals where what shares a block shares its fate."""

import numpy as np
import pytest

from servemark.domain.run import RequestRecord
from servemark.domain.workload import Users
from servemark.stats.summary import summarise


def level(latencies_by_block):
    rows = [
        RequestRecord(
            index=0, block=block, scheduled_s=0.0, sent_s=0.0, first_token_s=latency, last_token_s=latency,
            end_s=latency, output_tokens=1, outcome="complete",
        )
        for block, latencies in enumerate(latencies_by_block)
        for latency in latencies
    ]  # fmt: skip
    return summarise(Users(users=1), rows)


def test_blocks_that_differ_widen_the_interval_and_leave_the_value():
    """Six blocks of 20 equal requests each say as much as six requests, not as 120."""
    latencies = [[1.0 + block / 10] * 20 for block in range(6)]
    pooled = [latency for part in latencies for latency in part]
    apart, together = (level(each).metrics["e2e_s"] for each in (latencies, [pooled]))
    assert (apart.p50, apart.mean, apart.n) == (together.p50, together.mean, together.n)
    width = np.diff(apart.ci["mean"])[0]
    # the block means 1.0 .. 1.5 have a standard error of 0.0764; Student's t with 5 degrees of freedom: 2 x 0.196
    assert width == pytest.approx(0.393, rel=0.1)
    assert width > 5 * np.diff(together.ci["mean"])[0]


def test_where_there_are_too_few_requests_there_is_no_interval_by_blocks_either():
    few = level([[1.0, 1.1], [1.2, 1.3]]).metrics["e2e_s"]
    assert few.ci["p95"] is None and few.ci["p50"] is None
