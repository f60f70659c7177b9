import pytest
from hypothesis import given
from hypothesis import strategies as st

from servemark.errors import DoesNotFit
from servemark.physics.memory import (
    activation_bytes,
    captured_batch_sizes,
    memory_budget,
    require_fit,
)
from servemark.units import KIB, MIB


def test_l40s_with_llama_8b(deploy):
    budget = require_fit(deploy("llama-3.1-8b", "l40s"))
    assert budget.total_reported_bytes == 46068 * MIB
    assert budget.usable_bytes == 45486 * MIB
    assert budget.reserved_bytes / MIB == pytest.approx(40937.4)
    assert budget.kv_bytes_per_token == 128 * KIB
    assert 190_000 <= budget.kv_tokens <= 202_000
    assert budget.reported_bytes / MIB == pytest.approx(42000, abs=100)
    parts = budget.weights_bytes + budget.activation_bytes + budget.kv_pool_bytes
    assert parts == pytest.approx(budget.reserved_bytes)
    assert budget.needed_bytes < 0.45 * budget.reported_bytes


@pytest.mark.parametrize("max_num_batched_tokens", [2048, 8192])
def test_rtx_4090_with_llama_8b_has_2588_blocks(deploy, max_num_batched_tokens):
    budget = require_fit(deploy("llama-3.1-8b", "rtx-4090", max_num_batched_tokens=max_num_batched_tokens))
    assert budget.total_reported_bytes == 24564 * MIB
    assert budget.usable_bytes / MIB == pytest.approx(24081, abs=0.5)
    assert budget.kv_blocks == pytest.approx(2588, rel=0.02)


@pytest.mark.parametrize(
    ("dtype", "tp", "fits"), [("bf16", 1, False), ("bf16", 2, False), ("fp8", 1, False), ("fp8", 2, True)]
)
def test_70b_on_l40s(deploy, dtype, tp, fits):
    deployment = deploy("llama-3.1-70b", "l40s", dtype=dtype, tp=tp)
    assert memory_budget(deployment, sequence_tokens=812).fits is fits


def test_what_does_not_fit_prints_the_sum(deploy):
    deployment = deploy("llama-3.1-70b", "l40s", tp=2)
    with pytest.raises(DoesNotFit) as caught:
        require_fit(deployment, sequence_tokens=812)
    budget = caught.value.budget
    assert str(caught.value) == (
        "Llama 3.1 70B (bf16) on 2 x L40S does not fit: 67,287 MiB weights + 1,190 MiB activations + "
        "128 MiB KV of one sequence of 812 tokens = 68,604 MiB, against 0.9 x 45,486 MiB = 40,937 MiB: "
        "27,666 MiB missing per GPU, 2 GPUs"
    )
    taken = budget.weights_bytes + budget.activation_bytes + 51 * 16 * budget.kv_bytes_per_token
    assert budget.missing_bytes == pytest.approx(taken - 0.9 * budget.usable_bytes)
    assert budget.kv_blocks == budget.kv_tokens == 0


def test_the_sum_that_holds(deploy):
    assert memory_budget(deploy("llama-3.1-8b", "l40s")).sum == (
        "15,317 MiB weights + 1,190 MiB activations + 24,431 MiB KV pool = 40,937 MiB "
        "(0.9 x 45,486 MiB = 40,937 MiB) + 1,110 MiB graphs and runtime"
    )


def test_a_fraction_that_leaves_no_room_for_graphs_and_runtime(deploy):
    budget = memory_budget(deploy("llama-3.1-8b", "l40s", gpu_memory_utilization=0.98))
    assert not budget.fits
    assert budget.missing_bytes == pytest.approx(budget.reported_bytes - budget.usable_bytes)
    assert "against 45,486 MiB of memory" in budget.sum
    assert memory_budget(
        deploy("llama-3.1-8b", "l40s", gpu_memory_utilization=0.98, enforce_eager=True)
    ).fits


