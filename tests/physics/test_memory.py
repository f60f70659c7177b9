import importlib.util
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servemark.catalogue.engine_defaults import find_engine
from servemark.domain.deployment import EngineMemory
from servemark.errors import DoesNotFit
from servemark.physics.memory import activation_bytes, graph_bytes, memory_budget, require_fit
from servemark.units import GIB, KIB, MIB


@pytest.fixture(scope="module")
def deploy(deploy):
    """With vLLM's CUDA graphs and layout of windows."""
    engine = find_engine("vllm")

    def build(model, gpu, **settings):
        return deploy(
            model, gpu, **{"cuda_graph_sizes": engine.cuda_graph_sizes, "memory": engine.memory, **settings}
        )

    return build


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
        "Llama 3.1 70B (bf16) on 2 x L40S does not fit: 67,287 MiB weights + 1,437 MiB activations + "
        "128 MiB KV of one sequence of 812 tokens = 68,851 MiB, against 0.9 x 45,486 MiB = 40,937 MiB: "
        "27,913 MiB missing per GPU, 2 GPUs"
    )
    taken = budget.weights_bytes + budget.activation_bytes + 51 * 16 * budget.kv_bytes_per_token
    assert budget.missing_bytes == pytest.approx(taken - 0.9 * budget.usable_bytes)
    assert budget.kv_blocks == budget.kv_tokens == 0


def test_the_sum_that_holds(deploy):
    assert memory_budget(deploy("llama-3.1-8b", "l40s")).sum == (
        "15,317 MiB weights + 1,273 MiB activations + 24,348 MiB KV pool = 40,937 MiB "
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
    libraries = 50 * MIB
    # layers: 2 bytes x tokens x (input, residual, sum, embedding: 4 x 4096; gate, up, product: 3 x 14336)
    many = deploy("llama-3.1-8b", "h100-sxm", max_num_batched_tokens=65536)
    assert activation_bytes(many) == 2 * 65536 * (4 * 4096 + 3 * 14336) + libraries
    # sampler: 37 bytes x 256 sequences x 128,256 logits and the last hidden states, whatever the tensor
    # parallelism; communication buffers where there is any
    for tp in (1, 2):
        sampler = 37 * 256 * 128256 + 2 * 8192 * 4096
        activation = activation_bytes(deploy("llama-3.1-8b", "h100-sxm", tp=tp))
        assert activation == sampler + libraries + (tp > 1) * 100 * MIB


def test_newer_engines_keep_the_workspace_of_the_experts(deploy):
    memory = EngineMemory(logit_bytes=14.6, keeps_workspace=True, library_bytes=0.0)
    mixture = deploy("qwen3-30b-a3b", "h100-sxm", max_num_seqs=1024, memory=memory)
    # 8 experts a token: up-projections 2 x 768 or outputs 2048, and products 768 or outputs 2048
    workspace = 32 * MIB + 8192 * 8 * (2048 + 2048) * 2
    assert activation_bytes(mixture) == 14.6 * 1024 * 151936 + 2 * 8192 * 2048 + workspace
    # as vLLM 0.19 logs for it on an H100
    assert activation_bytes(mixture) / GIB == pytest.approx(2.68, abs=0.03)


def test_graphs_are_counted_inside_the_fraction_by_newer_versions(deploy):
    outside, inside = (
        deploy("llama-3.1-8b", "l40s", memory_rule=rule) for rule in ("total", "total-and-graphs")
    )
    assert graph_bytes(outside) == 51 * 32 * 320 * KIB
    pools = [memory_budget(d).kv_pool_bytes for d in (outside, inside)]
    assert pools[0] - pools[1] == pytest.approx(graph_bytes(inside))


def test_a_share_of_what_is_free(deploy):
    """TensorRT-LLM: 0.9 x (45,486 MiB - 600 MiB of context - weights - activations)."""
    budget = memory_budget(deploy("llama-3.1-8b", "l40s", memory_rule="free", policy="no-evict"))
    left = budget.usable_bytes - budget.weights_bytes - budget.activation_bytes - budget.runtime_bytes
    assert budget.kv_pool_bytes == pytest.approx(0.9 * left)
    assert "free = " in budget.sum


def test_a_share_for_weights_and_pool(deploy):
    """SGLang: 0.85 x (45,486 MiB - 600 MiB of context) - weights; activations are not subtracted."""
    budget = memory_budget(
        deploy("llama-3.1-8b", "l40s", memory_rule="static", gpu_memory_utilization=0.85)
    )
    assert budget.kv_pool_bytes == pytest.approx(0.85 * 44886 * MIB - budget.weights_bytes)


@pytest.mark.parametrize("rule", ["free", "static", "total-and-graphs"])
def test_other_engines_print_what_is_left(deploy, rule):
    budget = memory_budget(deploy("llama-3.1-70b", "l40s", tp=2, memory_rule=rule), sequence_tokens=812)
    assert not budget.fits
    assert "leave 0 MiB of 0.9 x " in budget.sum
    assert "one sequence of 812 tokens takes 128 MiB" in budget.sum


def test_pools_as_vllm_logged_them():
    """31 published startup logs; see `benchmarks/kv_pools.py`."""
    path = Path(__file__).parents[2] / "benchmarks" / "kv_pools.py"
    spec = importlib.util.spec_from_file_location("kv_pools", path)
    kv_pools = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(kv_pools)
    found = [(row, abs(pool)) for row, pool, _ in kv_pools.errors()]
    sizes = sorted(size for _, size in found)
    assert len(sizes) == 31
    assert sizes[len(sizes) // 2] < 0.003
    outside = [(row["model"], row["gpu"], row["version"]) for row, size in found if size > 0.02]
    assert outside == [
        ("gpt-oss-20b", "a100-sxm-80gb", "0.19.0"),  # its 4-bit weights are padded there: 13.72 GiB
        ("llama-3.1-8b", "rtx-pro-6000-server", "0.28.0"),
        ("llama-3.1-8b", "rtx-3090", "0.6.4"),  # V0 counted the CUDA context, too
        ("llama-3.1-8b", "rtx-3090", "0.6.4"),
    ]
    assert max(sizes) < 0.05
