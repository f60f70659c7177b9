"""Minutes that break a promise, counted by hand."""

import pytest

from servemark.domain.run import RequestRecord
from servemark.domain.workload import Slo
from servemark.stats.minutes import lost_minutes


def request(at_s, ttft_s=0.1, e2e_s=1.1, tokens=11, **changes):
    usual = {
        "index": 0, "scheduled_s": at_s, "sent_s": at_s, "first_token_s": at_s + ttft_s,
        "last_token_s": at_s + e2e_s, "end_s": at_s + e2e_s, "output_tokens": tokens, "outcome": "complete",
    }  # fmt: skip
    return RequestRecord(**{**usual, **changes})


def slo(metric="ttft_s", statistic="p95", limit=1.0):
    return Slo(metric=metric, statistic=statistic, limit=limit)


def test_minutes_are_those_in_which_requests_were_sent():
    requests = [request(t) for t in (0.0, 59.9, 60.0, 300.0)]
    assert lost_minutes(requests, [slo()]) == (3, 0, ())
    assert lost_minutes([], [slo()]) == (0, 0, ())


@pytest.mark.parametrize(
    ("promise", "lost"),
    [
        (slo("ttft_s", "p95", 1.0), 1),  # second minute: 2 s
        (slo("ttft_s", "mean", 0.9), 1),  # of 0.1 and 2 s: 1.05
        (slo("ttft_s", "mean", 1.1), 0),
        (slo("tpot_s", "p50", 0.05), 2),  # 0.1 s in both
        (slo("e2e_s", "p99", 1.05), 2),
        (slo("e2e_s", "p99", 5.0), 0),
    ],
)
def test_a_minute_with_a_broken_promise_is_lost(promise, lost):
    requests = [request(0.0), request(61.0), request(62.0, ttft_s=2.0, e2e_s=3.0)]
    assert lost_minutes(requests, [promise]).lost == lost


def test_two_broken_promises_lose_a_minute_once():
    requests = [request(0.0, ttft_s=5.0, e2e_s=9.0)]
    assert lost_minutes(requests, [slo(), slo("e2e_s")]) == (1, 1, ())


def test_failures():
    failed = {"outcome": "refused", "first_token_s": None, "last_token_s": None}
    requests = [request(0.0), request(1.0, **failed), request(70.0, **failed), request(130.0)]
    # half of the first minute failed, all of the second: lost whatever is promised
    assert lost_minutes(requests, [slo("failures_ratio", "value", 0.4)]).lost == 2
    assert lost_minutes(requests, [slo("failures_ratio", "value", 0.6)]).lost == 1
    assert lost_minutes(requests, []) == (3, 1, ())


def test_warm_up_counts_nowhere_and_a_minute_without_a_sample_is_not_lost():
    requests = [request(0.0, ttft_s=9.0, warmup=True), request(61.0, tokens=1)]
    assert lost_minutes(requests, [slo()]) == (1, 0, ())
    assert lost_minutes(requests, [slo("tpot_s", limit=1e-9)]) == (1, 0, ())


def test_what_says_nothing_of_a_minute_is_named():
    assert lost_minutes([request(0.0)], [slo("itl_s", "p99", 1e-9)]).ignored == ("itl_p99",)
