import pytest

from servemark.domain.lengths import mean_tokens, quantile_tokens
from servemark.domain.workload import FixedLength, PlannedRequest, Rate, Replay, Users, Workload
from servemark.planning.loads import (
    busiest_part,
    gap_variation_of,
    longest_tokens,
    mean_rate_per_s,
    scaled,
    steady_load,
    steady_workload,
)
from servemark.traffic.profiles import find_profile
from servemark.traffic.traces import Trace


def trace(times, inputs=None):
    inputs = inputs or [100] * len(times)
    rows = (
        PlannedRequest(index=i, scheduled_s=t, input_tokens=n, output_tokens=10)
        for i, (t, n) in enumerate(zip(times, inputs, strict=True))
    )
    return Trace(name="mine", format="servemark", requests=tuple(rows))


def test_users_are_whole_rates_and_replays_are_not():
    assert scaled(Users(users=5, think_s=2.0), 1.5) == Users(users=8, think_s=2.0)
    assert scaled(Users(users=100), 1.0) == Users(users=100)
    assert scaled(Rate(per_s=3.0, process="gamma", burstiness=2.0), 2) == Rate(
        per_s=6.0, process="gamma", burstiness=2.0
    )
    assert scaled(Replay(name="mine", time_scale=0.5), 3) == Replay(name="mine", time_scale=1.5)


def test_a_trace_as_a_rate():
    """Five requests in two seconds: two a second, and even gaps."""
    recorded = trace([0.0, 0.5, 1.0, 1.5, 2.0])
    assert mean_rate_per_s(recorded) == 2.0
    assert gap_variation_of(recorded) == pytest.approx(0.0)
    load = steady_load(Replay(name="mine", time_scale=1.5), recorded)
    assert isinstance(load, Rate)
    assert (load.per_s, load.process) == (3.0, "gamma")


def test_bursts_stay_bursts():
    """Gaps 0, 0, 3: mean 1, variance 2."""
    assert gap_variation_of(trace([0.0, 0.0, 0.0, 3.0])) == pytest.approx(2**0.5)


def test_a_profile_keeps_its_process():
    profile = find_profile("azure-conversation")
    load = steady_load(Replay(name="azure-conversation", time_scale=2.0), None)
    assert load.per_s == pytest.approx(2 * profile.rate.per_s)
    assert load.burstiness == profile.rate.burstiness


def test_users_and_rates_stay_as_they_are():
    assert steady_load(Users(users=3), None) == Users(users=3)
    assert steady_load(Rate(per_s=3.0), None) == Rate(per_s=3.0)


def test_a_trace_as_lengths():
    inputs = list(range(100, 1101))
    workload = steady_workload(Workload(), trace([float(i) for i in range(1001)], inputs))
    assert quantile_tokens(workload.input, 0.5) == 600
    assert mean_tokens(workload.input) == pytest.approx(600, rel=0.02)
    assert mean_tokens(workload.output) == pytest.approx(10)
    plain = Workload(input=FixedLength(tokens=5))
    assert steady_workload(plain, None) is plain


def test_the_longest_request_has_to_fit():
    assert longest_tokens(Workload(), trace([0.0, 1.0], [100, 700])) == 710
    assert longest_tokens(Workload(), None) is None


def test_the_busiest_stretch():
    recorded = trace([0.0, 10.0, 11.0, 11.5, 20.0], [1, 2, 3, 4, 5])
    part = busiest_part(recorded, 3)
    assert [each.input_tokens for each in part.requests] == [2, 3, 4]
    assert [each.scheduled_s for each in part.requests] == [0.0, 1.0, 1.5]
    assert [each.index for each in part.requests] == [0, 1, 2]
    assert busiest_part(recorded, 5) is recorded
