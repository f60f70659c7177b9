"""Replicas that come and go, against a static fleet and by hand."""

import msgspec
import pytest
from hypothesis import given, settings
from test_fleets import EXTENT, Flat, opened, plain, plan_of, pool_of
from workloads import levels

from servemark.domain.deployment import EngineConfig
from servemark.domain.elasticity import ScalingPolicy
from servemark.domain.workload import Users
from servemark.errors import InputError
from servemark.simulation.autoscaling import play_autoscaled, replica_seconds
from servemark.simulation.fleets import Pool
from servemark.simulation.replicas import play


def policy(**changes):
    usual = {"signal": "load", "threshold": 2.0, "minimum": 1, "maximum": 3, "cold_start_s": 2.0}
    return ScalingPolicy(**{**usual, "interval_s": 1.0, "idle_s": 3.0, **changes})


def unbounded(case):
    """A level in an open loop, whole."""
    case = opened(plain(case))
    return {key: value for key, value in case.items() if key not in EXTENT}


def spans(scaled):
    return [(s.start_s, s.ready_s, s.drain_s, s.end_s) for s in scaled.spans]


def flat(**settings):
    return Pool(Flat(), EngineConfig(**settings), 1000)


@settings(max_examples=80, deadline=None)
@given(levels)
def test_as_many_at_least_as_at_most_is_a_static_fleet(case):
    case = unbounded(case)
    rule = policy(minimum=case["replicas"], maximum=case["replicas"], cold_start_s=0.0, interval_s=1e-9)
    played, lives = play_autoscaled(case["plan"], pool_of(case), rule)
    assert played == play(**case)
    assert [(s.start_s, s.ready_s, s.drain_s) for s in lives] == [(0.0, 0.0, None)] * case["replicas"]


@settings(max_examples=80, deadline=None)
@given(levels)
def test_looking_without_acting_changes_nothing(case):
    """The policy's looks advance the replicas to moments at which nothing happens to them."""
    case = unbounded(case)
    rule = policy(minimum=case["replicas"], maximum=9, threshold=1e9, interval_s=3e-9, cold_start_s=0.0)
    played, _ = play_autoscaled(case["plan"], pool_of(case), rule)
    assert played == play(**case)


@settings(max_examples=60, deadline=None)
@given(levels)
def test_every_request_ends_on_a_replica_that_was_warm_when_it_came(case):
    case = unbounded(case)
    rule = policy(threshold=1.5, maximum=4, cold_start_s=4e-9, interval_s=2e-9, idle_s=6e-9)
    played, lives = play_autoscaled(case["plan"], pool_of(case), rule)
    assert [r.index for r in played.requests] == [r.index for r in case["plan"].requests]
    overhead_s = case["request_overhead_s"]
    for request in played.requests:
        life = lives[request.replica]
        assert life.ready_s <= request.scheduled_s + overhead_s + 1e-12
        assert request.end_s <= life.end_s + 1e-12
    for life in lives:
        assert life.start_s <= life.end_s
        assert life.drain_s is None or life.start_s <= life.drain_s <= life.end_s


def test_a_fleet_that_grows_and_shrinks_by_hand():
    # Six requests of 4 s at 0: at 1 s six in flight want ceil(6 / 2) = 3 replicas; two start and are warm at
    # 3 s, in time for the requests of 3.5 s. From 4 s on only these two are in flight, for which one replica
    # would do; but at 3 s three were wanted, and that is within the last 3 s until the look at 7 s.
    requests = [(0.0, 10, 4)] * 6 + [(3.5, 10, 4)] * 2 + [(20.0, 10, 1)]
    pool = flat()._replace(router="least-loaded")
    scaled = play_autoscaled(plan_of(requests), pool, policy())
    assert [r.replica for r in scaled.played.requests] == [0] * 6 + [1, 2] + [0]
    # both end with the requests that they still had, at 7.5 s
    assert spans(scaled) == [(0.0, 0.0, None, 21.0), (1.0, 3.0, 7.0, 7.5), (1.0, 3.0, 7.0, 7.5)]
    assert replica_seconds(scaled.spans) == pytest.approx(21 + 6.5 + 6.5)


