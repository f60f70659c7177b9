import msgspec
import numpy as np
import pytest

from servemark.catalogue.architectures import find_model
from servemark.catalogue.gpu_types import find_gpu
from servemark.domain.model import Moe
from servemark.errors import InputError
from servemark.physics.work import StepWork, flop_per_s, stacked, step_work


def test_llama_8b_on_one_gpu(deploy):
    work, model = step_work(deploy("llama-3.1-8b", "l40s")), find_model("llama-3.1-8b")
    head = model.vocab * model.hidden
    assert work.layer_bytes == 2 * (model.layer_params + head)
    # one multiplication and one addition per parameter of a matrix
    assert work.layer_flop == 2 * (model.layer_params - 32 * 2 * 4096)
    assert work.head_flop == 2 * head
    assert work.full_kv_bytes == 128 * 1024
    assert work.full_pair_flop == 32 * 4 * 32 * 128
    assert work.window_kv_bytes == work.expert_bytes == work.all_reduce_bytes == work.both_ways == 0


def test_tensor_parallelism_shares_work_and_adds_traffic(deploy):
    one, four = (step_work(deploy("llama-3.1-8b", "h100-sxm", tp=t)) for t in (1, 4))
    assert four.layer_flop == one.layer_flop / 4
    assert four.full_kv_bytes == one.full_kv_bytes / 4
    # two all-reduces of a 4,096-wide 16-bit vector per layer, 2 x 3/4 of it through each link
    assert four.all_reduce_bytes == 64 * 1.5 * 4096 * 2
    assert four.all_reduce_rounds == 64 * 2


def test_a_pipeline_waits_for_its_fullest_stage(deploy):
    one, five = (step_work(deploy("llama-3.1-8b", "h100-sxm", pp=p)) for p in (1, 5))
    assert five.layer_flop == pytest.approx(one.layer_flop * 5 * 7 / 32)
    assert five.head_flop == one.head_flop
    assert five.all_reduce_bytes == 4 * 4096 * 2


def test_experts_stand_apart(deploy):
    work, model = step_work(deploy("mixtral-8x7b", "h100-sxm", tp=2)), find_model("mixtral-8x7b")
    (moe,) = {g.feedforward for g in model.groups if isinstance(g.feedforward, Moe)}
    expert = 3 * model.hidden * moe.intermediate
    assert work.expert_bytes == model.layers * 8 * expert * 2 / 2
    assert work.expert_flop == 2 * model.layers * 2 * expert / 2
    assert (work.experts, work.experts_per_token) == (8, 2)


def test_windows_of_gemma_and_latents_of_deepseek(deploy):
    gemma = step_work(deploy("gemma-3-27b", "h100-sxm"))
    assert gemma.window_tokens == 1024
    assert gemma.window_kv_bytes > 4 * gemma.full_kv_bytes > 0
    one, eight = (step_work(deploy("deepseek-v3", "h200-sxm", dtype="fp8", tp=t)) for t in (1, 8))
    assert one.full_kv_bytes == eight.full_kv_bytes == 61 * (512 + 64) * 2
    assert eight.full_kv_flop == one.full_kv_flop / 8


def test_encoders_see_both_ways_and_sample_nothing(deploy):
    work = step_work(deploy("bert-base-uncased", "t4", dtype="fp16"))
    assert work.both_ways == 1
    assert work.head_flop == 0


@pytest.mark.parametrize(
    ("gpu", "dtype", "unit", "share"),
    [
        ("h100-sxm", "fp8", "fp8", 1),
        ("a100-sxm-80gb", "fp8", "bf16", 1),  # no FP8 unit: fewer bytes, 16-bit maths
        ("h100-sxm", "int4", "bf16", 1),  # weight-only
        ("h100-sxm", "mxfp4", "bf16", 1),
        ("t4", "bf16", "fp16", 1),
        ("a100-sxm-80gb", "fp32", "bf16", 0.5),
        ("t4", "fp32", "fp32", 1),  # Turing has no TF32
    ],
)
def test_the_units_a_dtype_runs_on(gpu, dtype, unit, share):
    gpu = find_gpu(gpu)
    assert flop_per_s(gpu, dtype) == gpu.dense_flop_per_s[unit] * share


def test_attention_and_head_of_a_32_bit_model_run_in_32_bits(deploy):
    work = step_work(deploy("bert-base-uncased", "t4", dtype="fp32", kv_dtype="fp32"))
    assert work.unquantized_flop_per_s == work.flop_per_s == 8.1e12
    assert step_work(deploy("llama-3.1-8b", "l40s", dtype="fp8")).unquantized_flop_per_s == 362.05e12


def test_a_gpu_without_any_16_bit_figure_is_refused():
    gpu = msgspec.structs.replace(find_gpu("t4"), dense_flop_per_s={"int8": 1e12})
    with pytest.raises(InputError, match=r"gpus\.t4\.dense_flop_per_s: expected a bf16 or fp16 figure"):
        flop_per_s(gpu, "bf16")


def test_stacking_keeps_every_figure(deploy):
    works = [step_work(deploy("llama-3.1-8b", "l40s", tp=t)) for t in (1, 2, 4)]
    together = stacked(works)
    assert together.layer_bytes.shape == (3, 1)
    for i, work in enumerate(works):
        assert np.array_equal([column[i, 0] for column in together], work)
    assert isinstance(together, StepWork)