def test_blocks_as_set(deploy):
    budget = memory_budget(deploy("llama-3.1-8b", "l40s", num_gpu_blocks_override=1000))
    assert (budget.kv_blocks, budget.kv_tokens) == (1000, 16000)
    assert budget.kv_pool_bytes == 16000 * 128 * KIB
    assert budget.reserved_bytes == budget.weights_bytes + budget.activation_bytes + budget.kv_pool_bytes
    assert not memory_budget(
        deploy("llama-3.1-8b", "l40s", num_gpu_blocks_override=10), sequence_tokens=161
    ).fits


def test_llama_cpp_takes_its_context_and_no_fraction(deploy):
    slots = {"policy": "slots", "context_tokens": 8192, "block_size": 1, "max_num_batched_tokens": 512}
    budget = memory_budget(deploy("llama-3.1-8b", "rtx-4090", dtype="q4_k_m", max_num_seqs=4, **slots))
    assert budget.fits
    assert budget.kv_tokens == 8192
    assert budget.graph_bytes == 0
    assert budget.reserved_bytes < 0.3 * budget.usable_bytes


@given(tokens=st.integers(1, 100_000))
def test_kv_grows_linearly_with_tokens(deploy, tokens):
    budget = memory_budget(deploy("llama-3.1-8b", "l40s"), sequence_tokens=tokens)
    blocks = -(-tokens // 16)
    outside = budget.weights_bytes + budget.activation_bytes + budget.graph_bytes + budget.runtime_bytes
    assert budget.needed_bytes - outside == pytest.approx(blocks * 16 * 128 * KIB)
    assert budget.fits == (blocks <= budget.kv_blocks)


def test_windows_make_long_sequences_cheaper(deploy):
    """kv_tokens counts tokens of sequences of the length asked for."""
    short, long = (
        memory_budget(deploy("gemma-3-27b", "h100-sxm"), sequence_tokens=n) for n in (1024, 32768)
    )
    assert short.kv_pool_bytes == long.kv_pool_bytes
    assert long.kv_tokens > 3 * short.kv_tokens


def test_a_state_weighs_the_same_at_any_length(deploy):
    model = "qwen3.5-397b-a17b"
    short, long = (
        memory_budget(deploy(model, "b200-sxm", dtype="fp4", tp=8), sequence_tokens=n)
        for n in (1024, 65536)
    )
    state = 1024 * short.kv_bytes_per_token - 1024 * _kv_alone(short, long)
    assert state > 0
    assert state == pytest.approx(65536 * long.kv_bytes_per_token - 65536 * _kv_alone(short, long))


def _kv_alone(short, long):
    """Bytes per token from two lengths: what is left when the constant state is taken out."""
    return (65536 * long.kv_bytes_per_token - 1024 * short.kv_bytes_per_token) / (65536 - 1024)


def test_encoders_have_no_pool(deploy):
    budget = memory_budget(deploy("bert-base-uncased", "t4", dtype="fp16"), sequence_tokens=512)
    assert budget.fits
    assert budget.kv_pool_bytes == budget.kv_blocks == budget.kv_tokens == budget.graph_bytes == 0
    assert budget.reserved_bytes == budget.weights_bytes + budget.activation_bytes


def test_activations_are_the_larger_of_layers_and_sampler(deploy):
    # layers: 2 bytes x tokens x (input, residual: 2 x 4096; gate, up, product: 3 x 14336)
    many = deploy("llama-3.1-8b", "h100-sxm", max_num_batched_tokens=65536)
    assert activation_bytes(many) == 2 * 65536 * (2 * 4096 + 3 * 14336)
    # sampler: 38 bytes x 256 sequences x 128,256 logits, whatever the tensor parallelism
    for tp in (1, 2):
        assert activation_bytes(deploy("llama-3.1-8b", "h100-sxm", tp=tp)) == 38 * 256 * 128256


def test_captured_batch_sizes():
    assert captured_batch_sizes(4) == (1, 2, 4, 8)
    assert len(captured_batch_sizes(128)) == 35  # as vLLM 0.28 lists for 128 sequences
    assert len(captured_batch_sizes(256)) == 51  # as vLLM 0.19 lists for 256
    assert captured_batch_sizes(1024)[-1] == 512
