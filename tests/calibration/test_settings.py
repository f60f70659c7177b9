"""One row of each source, and what it means."""

import pytest

from servemark.calibration.settings import DRAWN_MEAN, observation

from .conftest import CELLS

AIC = {"source": "aiconfigurator-core 0.12.0 silicon_sample.csv (InferenceX dumps + NVIDIA runs)", "source_version":
       "source_file=2026-04-06.csv; sglang 0.5.9", "gpu": "B200-SXM-180GB", "num_gpus": "8", "tp": "8", "model":
       "DeepSeek-R1", "weight_dtype": "fp8", "kv_dtype": "", "engine": "sglang", "isl": "1024", "osl": "1024",
       "concurrency_or_batch": "64", "metric": "tpot_ref", "value": "20.4"}  # fmt: skip
MAX = {"source": "TensorRT-LLM perf-overview (in-flight batching, max load)", "source_version": "v1.0", "engine":
       "tensorrt-llm (pytorch)", "gpu": "H200-SXM-141GB", "weight_dtype": "fp8", "kv_dtype": "fp8", "isl": "1000",
       "osl": "1000", "concurrency_or_batch": "max", "metric": "output_throughput_total", "unit": "tok/s"}  # fmt: skip


def meant(*changes):
    cells = dict(CELLS)
    for change in changes:
        cells |= change
    found = observation(cells)
    assert not isinstance(found, str), found
    return found


def test_inferencex_draws_its_lengths():
    found = meant(AIC)
    assert (found.kind, found.sequences, found.metric) == ("closed", 64, "tpot")
    assert found.value == pytest.approx(0.0204)
    assert found.input_tokens == 1024 * DRAWN_MEAN
    # a uniform from 0.8 to 1.0: 0.2^2 / 12 over 0.9^2
    assert found.input_variation == pytest.approx(0.04 / 12 / 0.81)
    assert found.deployment.engine.version == "0.5.9"
    assert found.deployment.kv_dtype == "fp8"


@pytest.mark.parametrize(
    ("tp", "gpus", "plan"),
    [
        ("8", "8", (8, 1, 1)),
        ("16", "16", (4, 4, 1)),
        ("64", "64", (8, 8, 1)),
        ("1", "64", (8, 8, 8)),
        ("1", "8", (8, 8, 8)),
    ],
)
def test_tensor_times_expert_parallelism_is_written_as_one_number(tp, gpus, plan):
    found = meant(AIC, {"tp": tp, "num_gpus": gpus}).deployment.parallelism
    assert (found.tensor, found.expert, found.data) == plan


def test_a_saturated_run_has_a_number_of_requests():
    found = meant(MAX)
    assert (found.kind, found.requests, found.counted, found.per_gpu) == ("max", 3000, "output", False)
    assert found.deployment.engine.max_num_seqs == 2048
    per_gpu = meant(MAX, {"metric": "output_throughput_per_gpu", "unit": "tok/s/gpu"})
    assert per_gpu.per_gpu


def test_saturated_mixtures_share_out_their_attention():
    found = meant(MAX, {"model": "Qwen3-235B-A22B", "tp": "8", "num_gpus": "8"}).deployment.parallelism
    assert (found.tensor, found.expert, found.data) == (8, 8, 8)


def test_argonne_counts_both_sides_of_a_static_batch():
    argonne = {"source": "Argonne LLM-Inference-Bench All_results.csv (BSD-3, static batch)", "source_version":
               "SC24 snapshot", "metric": "total_throughput_in_plus_out", "unit": "tok/s"}  # fmt: skip
    found = meant(argonne)
    assert (found.kind, found.counted, found.same_prompts) == ("static", "both", False)
    assert found.deployment.engine.version == "2024"
    assert meant(argonne, {"engine": "tensorrt-llm"}).same_prompts


def test_a_rate_and_all_at_once():
    online = {"source": "TensorRT-LLM online serving table (triton backend, 500 requests, mean lengths)",
              "engine": "tensorrt-llm", "concurrency_or_batch": "qps=4", "metric": "itl_mean"}  # fmt: skip
    found = meant(online)
    assert (found.kind, found.rate_per_s, found.requests, found.metric) == ("open", 4.0, 500.0, "itl")
    assert meant(online, {"concurrency_or_batch": "qps=inf"}).rate_per_s == float("inf")


def test_llama_cpp_times_prompt_and_answer_apart():
    table = {"source": "XiongjieDai/GPU-Benchmarks-on-LLM-Inference (llama-bench)", "gpu": "RTX-4090", "engine":
             "llama.cpp", "weight_dtype": "f16", "kv_dtype": "f16", "isl": "1024", "osl": "0",
             "concurrency_or_batch": "1", "metric": "prefill_throughput_bs1", "unit": "tok/s"}  # fmt: skip
    found = meant(table)
    assert (found.kind, found.counted, found.input_tokens, found.output_tokens) == (
        "static",
        "input",
        1024,
        0,
    )
    assert found.deployment.dtype == "fp16"


def test_checkpoints_keep_their_own_precision():
    assert meant(AIC, {"model": "gpt-oss-120b", "weight_dtype": "fp4"}).deployment.dtype == "mxfp4"
    assert meant({"weight_dtype": ""}).deployment.dtype == "bf16"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (AIC | {"gpu": "GB200-192GB", "tp": "72", "num_gpus": "72"}, "72 GPUs"),
        (AIC | {"source_version": "source_file=nvi", "isl": "15000", "osl": "500"}, "recipe"),
        ({"model": "llama-2-7b", "isl": "4000", "osl": "500"}, "4500 tokens exceed the context of 4096"),
    ],
)
def test_what_a_row_does_not_say_is_not_guessed(change, reason):
    found = observation({**CELLS, **change})
    assert isinstance(found, str)
    assert reason in found
