import asyncio
import subprocess

import pytest

from servemark.client.engine_samples import engine_behind, facts_of, sample_of
from servemark.twins.counts import ITL_S, TTFT_S

LABEL = '{engine="0",model_name="llama-3.1-8b"}'


async def exposition_after_four(settings, twin):
    """The text after two streams of 5 tokens, one whole answer of 3 and one refused request."""
    async with twin(settings(time_factor=50.0)) as client:
        await asyncio.gather(*(client.chat(max_tokens=5, ignore_eos=True) for _ in range(2)))
        messages = [{"role": "user", "content": "word " * 10}]
        await client.post("/v1/chat/completions", {"messages": messages, "max_tokens": 3})
        await client.post("/v1/chat/completions", b"{")
        _, body = await client.get("/metrics")
        return body.decode(), await client.metrics()


async def test_counters_add_up(settings, twin):
    _, metrics = await exposition_after_four(settings, twin)
    assert metrics["vllm:prompt_tokens_total" + LABEL] == 3 * 20
    assert metrics["vllm:generation_tokens_total" + LABEL] == 5 + 5 + 3
    ended = {k: v for k, v in metrics.items() if k.startswith("vllm:request_success_total")}
    assert sum(ended.values()) == 3
    for name in ("time_to_first_token", "e2e_request_latency", "request_queue_time"):
        assert metrics[f"vllm:{name}_seconds_count" + LABEL] == 3
    # every token but the first of each request ends a gap
    assert metrics["vllm:inter_token_latency_seconds_count" + LABEL] == 13 - 3
    assert metrics["vllm:num_requests_running" + LABEL] == 0
    assert metrics["vllm:num_requests_waiting" + LABEL] == 0
    assert metrics["vllm:num_preemptions_total" + LABEL] == 0


async def test_gaps_of_20_ms_fall_between_vllms_bounds_of_10_and_25(settings, twin):
    _, metrics = await exposition_after_four(settings, twin)

    def at_most(bound):
        name = "vllm:inter_token_latency_seconds_bucket"
        return metrics[f'{name}{{engine="0",le="{bound}",model_name="llama-3.1-8b"}}']

    # a second request may join while the first decodes: its prompt makes one gap longer
    assert at_most("0.01") == 0
    assert at_most("0.025") >= 8
    assert at_most("+Inf") == 10


async def test_the_settings_of_the_cache_are_labels(settings, twin):
    text, _ = await exposition_after_four(settings, twin)
    (line,) = [line for line in text.splitlines() if line.startswith("vllm:cache_config_info{")]
    for label in ('block_size="16"', 'num_gpu_blocks="1000"', 'gpu_memory_utilization="0.9"'):
        assert label in line


def test_bounds_rise():
    assert list(TTFT_S) == sorted(set(TTFT_S))
    assert list(ITL_S) == sorted(set(ITL_S))


@pytest.mark.needs("promtool")
async def test_promtool_reads_it(settings, twin):
    text, _ = await exposition_after_four(settings, twin)
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=20
    )
    # 3 = readable, with remarks on style: vLLM's names have colons, which are meant for recording rules
    assert done.returncode in (0, 3), done.stderr
    remarks = [line for line in done.stderr.splitlines() if "colons" not in line and "':'" not in line]
    assert not remarks, remarks


async def test_the_client_reads_a_twin_as_it_reads_vllm(settings, twin):
    text, _ = await exposition_after_four(settings, twin)
    engine = engine_behind(text)
    sample, facts = sample_of(text, engine, 1.0), facts_of(text, engine)
    assert (engine.key, sample.prompt_tokens, sample.output_tokens) == ("vllm", 60, 13)
    assert (sample.running, sample.waiting, sample.preemptions, sample.rejected) == (0, 0, 0, 0)
    assert sum(sample.finished.values()) == sample.ttft_s[1] == 3
    assert (facts.block_size, facts.kv_blocks, facts.kv_pool_tokens) == (16, 1000, 16_000)
