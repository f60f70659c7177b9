import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from workloads import LinearStep, level

from servemark.domain.deployment import EngineConfig
from servemark.domain.workload import Rate
from servemark.errors import InputError
from servemark.simulation.live import LiveReplica
from servemark.simulation.replicas import play

PS = 10**12


def add(replica, request):
    replica.add(
        str(request.index),
        request.input_tokens,
        request.output_tokens,
        request.prefix_blocks,
        request.prefix_block_tokens,
    )


def live_replica(kv_blocks=100, **engine):
    return LiveReplica(LinearStep(), EngineConfig(**engine), kv_blocks)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**40))
def test_stepping_singly_equals_jumping(seed):
    case = level(seed)
    requests = tuple(replace(r, scheduled_s=0.0) for r in case["plan"].requests)
    plan = replace(case["plan"], load=Rate(per_s=1.0), requests=requests)
    settings = {key: case[key] for key in ("step_time", "engine", "kv_blocks")}
    played = play(plan, **settings)
    replica = LiveReplica(*settings.values())
    for request, record in zip(requests, played.requests, strict=True):
        if record.outcome == "refused":
            with pytest.raises(InputError, match="tokens"):
                add(replica, request)
        else:
            add(replica, request)
    now, times, broken = 0, {}, {}
    while replica.has_work:
        step = replica.step()
        broken |= dict.fromkeys(step.broken, now)
        now += step.duration_ps
        for request_id in step.tokens:
            times.setdefault(request_id, []).append(now)
        assert set(step.finished) <= set(step.tokens)
    for record in played.requests:
        tokens = times.get(str(record.index), [])
        assert len(tokens) == record.output_tokens
        if tokens:
            assert round(record.first_token_s * PS) == tokens[0]
            assert round(record.last_token_s * PS) == tokens[-1]
        assert (str(record.index) in broken) == (record.outcome == "broken")
    assert replica.preemptions == sum(r.preemptions for r in played.requests)
    assert (replica.running, replica.waiting, replica.kv_used_ratio) == (0, 0, 0.0)


def test_tokens_come_step_by_step_and_the_last_one_ends_the_request():
    replica = live_replica(max_num_batched_tokens=16, max_num_seqs=4)
    replica.add("a", 20, 3)
    assert replica.waiting == 1
    steps = []
    while replica.has_work:
        steps.append(replica.step())
    assert [s.tokens for s in steps] == [(), ("a",), ("a",), ("a",)]
    assert [s.finished for s in steps] == [(), (), (), ("a",)]
    assert [s.cached for s in steps] == [{}, {"a": 0}, {}, {}]


def test_a_step_without_work_takes_no_time():
    step = live_replica().step()
    assert (step.duration_ps, step.tokens) == (0, ())


def test_an_aborted_request_returns_its_blocks_and_its_name():
    replica = live_replica()
    replica.add("a", 100, 50)
    replica.step()
    assert replica.kv_used_ratio == 0.07
    replica.abort("a")
    replica.abort("never seen")
    assert (replica.has_work, replica.kv_used_ratio) == (False, 0.0)
    replica.add("a", 100, 50)
    assert replica.waiting == 1


def test_a_name_in_flight_is_taken():
    replica = live_replica()
    replica.add("a", 100, 50)
    with pytest.raises(InputError, match="request_id"):
        replica.add("a", 100, 50)


def test_the_prefix_cache_is_counted_in_tokens():
    replica = live_replica()
    replica.add("a", 64, 1, (1, 2), 32)
    replica.add("b", 64, 1, (1, 3), 32)
    assert replica.step().cached == {"a": 0, "b": 32}
    assert (replica.prefix_queries, replica.prefix_hits) == (128, 32)
