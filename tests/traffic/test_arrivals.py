import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servemark.domain.workload import (
    FixedLength,
    LognormalLength,
    PlannedRequest,
    Rate,
    Replay,
    Users,
    Workload,
)
from servemark.errors import InputError, UnknownName
from servemark.traffic.arrivals import POOL_REQUESTS, arrival_plan
from servemark.traffic.traces import Trace

VARIED = Workload(
    input=LognormalLength(median_tokens=500, sigma=1), output=LognormalLength(median_tokens=100, sigma=1)
)
TRACE = Trace(
    name="t",
    format="servemark",
    requests=tuple(
        PlannedRequest(index=i, scheduled_s=2.0 * i, input_tokens=100 + i, output_tokens=10 + i)
        for i in range(5)
    ),
)


def times(plan):
    return [each.scheduled_s for each in plan.requests]


def lengths(plan):
    return [(each.input_tokens, each.output_tokens) for each in plan.requests]


def test_constant_rate_by_hand():
    plan = arrival_plan(Rate(per_s=4.0, process="constant"), Workload(), seed=0, duration_s=1.0)
    assert times(plan) == [0.0, 0.25, 0.5, 0.75]
    assert lengths(plan) == [(512, 128)] * 4
    assert [each.index for each in plan.requests] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("rate", "cv"),
    [
        (Rate(per_s=5.0), 1.0),
        (Rate(per_s=5.0, process="gamma", burstiness=3.0), 3.0),
        (Rate(per_s=5.0, process="gamma", burstiness=0.25), 0.25),
        # gaps from 0.1 to 10 in a straight line of the log: mean 9.9 / ln 100, mean square
        # 99.99 / (2 ln 100)
        (
            Rate(per_s=5.0, process="quantiles", gap_knots=((0.0, 0.1), (1.0, 10.0))),
            math.sqrt(99.99 / (2 * math.log(100)) / (9.9 / math.log(100)) ** 2 - 1),
        ),
    ],
)
def test_gaps_have_the_mean_and_variation_asked_for(rate, cv):
    gaps = np.diff(times(arrival_plan(rate, Workload(), seed=4, requests=60_000)), prepend=0.0)
    assert gaps.mean() == pytest.approx(1 / 5, rel=0.05)
    assert gaps.std() / gaps.mean() == pytest.approx(cv, rel=0.05)
    assert (gaps >= 0).all()


def test_closed_loop_is_a_pool_without_times():
    plan = arrival_plan(Users(users=8), VARIED, seed=1)
    assert len(plan.requests) == POOL_REQUESTS
    assert set(times(plan)) == {None}
    assert len(arrival_plan(Users(users=8), VARIED, seed=1, requests=5000).requests) == 5000


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32), st.floats(0.1, 100), st.integers(1, 50))
def test_lengths_do_not_depend_on_the_load(seed, per_s, count):
    pool = arrival_plan(Users(users=3), VARIED, seed=seed)
    opened = arrival_plan(Rate(per_s=per_s), VARIED, seed=seed, requests=count)
    bursty = arrival_plan(
        Rate(per_s=per_s, process="gamma", burstiness=5.0), VARIED, seed=seed, requests=count
    )
    assert lengths(opened) == lengths(bursty) == lengths(pool)[:count]


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32), st.floats(0.5, 50), st.integers(1, 40))
def test_another_rate_is_the_same_rhythm_faster(seed, per_s, count):
    one = arrival_plan(Rate(per_s=per_s), VARIED, seed=seed, requests=count)
    double = arrival_plan(Rate(per_s=2 * per_s), VARIED, seed=seed, requests=count)
    assert times(double) == pytest.approx([t / 2 for t in times(one)])


def test_the_same_seed_gives_the_same_plan():
    def plan(seed):
        return arrival_plan(Rate(per_s=2.0), VARIED, seed=seed, requests=50)

    assert plan(3) == plan(3)
    assert times(plan(3)) != times(plan(4))
    assert lengths(plan(3)) != lengths(plan(4))


