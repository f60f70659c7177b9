"""Fleets against what they must equal: one pool where the others are idle or alike."""

import msgspec
import pytest
from hypothesis import assume, given, settings
from workloads import LinearStep, level, levels

from servemark.domain.deployment import EngineConfig
from servemark.domain.fleet import DisaggregatedPools, MixedPools, SinglePool, SplitPools
from servemark.domain.step import DecodeCost
from servemark.domain.workload import ArrivalPlan, PlannedRequest, Rate, Users
from servemark.errors import InputError
from servemark.simulation.fleets import Pool, play_fleet
from servemark.simulation.policies import policy_of
from servemark.simulation.replicas import play

PS = 10**12
NOBODY = None  # the fleet's deployments are not looked at
EXTENT = ("requests", "duration_s", "warmup")


def record(kind, **fields):
    """A fleet without its deployments."""
    names = [f for f in kind.__struct_fields__ if f not in fields]
    return kind(**dict.fromkeys(names, NOBODY), **fields)


def pool_of(case, **changes):
    fields = {k: v for k, v in case.items() if k in Pool._fields}
    return Pool(**{**fields, **changes})


def extent(case):
    return {k: v for k, v in case.items() if k in EXTENT}


def plan_of(requests, load=None):
    """(time, input, output) as a plan; without a load, open."""
    return ArrivalPlan(
        load=load or Rate(per_s=1.0),
        seed=0,
        requests=tuple(
            PlannedRequest(index=i, scheduled_s=at, input_tokens=n, output_tokens=m)
            for i, (at, n, m) in enumerate(requests)
        ),
    )


class Flat:
    """One second a step."""

    def decode(self, decodes):
        return DecodeCost(PS, 0)

    def mixed(self, decodes, context_tokens, prefill_tokens, prefill_pairs, prompts):
        return PS


@settings(max_examples=60, deadline=None)
@given(levels)
def test_a_single_pool_is_a_play(case):
    fleet = SinglePool(deployment=NOBODY)
    assert play_fleet(case["plan"], fleet, [pool_of(case)], **extent(case)) == play(**case)


@settings(max_examples=60, deadline=None)
@given(levels)
def test_two_pools_with_all_prompts_short_are_one(case):
    longest = max(request.input_tokens for request in case["plan"].requests)
    fleet = record(SplitPools, threshold_tokens=longest)
    idle = pool_of(case, step_time=LinearStep(base=1), replicas=3)
    assert play_fleet(case["plan"], fleet, [pool_of(case), idle], **extent(case)) == play(**case)


@settings(max_examples=60, deadline=None)
@given(levels)
def test_two_pools_with_all_prompts_long_are_one_but_for_the_numbers(case):
    fleet = record(SplitPools, threshold_tokens=0)
    idle = pool_of(case, replicas=2)
    played = play_fleet(case["plan"], fleet, [idle, pool_of(case)], **extent(case))
    want = play(**case)
    renumbered = [msgspec.structs.replace(r, replica=r.replica - 2) for r in played.requests]
    assert tuple(renumbered) == want.requests


@settings(max_examples=60, deadline=None)
@given(levels)
def test_mixed_pools_of_equals_are_one_pool(case):
    case = case | {"replicas": 3, "router": "least-loaded"}
    pools = [pool_of(case, replicas=n) for n in (1, 2)]
    fleet = MixedPools(deployments=(NOBODY, NOBODY))
    assert play_fleet(case["plan"], fleet, pools, **extent(case)) == play(**case)


def test_each_prompt_goes_to_the_pool_of_its_length():
    requests = [(0.0, n, 2) for n in (10, 11, 9, 500)]
    pool = Pool(Flat(), EngineConfig(), 1000, replicas=1)
    fleet = record(SplitPools, threshold_tokens=10)
    played = play_fleet(plan_of(requests), fleet, [pool, pool])
    assert [r.replica for r in played.requests] == [0, 1, 0, 1]