def test_a_draining_replica_ends_with_its_last_request_and_gets_no_more():
    # Two in flight at 1 s start a second replica, warm at once; it gets the third request, of 40 s.
    # At 3 s only that one is in flight: one replica is wanted, the newest drains and runs on to 42 s.
    requests = [(0.0, 10, 3), (0.0, 10, 3), (2.0, 10, 40), (10.0, 10, 2), (30.0, 10, 2)]
    pool = flat()._replace(router="least-loaded")
    rule = policy(threshold=1.0, maximum=2, cold_start_s=0.0, idle_s=0.0)
    scaled = play_autoscaled(plan_of(requests), pool, rule)
    assert [r.replica for r in scaled.played.requests] == [0, 0, 1, 0, 0]
    assert spans(scaled) == [(0.0, 0.0, None, 42.0), (1.0, 1.0, 3.0, 42.0)]


def test_a_replica_that_is_wanted_again_while_it_drains_goes_on():
    requests = [
        (0.0, 10, 3),
        (0.0, 10, 3),
        (2.0, 10, 40),
        (10.0, 10, 9),
        (10.0, 10, 9),
        (12.5, 10, 2),
        (50.0, 10, 1),
    ]
    pool = flat()._replace(router="least-loaded")
    rule = policy(threshold=1.0, maximum=2, cold_start_s=0.0, idle_s=0.0)
    scaled = play_autoscaled(plan_of(requests), pool, rule)
    # no third replica: the second is back at the look at 11 s, and gets the request of 12.5 s
    assert len(scaled.spans) == 2
    assert scaled.played.requests[5].replica == 1


def test_a_replica_that_is_not_wanted_after_all_is_not_started():
    # Wanted at 1 s for four in flight, not at 5 s; it would have been warm at 101 s.
    requests = [(0.0, 10, 4)] * 4 + [(200.0, 10, 1)]
    scaled = play_autoscaled(plan_of(requests), flat(), policy(cold_start_s=100.0, idle_s=0.0))
    # at 4 s the four have just ended
    assert spans(scaled) == [(0.0, 0.0, None, 201.0), (1.0, 101.0, 4.0, 4.0)]


def test_a_share_of_the_seats():
    # 0.5 of 4 seats is 2 per replica
    requests = [(0.0, 10, 4)] * 6 + [(9.0, 10, 1)]
    share = play_autoscaled(plan_of(requests), flat(max_num_seqs=4), policy(threshold=0.5))
    whole = play_autoscaled(plan_of(requests), flat(max_num_seqs=4), policy(threshold=2.0))
    assert share == whole
    assert len(share.spans) == 3


def test_the_queue_counts_only_who_waits():
    # One seat: two of three wait, 2 / 1 wants two replicas; with three seats nobody waits.
    requests = [(0.0, 10, 4)] * 3 + [(20.0, 10, 1)]
    rule = policy(signal="queue", threshold=1.0)
    assert len(play_autoscaled(plan_of(requests), flat(max_num_seqs=1), rule).spans) == 2
    assert len(play_autoscaled(plan_of(requests), flat(max_num_seqs=3), rule).spans) == 1


def test_a_small_change_is_none():
    # 21 in flight over 20 wanted per replica: 1.05 of what is there, within the tolerance of a tenth
    requests = [(0.0, 10, 4)] * 21 + [(9.0, 10, 1)]
    assert len(play_autoscaled(plan_of(requests), flat(), policy(threshold=20.0)).spans) == 1
    assert len(play_autoscaled(plan_of(requests), flat(), policy(threshold=19.0)).spans) == 2


@pytest.mark.parametrize(
    "changes",
    [{"minimum": 0}, {"maximum": 0}, {"threshold": 0.0}, {"interval_s": 0.0}, {"cold_start_s": -1.0},
     {"idle_s": float("nan")}],
    ids=lambda c: next(iter(c)),
)  # fmt: skip
def test_an_impossible_policy_is_refused(changes):
    with pytest.raises(InputError, match="autoscale"):
        play_autoscaled(plan_of([(0.0, 10, 1)]), flat(), policy(**changes))


def test_a_closed_loop_is_refused():
    with pytest.raises(InputError, match="open loop"):
        play_autoscaled(plan_of([(None, 10, 1)], Users(users=1)), flat(), policy())
    empty = msgspec.structs.replace(plan_of([]), requests=())
    with pytest.raises(InputError, match="at least one planned request"):
        play_autoscaled(empty, flat(), policy())


def test_a_fixed_duration_is_paid_to_its_end():
    scaled = play_autoscaled(plan_of([(0.0, 10, 1)]), flat(), policy(), duration_s=100.0)
    assert spans(scaled) == [(0.0, 0.0, None, 100.0)]
