import pytest
from plan_questions import requirements, search_of

from servemark.catalogue.architectures import find_model
from servemark.catalogue.engine_defaults import find_engine
from servemark.catalogue.gpu_types import find_gpu
from servemark.errors import UnknownName
from servemark.planning.shapes import engine_limits, node_gpus, parallelisms, replica_shapes
from servemark.units import GIB


def degrees(model, gpu):
    found = parallelisms(find_model(model), find_gpu(gpu))
    return {(each.tensor, each.pipeline, each.expert) for each in found}


def test_nvlink_means_tensor_parallel():
    assert degrees("llama-3.1-8b", "h100-sxm") == {(1, 1, 1), (2, 1, 1), (4, 1, 1), (8, 1, 1)}


def test_pcie_allows_pipelines():
    found = degrees("llama-3.1-8b", "l40s")
    assert {(1, 8, 1), (2, 4, 1), (4, 2, 1), (8, 1, 1)} <= found
    assert all(tensor * pipeline <= 8 for tensor, pipeline, _ in found)


def test_experts_spread_over_the_tensor_group():
    found = degrees("mixtral-8x7b", "h100-sxm")
    assert (8, 1, 8) in found
    assert (8, 1, 1) in found
    assert (1, 1, 1) in found


def test_tensor_parallel_divides_the_heads():
    # Phi-3 medium has 40 heads, GPT-2 has 12
    assert {tensor for tensor, *_ in degrees("phi-3-medium", "h100-sxm")} == {1, 2, 4, 8}
    assert {tensor for tensor, *_ in degrees("gpt-2", "h100-sxm")} == {1, 2, 4}


def test_a_server_holds_eight_gpus_four_consumer_cards_or_one_superchip():
    assert node_gpus(find_gpu("l40s")) == 8
    assert node_gpus(find_gpu("rtx-4090")) == 4
    assert node_gpus(find_gpu("gh200")) == 1


def test_batch_limits_hold_the_engines_own():
    engine = find_engine("vllm", gpu=find_gpu("l40s"))
    limits = {(each.max_num_seqs, each.max_num_batched_tokens) for each in engine_limits(engine, 1800)}
    assert (engine.max_num_seqs, engine.max_num_batched_tokens) in limits
    assert len(limits) == 4


def test_slots_share_a_context_that_holds_each_of_them():
    engine = find_engine("llama.cpp")
    found = list(engine_limits(engine, 1000))
    assert all(each.context_tokens == 1000 * each.max_num_seqs for each in found)


def test_70b_in_bf16_does_not_fit_one_l40s_by_what_the_sum_says():
    # 70,553,706,496 parameters x 2 bytes = 131.4 GiB; 0.9 x 45,486 MiB = 40.0 GiB: 91.4 GiB for the weights alone
    asked = requirements("llama-3.3-70b")
    found = replica_shapes(search_of(asked, ["l40s"], dtypes=("bf16",)))
    single = [each for each in found.rejected if each.deployment.parallelism.gpus == 1]
    assert {each.reason for each in single} == {"does_not_fit"}
    missing = min(each.excess_ratio * each.deployment.node.gpu.memory_usable_bytes for each in single)
    assert 91.4 < missing / GIB < 95
    assert f"{missing / GIB:,.1f} GiB missing, of 44.4 GiB" in {each.detail for each in single}


def test_every_deployment_either_fits_or_is_rejected():
    asked = requirements("llama-3.3-70b")
    found = replica_shapes(search_of(asked, ["l40s", "t4"]))
    # L40S: 10 layouts x 3 formats x 4 limits; T4 the same with 2 formats
    assert len(found.fitting) + len(found.rejected) == 10 * 3 * 4 + 10 * 2 * 4
    assert all(each.budget.fits for each in found.fitting)


def test_an_unsupported_format_is_counted_once_per_gpu():
    asked = requirements()
    found = replica_shapes(search_of(asked, ["a100-sxm-80gb"], dtypes=("fp8",), kv_dtypes=("fp8",)))
    assert found.fitting == ()
    (lost,) = found.rejected
    assert lost.reason == "unsupported"


def test_unknown_engine():
    asked = requirements()
    with pytest.raises(UnknownName, match="engine"):
        replica_shapes(search_of(asked, ["l40s"], engines=("vlm",)))
