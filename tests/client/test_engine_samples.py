"""Expositions of real engines, and of those that are known from documentation only, figure by figure."""

from pathlib import Path

import pytest

from servemark.client.engine_names import ENGINES
from servemark.client.engine_samples import engine_behind, engine_named, facts_of, sample_of
from servemark.domain.engine_sample import EngineFacts, EngineSample

DATA = Path(__file__).with_name("data")
"""`engine-version` was scraped from that engine under load on 2026-11-20; `-documented` was made by hand."""


def read(name):
    text = (DATA / f"{name}.txt").read_text()
    engine = engine_behind(text)
    assert engine is not None
    return sample_of(text, engine, 2.5), facts_of(text, engine)


def test_vllm_out_of_blocks():
    sample, facts = read("vllm-0.32.0")
    assert sample == EngineSample(
        at_s=2.5, running=3, waiting=23, kv_used_ratio=20 / 23, preemptions=59, prompt_tokens=4790,
        output_tokens=7246, prefix_query_tokens=4790, prefix_hit_tokens=32,
        finished={"abort": 0, "error": 0, "length": 46, "repetition": 0, "stop": 0}, rejected=0,
        queue_s=(110.69650515500689, 46.0), ttft_s=(135.34179592132568, 51.0),
        itl_s=(35.016840186013724, 7195.0), e2e_s=(147.2329442501068, 46.0), process_start_s=1795201225.87,
    )  # fmt: skip
    assert facts == EngineFacts(
        engine="vllm", kv_pool_tokens=24 * 32, shared_pool=True, block_size=32, kv_blocks=24,
        gpu_memory_utilization=0.92, enable_prefix_caching=True,
    )  # fmt: skip


def test_older_names_of_vllm():
    text = """\
vllm:gpu_cache_usage_perc{model_name="m"} 0.5
vllm:num_preemptions_total{model_name="m"} 3.0
vllm:gpu_prefix_cache_queries_total{model_name="m"} 40.0
vllm:gpu_prefix_cache_hits_total{model_name="m"} 30.0
vllm:time_per_output_token_seconds_sum{model_name="m"} 1.5
vllm:time_per_output_token_seconds_count{model_name="m"} 30.0
vllm:cache_config_info{block_size="16",num_gpu_blocks="100",gpu_memory_utilization="0.9"} 1.0
"""
    engine = engine_behind(text)
    sample = sample_of(text, engine, 0.0)
    assert (sample.kv_used_ratio, sample.preemptions) == (0.5, 3)
    assert (sample.prefix_query_tokens, sample.prefix_hit_tokens, sample.itl_s) == (40, 30, (1.5, 30.0))
    assert facts_of(text, engine).kv_pool_tokens == 1600


def test_replicas_behind_one_exposition_add_up_and_the_fullest_pool_counts():
    text = """\
vllm:num_requests_running{engine="0"} 3.0
vllm:num_requests_running{engine="1"} 4.0
vllm:kv_cache_usage_perc{engine="0"} 0.25
vllm:kv_cache_usage_perc{engine="1"} 1.0
vllm:request_success_total{engine="0",finished_reason="stop"} 5.0
vllm:request_success_total{engine="1",finished_reason="stop"} 6.0
vllm:request_success_total{engine="1",finished_reason="length"} 7.0
vllm:cache_config_info{engine="0",block_size="16",num_gpu_blocks="100"} 1.0
vllm:cache_config_info{engine="1",block_size="16",num_gpu_blocks="90"} 1.0
"""
    engine = engine_behind(text)
    sample = sample_of(text, engine, 0.0)
    assert (sample.running, sample.kv_used_ratio) == (7, 1.0)
    assert sample.finished == {"stop": 11, "length": 7}
    assert (facts_of(text, engine).kv_blocks, facts_of(text, engine).kv_pool_tokens) == (190, 3040)


