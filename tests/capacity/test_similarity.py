import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servemark.capacity.similarity import denser, similar, stretched
from servemark.domain.run import OUTCOMES, Distribution, Level, RequestRecord
from servemark.domain.workload import Rate, Replay, Users


def level(load, latency_s, per_s=1.0, *, requests=()):
    metrics = {
        "e2e_s": Distribution(n=9, mean=latency_s, p50=latency_s, p95=latency_s),
        "failures_ratio": Distribution(n=9, mean=0.25),
    }
    return Level(
        load=load, requests_sent=9, outcomes=dict.fromkeys(OUTCOMES, 0), metrics=metrics, requests=requests,
        output_tokens_per_s=10 * per_s, requests_per_s=per_s,
    )  # fmt: skip


def queue(service_s, per_s):
    """Mean time in an M/M/1 queue."""
    return service_s / (1 - per_s * service_s)


class Probe:
    """An M/M/1 queue with a service time of 0.1 s; remembers what it was asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, load):
        self.asked.append(load)
        match load:
            case Rate(per_s=per_s):
                return level(load, queue(0.1, per_s), per_s)
            case _:
                return level(load, 0.1, 10.0)


def test_a_slower_engine_is_the_same_engine_on_a_slower_clock():
    scaled = similar(Probe())
    slow, fast = scaled(Rate(per_s=5.0), (1.25, 0.5))
    # service 0.125 s: 0.125 / (1 - 0.625); 0.05 s: 0.05 / (1 - 0.25)
    assert slow.metrics["e2e_s"].mean == pytest.approx(queue(0.125, 5))
    assert fast.metrics["e2e_s"].mean == pytest.approx(queue(0.05, 5))
    # what arrives leaves, on any clock; and a share stays a share
    assert (slow.requests_per_s, fast.output_tokens_per_s) == pytest.approx((5.0, 50.0))
    assert slow.metrics["failures_ratio"].mean == 0.25


@given(service_s=st.floats(0.01, 0.1), per_s=st.floats(0.1, 5), factor=st.floats(0.5, 1.9))
def test_exact_at_the_extreme_factor_for_any_queue(service_s, per_s, factor):
    scaled = similar(lambda load: level(load, queue(service_s, load.per_s), load.per_s))
    (found,) = scaled(Rate(per_s=per_s), (factor,))
    assert found.metrics["e2e_s"].p95 == pytest.approx(queue(service_s * factor, per_s))


def test_in_between_is_interpolated_in_logarithms_and_nothing_is_played_twice():
    probe = Probe()
    scaled = similar(probe)
    one, between, end = scaled(Rate(per_s=5.0), (1.0, 1.1, 1.21))
    middle = math.sqrt(one.metrics["e2e_s"].mean * end.metrics["e2e_s"].mean)
    assert between.metrics["e2e_s"].mean == pytest.approx(middle)
    assert probe.asked == [Rate(per_s=5.0), Rate(per_s=6.05)]
    scaled(Rate(per_s=5.0), (1.0, 1.21))
    assert len(probe.asked) == 2


def test_a_closed_loop_without_pauses_is_not_played_again():
    played = level(
        Users(users=8),
        2.0,
        4.0,
        requests=(RequestRecord(index=0, scheduled_s=0.0, end_s=2.0, outcome="complete"),),
    )
    scaled = similar(lambda load: pytest.fail(f"{load} was played"), known=[played])
    slow, fast = scaled(Users(users=8), (2.0, 0.5))
    assert (slow.metrics["e2e_s"].p50, fast.metrics["e2e_s"].p50) == (4.0, 1.0)
    assert (slow.requests_per_s, fast.output_tokens_per_s) == (2.0, 80.0)
    assert slow.requests == ()


def test_pauses_arrivals_and_traces_pass_on_the_slower_clock():
    assert denser(Users(users=8, think_s=3.0), 1.5) == Users(users=8, think_s=2.0)
    assert denser(Rate(per_s=2.0), 1.5) == Rate(per_s=3.0)
    assert denser(Replay(name="azure", time_scale=2.0), 1.5) == Replay(name="azure", time_scale=3.0)


def test_values_that_are_absent_stay_absent():
    empty = level(Users(users=1), 0.1)
    empty.metrics["ttft_s"] = Distribution(n=0)
    assert stretched(empty, 2.0).metrics["ttft_s"] == Distribution(n=0)
    (found,) = similar(lambda load: empty)(Rate(per_s=1.0), (1.5,))
    assert found.metrics["ttft_s"].mean is None
