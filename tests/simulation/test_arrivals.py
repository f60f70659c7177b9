import pytest
from workloads import LinearStep

from servemark.domain.deployment import EngineConfig
from servemark.domain.workload import ArrivalPlan, PlannedRequest, Rate, Users
from servemark.errors import InputError, UnknownName
from servemark.simulation.replicas import play

STEP = LinearStep(base=10**12, member=0, context=0, prefill=0, pair=0)  # a second and a little


def level(load, plan, **settings):
    plan = ArrivalPlan(load=load, seed=0, requests=tuple(plan))
    return play(plan, step_time=STEP, engine=EngineConfig(), **{"kv_blocks": 1000, **settings})


def planned(index, tokens=10, output=1, at=None):
    return PlannedRequest(index=index, input_tokens=tokens, output_tokens=output, scheduled_s=at)


def test_users_send_in_plan_order_when_their_last_request_has_ended():
    played = level(Users(users=2), [planned(i) for i in range(6)])
    assert [r.user for r in played.requests] == [0, 1, 0, 1, 0, 1]
    assert [round(r.scheduled_s, 6) for r in played.requests] == [0, 0, 1, 1, 2, 2]


def test_users_who_think_begin_spread_over_the_time_that_one_thinks():
    """Steps of 1 s, thinking 4 s: one user at 0, 5, ..., the other half a thinking time later at 2, 7, ..."""
    played = level(Users(users=2, think_s=4.0), [planned(i) for i in range(4)])
    assert [round(r.scheduled_s, 6) for r in played.requests] == [0, 2, 5, 7]


def test_request_overhead_delays_the_first_token():
    played = level(Users(users=1), [planned(i) for i in range(2)], request_overhead_s=0.25)
    first, second = played.requests
    assert round(first.first_token_s - first.sent_s, 6) == 1.25
    assert second.scheduled_s == first.end_s


def test_warm_up_comes_before_the_requests_that_count():
    played = level(Users(users=1), [planned(i) for i in range(2)], requests=5, warmup=2)
    assert [r.warmup for r in played.requests] == [True] * 2 + [False] * 5


def test_no_request_is_sent_after_the_duration():
    played = level(Users(users=1), [planned(0)], duration_s=4.5)
    assert [round(r.scheduled_s) for r in played.requests] == [0, 1, 2, 3, 4]


def test_open_loop_requests_arrive_as_scheduled():
    requests = [planned(i, at=0.1 * i) for i in range(4)]
    played = level(Rate(per_s=10.0), requests, requests=2, warmup=1)
    assert [r.scheduled_s for r in played.requests] == [0.0, 0.1, 0.2]
    assert [r.warmup for r in played.requests] == [True, False, False]


def test_an_open_loop_needs_times():
    with pytest.raises(InputError, match=r"requests\[0\]\.scheduled_s"):
        level(Rate(per_s=1.0), [planned(0)])


def test_a_request_that_can_never_fit_is_refused_and_its_user_goes_on():
    played = level(Users(users=1), [planned(0), planned(1, tokens=10**6), planned(2)])
    assert [r.outcome for r in played.requests] == ["complete", "refused", "complete"]
    refused = played.requests[1]
    assert refused.status == 400
    assert refused.end_s == refused.sent_s
    assert refused.first_token_s is None
    assert "KV pool" in refused.reason


def test_a_level_of_which_everything_is_refused_ends():
    requests = [planned(i, tokens=10**6) for i in range(3)]
    played = level(Users(users=2), requests, duration_s=60.0)
    assert [r.outcome for r in played.requests] == ["refused"] * 3


@pytest.mark.parametrize(
    ("settings", "error"),
    [({"replicas": 0}, InputError), ({"router": "random"}, UnknownName)],
)
def test_impossible_fleets_are_refused(settings, error):
    with pytest.raises(error):
        level(Users(users=1), [planned(0)], **settings)


def test_an_empty_plan_is_refused():
    with pytest.raises(InputError, match="requests"):
        level(Users(users=1), [])
