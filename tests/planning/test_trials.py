import pytest
from plan_questions import SLOS, requirements

from servemark.api.deployments import build_deployment, coefficients_of
from servemark.api.simulated import simulate
from servemark.domain.fleet import SplitPools
from servemark.domain.workload import PlannedRequest, Rate, Replay, Users, Workload
from servemark.physics.memory import memory_budget
from servemark.planning import trials
from servemark.planning.trials import Member, Trial, extent, fleet_level, level_of, replicas_played
from servemark.traffic.traces import Trace


@pytest.fixture(autouse=True)
def in_earnest(monkeypatch):
    monkeypatch.setattr(trials, "REQUESTS", 1000)
    monkeypatch.setattr(trials, "REQUESTS_PER_USER", 4)
    monkeypatch.setattr(trials, "LEVEL_S", 60.0)


def member(**options):
    deployment = build_deployment("llama-3.1-8b", {"gpu": "l40s", **options})
    return Member(deployment, coefficients_of(deployment), memory_budget(deployment, sequence_tokens=1800))


@pytest.mark.parametrize(
    ("load", "options"),
    [(Users(users=40), {"users": 40}), (Rate(per_s=1.5), {"rate": 1.5})],
    ids=["users", "rate"],
)
def test_a_trial_is_what_simulate_plays(load, options):
    level = level_of(Trial(requirements().workload, SLOS, 0), member(replicas=2), load)
    run = simulate("llama-3.1-8b", gpu="l40s", replicas=2, input=1500, output=300,
                   slo="ttft_p95=2s,tpot_p95=40ms", **options)  # fmt: skip
    for ours, theirs in zip(level.verdict.slos, run.levels[0].verdict.slos, strict=True):
        assert ours.value == theirs.value
    assert level.requests == ()


def test_many_users_send_several_requests_each():
    assert extent(Users(users=100), None) == (1000, 100)
    assert extent(Users(users=500), None) == (2000, 500)
    assert extent(Rate(per_s=1.0), None) == (1000, 100)
    # a minute of a high rate
    assert extent(Rate(per_s=50.0), None) == (3000, 300)
    assert extent(Replay(name="azure-conversation", time_scale=10.0), None) == (3318, 331)


def test_a_trace_is_played_whole():
    rows = tuple(
        PlannedRequest(index=i, scheduled_s=i * 2.0, input_tokens=500, output_tokens=50) for i in range(90)
    )
    recorded = Trace(name="mine", format="servemark", requests=rows)
    assert extent(Replay(name="mine"), recorded) == (None, 0)
    level = level_of(Trial(Workload(), SLOS, 0, recorded), member(), Replay(name="mine", time_scale=2.0))
    assert level.requests_sent == 90


def test_a_fleet_tells_its_pools_apart():
    one, two = member(), member(replicas=2)
    fleet = SplitPools(short=one.deployment, long=two.deployment, threshold_tokens=1000)
    level, shares = fleet_level(Trial(requirements().workload, SLOS, 0), fleet, [one, two], Rate(per_s=1.0))
    # every prompt has 1,500 tokens
    assert shares[0].requests_sent == 0
    assert shares[1].requests_sent == level.requests_sent == 1000


def test_of_many_replicas_some_are_played_with_their_share():
    assert replicas_played(Users(users=100), 2) == 2
    # 179 users each send 4 requests: 4 replicas need 2,864
    assert replicas_played(Users(users=5000), 28) == 4
    assert replicas_played(Users(users=5000), 1) == 1
    # 25 a second for a minute: 1,500 requests each
    assert replicas_played(Rate(per_s=200.0), 8) == 2
    assert replicas_played(Replay(name="azure-code"), 8) == 8


def test_a_part_speaks_for_the_whole():
    trial = Trial(requirements().workload, SLOS, 0)
    whole = level_of(trial, member(replicas=8, dtype="fp8"), Users(users=640))
    one = level_of(trial, member(dtype="fp8"), Users(users=80))
    assert whole.load == Users(users=640)
    assert whole.output_tokens_per_s == pytest.approx(8 * one.output_tokens_per_s, rel=0.05)
    assert whole.metrics["tpot_s"].p95 == pytest.approx(one.metrics["tpot_s"].p95, rel=0.05)


def test_a_rate_beyond_what_is_carried_breaks():
    level = level_of(Trial(requirements().workload, SLOS, 0), member(replicas=8), Rate(per_s=100.0))
    assert level.verdict.word == "breaks"
    assert level.requests_per_s < 100