def test_weights_share_the_load():
    # 2:1; (in flight + 1) / weight: 1/2 < 1/1, then 2/2 = 1/1 (the first), 3/2 > 1/1, 3/2 < 2/1 ...
    requests = [(0.0, 10, 50)] * 6
    pool = Pool(Flat(), EngineConfig(), 1000)
    fleet = MixedPools(deployments=(NOBODY, NOBODY), weights=(2.0, 1.0))
    played = play_fleet(plan_of(requests), fleet, [pool, pool])
    assert [r.replica for r in played.requests] == [0, 0, 1, 0, 0, 1]


def disaggregated(bandwidth=1e30, latency_s=0.0):
    return record(DisaggregatedPools, transfer_bytes_per_s=bandwidth, transfer_latency_s=latency_s)


def test_one_disaggregated_request_by_hand():
    # Prompt 0 to 1 s; 10 tokens of 100 bytes at 1000 bytes/s: 1 s, and 0.5 s latency; then one token a second.
    pool = Pool(Flat(), EngineConfig(), 1000, kv_bytes_per_token=100.0)
    played = play_fleet(plan_of([(0.0, 10, 4)]), disaggregated(1000.0, 0.5), [pool, pool])
    (request,) = played.requests
    assert (request.first_token_s, request.last_token_s, request.end_s) == (1.0, 5.5, 5.5)
    assert request.stalls_s == (2.5,)
    assert (request.replica, request.output_tokens, request.outcome) == (1, 4, "complete")
    assert [(s.replica, s.start_s, s.count, s.decodes, s.prefill_tokens) for s in played.steps] == [
        (0, 0.0, 1, 0, 10), (1, 2.5, 1, 0, 1), (1, 3.5, 2, 1, 0),
    ]  # fmt: skip


def test_transfers_of_one_prefill_replica_go_one_after_the_other():
    # Both prompts are out at 1 s; the second cache leaves when the first is through.
    pool = Pool(Flat(), EngineConfig(), 1000, kv_bytes_per_token=100.0)
    requests = [(0.0, 10, 2), (0.0, 20, 2)]
    played = play_fleet(plan_of(requests), disaggregated(1000.0), [pool, pool])
    assert [r.first_token_s for r in played.requests] == [1.0, 1.0]
    # the caches arrive at 2 s and 4 s
    assert [r.end_s for r in played.requests] == [3.0, 5.0]


def test_a_request_of_one_token_never_leaves_the_prefill_pool():
    pool = Pool(Flat(), EngineConfig(), 1000, kv_bytes_per_token=100.0)
    (request,) = play_fleet(plan_of([(0.0, 10, 1)]), disaggregated(1.0), [pool, pool]).requests
    assert (request.end_s, request.replica, request.stalls_s) == (1.0, 0, ())


def test_the_prompt_needs_blocks_on_the_decode_replica():
    # 4 blocks of 16 hold one such request at a time: the second waits for the first to end at 4 s.
    small = Pool(Flat(), EngineConfig(block_size=16, max_num_seqs=8), 4)
    large = Pool(Flat(), EngineConfig(block_size=16), 100)
    requests = [(0.0, 40, 4), (0.0, 40, 4)]
    played = play_fleet(plan_of(requests), disaggregated(), [large, small])
    assert [r.end_s for r in played.requests] == [4.0, 7.0]
    assert [r.first_token_s for r in played.requests] == [1.0, 1.0]


def plain(case):
    """The level without slots, which cannot hand over a cache."""
    engine = case["engine"]
    if engine.policy == "slots":
        engine = msgspec.structs.replace(engine, policy="recompute", context_tokens=None)
    return {**case, "engine": engine, "warmup": 0}