@pytest.mark.parametrize(("mode", "running"), [("shared", 5), ("split", 8)])
def test_llamacpp_tells_little_in_its_exposition(mode, running):
    sample, facts = read(f"llamacpp-2026.10.11549-{mode}")
    assert sample.running == running
    assert sample.prefix_query_tokens == sample.prompt_tokens > 0
    assert sample.prefix_hit_tokens == 0 and sample.output_tokens is not None
    unknown = ("kv_used_ratio", "kv_used_tokens", "preemptions", "rejected", "queue_s", "ttft_s", "e2e_s")
    assert all(getattr(sample, name) is None for name in unknown) and sample.finished == {}
    assert facts == EngineFacts(engine="llama.cpp")


def test_sglang_counts_ranks_once_and_priorities_not_twice():
    sample, facts = read("sglang-documented")
    assert sample == EngineSample(
        at_s=2.5, running=5 + 4, waiting=7, kv_used_ratio=0.97, kv_used_tokens=73_200, preemptions=3,
        prompt_tokens=8_128_902, output_tokens=7_557_572, prefix_query_tokens=8_128_902,
        prefix_hit_tokens=61_000, finished={"any": 7400, "abort": 12}, ttft_s=(1480.5, 7400.0),
    )  # fmt: skip
    assert facts == EngineFacts(
        engine="sglang", kv_pool_tokens=120_000, shared_pool=True, block_size=16, max_model_len=131_072
    )


def test_trtllm_serve():
    sample, facts = read("trtllm-serve-documented")
    assert sample == EngineSample(
        at_s=2.5, running=16, waiting=9, kv_used_ratio=0.62, prompt_tokens=90_000, output_tokens=12_345,
        prefix_query_tokens=90_000, prefix_hit_tokens=30_000, finished={"stop": 90, "length": 10, "error": 5},
        queue_s=(4.5, 100.0),
    )  # fmt: skip
    assert facts == EngineFacts(
        engine="tensorrt-llm", slots=256, kv_pool_tokens=6239 * 32, shared_pool=True, block_size=32,
        kv_blocks=6239,
    )  # fmt: skip


def test_triton_without_a_fraction_has_used_of_max_and_counts_an_ensemble_once():
    sample, facts = read("triton-documented")
    assert sample == EngineSample(
        at_s=2.5, running=4, waiting=3, kv_used_ratio=0.25, finished={"any": 503, "error": 6}
    )
    assert facts == EngineFacts(
        engine="tensorrt-llm", slots=512, kv_pool_tokens=6240 * 64, shared_pool=True, block_size=64,
        kv_blocks=6240,
    )  # fmt: skip


def test_tgi():
    sample, facts = read("tgi-documented")
    assert sample == EngineSample(
        at_s=2.5, running=2, waiting=6, prompt_tokens=5000, output_tokens=25_000,
        finished={"any": 100, "error": 5}, rejected=4, queue_s=(12.5, 100.0), e2e_s=(300.0, 100.0),
    )  # fmt: skip
    assert facts == EngineFacts(engine="tgi", shared_pool=True)


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.key)
def test_what_is_not_there_is_unknown_and_never_0(engine):
    assert sample_of("", engine, 1.0) == EngineSample(at_s=1.0)
    assert facts_of("", engine) == EngineFacts(engine=engine.engine, shared_pool=engine.shared_pool)


def test_a_label_that_says_none_is_unknown():
    text = (
        'vllm:cache_config_info{block_size="16",num_gpu_blocks="None",enable_prefix_caching="None"} 1.0\n'
    )
    facts = facts_of(text, engine_behind(text))
    assert (facts.block_size, facts.kv_blocks, facts.kv_pool_tokens) == (16, None, None)
    assert facts.enable_prefix_caching is None


def test_other_expositions_are_of_no_engine():
    assert engine_behind('# TYPE up gauge\nup 1\npython_info{a="vllm:"} 1\n') is None
    assert engine_behind("") is None


@pytest.mark.parametrize(
    ("words", "key"),
    [("vllm uvicorn", "vllm"), ("sglang uvicorn", "sglang"), ("llamacpp llama.cpp", "llama.cpp"),
     ("tensorrt_llm", "trtllm-serve"), ("uvicorn", None), ("", None)],
)  # fmt: skip
def test_engines_are_known_by_what_servers_call_themselves(words, key):
    engine = engine_named(words)
    assert (engine.key if engine else None) == key