def test_duration_and_requests_whichever_comes_first():
    rate = Rate(per_s=10.0)
    long = arrival_plan(rate, Workload(), seed=0, duration_s=1000.0)
    assert len(long.requests) == pytest.approx(10_000, rel=0.05)
    assert times(long)[-1] < 1000.0
    assert times(arrival_plan(rate, Workload(), seed=0, duration_s=1000.0, requests=7)) == times(long)[:7]
    short = arrival_plan(rate, Workload(), seed=0, duration_s=2.0, requests=9999)
    assert times(short) == [t for t in times(long) if t < 2.0]


def test_shared_prefix_is_one_block():
    workload = Workload(input=FixedLength(tokens=1000), shared_prefix_tokens=700)
    plan = arrival_plan(Users(users=1), workload, seed=0)
    assert {(each.prefix_blocks, each.prefix_block_tokens) for each in plan.requests} == {((0,), 700)}
    assert arrival_plan(Users(users=1), Workload(), seed=0).requests[0].prefix_blocks == ()


def test_a_trace_is_replayed_at_its_times():
    plan = arrival_plan(Replay(name="t", time_scale=4.0), Workload(), seed=0, trace=TRACE)
    assert times(plan) == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert lengths(plan)[4] == (104, 14)
    cut = arrival_plan(Replay(name="t"), Workload(), seed=0, trace=TRACE, duration_s=4.0)
    assert times(cut) == [0.0, 2.0]
    assert len(arrival_plan(Replay(name="t"), Workload(), seed=0, trace=TRACE, requests=3).requests) == 3


@pytest.mark.parametrize("load", [Users(users=2), Rate(per_s=1.0)])
def test_a_trace_gives_its_lengths_to_another_load(load):
    plan = arrival_plan(load, Workload(), seed=0, trace=TRACE, requests=7)
    assert lengths(plan)[:7] == [(100 + i % 5, 10 + i % 5) for i in range(7)]
    assert [each.index for each in plan.requests[:7]] == list(range(7))
    assert (plan.requests[0].scheduled_s is None) == isinstance(load, Users)


def test_a_profile_is_replayed_by_name():
    plan = arrival_plan(Replay(name="Azure Conversation"), Workload(), seed=0, requests=2000)
    double = arrival_plan(
        Replay(name="azure-conversation", time_scale=2.0), Workload(), seed=0, requests=2000
    )
    assert lengths(plan) == lengths(double)
    assert times(double) == pytest.approx([t / 2 for t in times(plan)])
    with pytest.raises(UnknownName, match="nearest: azure-conversation"):
        arrival_plan(Replay(name="azure-conversations"), Workload(), seed=0, requests=1)


@pytest.mark.parametrize(
    ("load", "options", "field"),
    [
        (Users(users=0), {}, "users"),
        (Users(users=1, think_s=-1.0), {}, "think_s"),
        (Rate(per_s=0.0), {"requests": 1}, "rate"),
        (Rate(per_s=-2.0), {"requests": 1}, "rate"),
        (Rate(per_s=math.inf), {"requests": 1}, "rate"),
        (Rate(per_s=1.0, burstiness=0.0), {"requests": 1}, "rate.burstiness"),
        (Rate(per_s=1.0, process="quantiles"), {"requests": 1}, "rate.gap_knots"),
        (Rate(per_s=1.0), {}, "requests"),
        (Rate(per_s=1.0), {"requests": 0}, "requests"),
        (Rate(per_s=1.0), {"duration_s": 0.0}, "duration"),
        (Rate(per_s=1e-6), {"duration_s": 1.0}, "duration"),
        (Users(users=1), {"seed": -1}, "seed"),
        (Replay(name="t", time_scale=0.0), {"trace": TRACE}, "trace.time_scale"),
        (Users(users=1), {"workload": Workload(output=FixedLength(tokens=0))}, "output.tokens"),
        (Users(users=1), {"workload": Workload(shared_prefix_tokens=-1)}, "shared_prefix_tokens"),
    ],
)
def test_refused(load, options, field):
    given_ = {"seed": 0, "workload": Workload()} | options
    workload = given_.pop("workload")
    with pytest.raises(InputError) as error:
        arrival_plan(load, workload, **given_)
    assert error.value.path == field
