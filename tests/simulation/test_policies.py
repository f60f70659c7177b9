import pytest
from msgspec.structs import replace

from servemark.domain.deployment import EngineConfig
from servemark.errors import InputError
from servemark.simulation.policies import policy_of


def test_vllm_refuses_what_exceeds_the_pool_or_the_model_length():
    policy = policy_of(EngineConfig(block_size=16), 10)
    assert policy.refusal(100, 60) is None
    assert "160 that one request may hold (KV pool)" in policy.refusal(100, 61)
    policy = policy_of(EngineConfig(block_size=16, max_model_len=128), 10)
    assert "128 that one request may hold (max_model_len)" in policy.refusal(100, 60)


def test_nothing_is_served_without_tokens():
    policy = policy_of(EngineConfig(), 10)
    assert policy.refusal(0, 5)
    assert policy.refusal(5, 0)


def test_without_chunked_prefill_the_budget_bounds_a_request():
    engine = EngineConfig(enable_chunked_prefill=False, max_num_batched_tokens=256)
    assert "without chunked prefill" in policy_of(engine, 1000).refusal(200, 57)


def test_split_slots_cut_what_outgrows_them():
    # 1,024 tokens over 8 slots: 128 each.
    engine = EngineConfig(policy="slots", context_tokens=1024, max_num_seqs=8)
    policy = policy_of(engine, 64)
    assert policy.granted(100, 200) == 28
    assert policy.granted(100, 20) == 20
    assert policy.refusal(127, 200) is None
    assert "context of one slot" in policy.refusal(128, 1)


def test_a_shared_context_is_one_pool_of_tokens():
    engine = EngineConfig(policy="slots", shared_context=True, context_tokens=1024, max_num_seqs=8)
    policy = policy_of(engine, 64)
    assert (policy.blocks, policy.block_size, policy.breaks) == (1024, 1, True)
    assert policy.granted(100, 2000) == 924


@pytest.mark.parametrize(
    ("settings", "blocks", "path"),
    [
        ({}, 0, "kv_blocks"),
        ({"block_size": 0}, 9, "engine.block_size"),
        ({"max_num_seqs": 0}, 9, "engine.max_num_seqs"),
        ({"max_num_batched_tokens": 7, "max_num_seqs": 8}, 9, "engine.max_num_batched_tokens"),
        ({"policy": "slots", "context_tokens": 7, "max_num_seqs": 8}, 9, "engine.context_tokens"),
    ],
)
def test_impossible_settings_are_refused(settings, blocks, path):
    with pytest.raises(InputError) as error:
        policy_of(EngineConfig(**settings), blocks)
    assert error.value.path == path


def test_a_prompt_that_is_not_cut_has_to_fit_into_a_step():
    whole = EngineConfig(enable_chunked_prefill=False, max_num_batched_tokens=256, policy="no-evict")
    policy = policy_of(whole, 100)
    assert policy.refusal(256, 1000) is None
    assert "257 input tokens exceed the 256 of a step" in policy.refusal(257, 1)
    # what can be preempted comes back with its answer as part of its prompt
    back = policy_of(replace(whole, policy="recompute"), 100)
    assert back.refusal(200, 56) is None
    assert back.refusal(200, 57) is not None


def test_a_small_budget_is_refused_only_where_decodes_take_part_of_it():
    with pytest.raises(InputError, match="max_num_batched_tokens"):
        policy_of(EngineConfig(max_num_seqs=256, max_num_batched_tokens=128), 10)
    assert policy_of(EngineConfig(max_num_seqs=256, max_num_batched_tokens=128, prefill="alone"), 10).alone
    with pytest.raises(InputError, match="new_token_ratio"):
        policy_of(EngineConfig(new_token_ratio=1.5), 10)