def opened(case):
    """The level in an open loop, without the requests that would be refused."""
    plan = case["plan"]
    policy = policy_of(case["engine"], case["kv_blocks"])
    requests = tuple(
        msgspec.structs.replace(r, scheduled_s=r.scheduled_s or r.index * 2e-9)
        for r in plan.requests
        if policy.refusal(r.input_tokens, r.output_tokens) is None
    )
    assume(requests)
    return {**case, "plan": ArrivalPlan(load=Rate(per_s=1.0), seed=0, requests=requests)}


@settings(max_examples=80, deadline=None)
@given(levels)
def test_prefill_apart_is_prefill_alone(case):
    """First tokens of an open loop are those of the same prompts with one output token each."""
    case = opened(plain(case))
    pool = pool_of(case, router="round-robin")
    played = play_fleet(case["plan"], disaggregated(), [pool, pool])
    single = tuple(msgspec.structs.replace(r, output_tokens=1) for r in case["plan"].requests)
    plan = msgspec.structs.replace(case["plan"], requests=single)
    want = play(
        plan,
        **{k: v for k, v in case.items() if k not in ("plan", "router", *EXTENT)},
    )
    assert [r.first_token_s for r in played.requests] == [r.end_s for r in want.requests]


@settings(max_examples=80, deadline=None)
@given(levels)
def test_every_token_of_a_disaggregated_level_is_there(case):
    case = plain(case)
    pool = pool_of(case, kv_bytes_per_token=1.0)
    fleet = disaggregated(1e9, 1e-9)
    played = play_fleet(case["plan"], fleet, [pool, pool], **extent(case))
    gaps = sum(step.count * step.decodes for step in played.steps)
    for request in played.requests:
        if request.outcome == "complete":
            planned = case["plan"].request(request.index)
            assert request.output_tokens == planned.output_tokens
            assert len(request.stalls_s) >= (planned.output_tokens > 1)
            assert request.scheduled_s <= request.first_token_s <= request.last_token_s == request.end_s
        gaps += len(request.stalls_s) - max(0, request.output_tokens - 1)
    assert gaps == 0


@settings(max_examples=60, deadline=None)
@given(levels)
def test_all_at_once_is_the_same_in_both_loops(case):
    """As many users as requests are an open loop in which all arrive at once."""
    case = opened(plain(case))
    requests = tuple(msgspec.structs.replace(r, scheduled_s=0.0) for r in case["plan"].requests)
    pool = pool_of(case, kv_bytes_per_token=1.0)
    fleet = disaggregated(1e11, 1e-9)
    loads = (Rate(per_s=1.0), Users(users=len(requests)))
    plans = [ArrivalPlan(load=load, seed=0, requests=requests) for load in loads]
    one, other = (play_fleet(plan, fleet, [pool, pool], requests=len(requests)) for plan in plans)
    nameless = [msgspec.structs.replace(r, user=None) for r in other.requests]
    numbered = {r.index: n for n, r in enumerate(requests)}
    assert [msgspec.structs.replace(r, index=numbered[r.index]) for r in one.requests] == nameless
    assert sorted(map(repr, one.steps)) == sorted(map(repr, other.steps))


def test_what_cannot_be_played_is_refused():
    case = level(1)
    pool = pool_of(case)
    plan = case["plan"]
    with pytest.raises(InputError, match="pools: expected 2"):
        play_fleet(plan, record(SplitPools, threshold_tokens=1), [pool])
    with pytest.raises(InputError, match="transfer_bytes_per_s"):
        play_fleet(plan, disaggregated(0.0), [pool, pool])
    with pytest.raises(InputError, match=r"pools\[0\].replicas"):
        play_fleet(plan, SinglePool(deployment=NOBODY), [pool_of(case, replicas=0)])
    with pytest.raises(InputError, match="weights"):
        play_fleet(plan, MixedPools(deployments=(NOBODY,), weights=(0.0,)), [pool])
    slots = pool_of(case, engine=EngineConfig(name="llama.cpp", policy="slots", max_num_seqs=4))
    with pytest.raises(InputError, match="hand over a KV cache"):
        play_fleet(plan, disaggregated(), [slots, slots])
