import asyncio
import socket
import time

import aiohttp
import msgspec
import pytest

from servemark.domain.workload import FixedLength, LognormalLength
from servemark.errors import InputError
from servemark.simulation.live import LiveReplica
from servemark.twins.server import serve

CHAT = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "word " * 10}]
# 1 + 5 + 10 + 4 tokens with the chat template; 22 ms to the first token, then 20 ms a token


def reason_of(chunks):
    return [c["finish_reason"] for chunk in chunks for c in chunk["choices"] if c["finish_reason"]]


async def until(client, *, running, waiting):
    """Wait until so many requests run and wait."""
    async with asyncio.timeout(10):
        while True:
            health = await client.health()
            if (health["running"], health["waiting"]) == (running, waiting):
                return
            await asyncio.sleep(0.01)


async def test_a_stream_has_role_words_reason_and_usage(settings, twin, text_of):
    async with twin(settings(time_factor=20.0)) as client:
        chunks, _ = await client.chat(max_tokens=5, ignore_eos=True, stream_options={"include_usage": True})
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert len(chunks) == 1 + 5 + 1 + 1
    assert all(chunk["choices"][0]["delta"]["content"] for chunk in chunks[1:6])
    assert len(text_of(chunks).split()) == 5
    assert reason_of(chunks) == ["length"]
    assert chunks[-1]["usage"] == {
        "prompt_tokens": 20,
        "completion_tokens": 5,
        "total_tokens": 25,
        "prompt_tokens_details": {"cached_tokens": 0},
    }


async def test_tokens_leave_when_the_step_time_says(settings, twin):
    async with twin(settings()) as client:
        _, stamps_s = await client.chat(words=90, max_tokens=10, ignore_eos=True)
        health = await client.health()
    # role and first word together after 20 + 100 x 0.1 ms, then a word every 20 ms; the reason with the last
    due_s = [0.030] + [0.030 + 0.020 * i for i in range(10)] + [0.030 + 0.020 * 9]
    late_s = sorted(stamp - due for stamp, due in zip(stamps_s, due_s, strict=True))
    assert late_s[0] > -0.0005
    assert late_s[len(late_s) // 2] < health["lag_p99_s"] + 0.02


async def test_the_servers_own_histograms_are_exact(settings, twin):
    async with twin(settings(request_overhead_s=0.05, time_factor=10.0)) as client:
        await client.chat(words=90, max_tokens=10, ignore_eos=True)
        metrics = await client.metrics()
    label = '{engine="0",model_name="llama-3.1-8b"}'
    assert metrics["vllm:time_to_first_token_seconds_sum" + label] == 0.080
    assert metrics["vllm:inter_token_latency_seconds_sum" + label] == 0.180
    assert metrics["vllm:inter_token_latency_seconds_count" + label] == 9
    assert metrics["vllm:e2e_request_latency_seconds_sum" + label] == 0.260
    assert metrics["vllm:request_queue_time_seconds_sum" + label] == 0.0


async def test_a_late_twin_catches_up_and_says_so(settings, twin):
    async with twin(settings()) as client:
        stream = asyncio.create_task(client.chat(max_tokens=20, ignore_eos=True))
        await asyncio.sleep(0.1)
        # what a busy machine does to the twin: its event loop stands still
        time.sleep(0.15)
        _, stamps_s = await stream
        health = await client.health()
    # the last of 20 words: 22 + 19 x 20 ms, not 150 ms later
    assert 0.4015 < stamps_s[-1] < 0.53
    assert health["lag_p99_s"] > 0.05


async def test_time_factor_speeds_up_the_wall_clock_only(settings, twin):
    async with twin(settings(time_factor=4.0)) as client:
        before = await client.health()
        _, stamps_s = await client.chat(max_tokens=21, ignore_eos=True)
        after = await client.health()
        metrics = await client.metrics()
    # 22 + 20 x 20 ms, four times faster
    assert 0.105 < stamps_s[-1] < 0.3
    assert after["time_factor"] == 4.0
    assert after["simulated_s"] - before["simulated_s"] >= 0.422
    assert metrics['vllm:e2e_request_latency_seconds_sum{engine="0",model_name="llama-3.1-8b"}'] == 0.422


async def test_text_depends_on_seed_and_number_only(settings, twin, text_of):
    async def two_texts(seed):
        async with twin(settings(seed=seed, time_factor=50.0)) as client:
            streamed, _ = await client.chat(max_tokens=8, ignore_eos=True)
            _, whole = await client.post(CHAT, {"messages": HELLO, "max_tokens": 8, "ignore_eos": True})
            return text_of(streamed), whole["choices"][0]["message"]["content"]

    first, second = await two_texts(1)
    assert first != second
    assert (first, second) == await two_texts(1)
    assert (first, second) != await two_texts(2)


async def test_a_completion_is_answered_both_ways(settings, twin):
    async with twin(settings(time_factor=50.0)) as client:
        body = {"prompt": "one two three", "max_tokens": 4, "ignore_eos": True}
        _, whole = await client.post("/v1/completions", body)
        chunks, _ = await client.stream("/v1/completions", body | {"stream": True})
    assert whole["object"] == "text_completion"
    assert whole["usage"]["prompt_tokens"] == 3
    assert len(whole["choices"][0]["text"].split()) == 4
    assert len("".join(chunk["choices"][0]["text"] for chunk in chunks).split()) == 4


@pytest.mark.parametrize(
    ("fields", "tokens", "reason"),
    [
        ({"max_tokens": 50}, 5, "stop"),
        ({"max_tokens": 5}, 5, "stop"),
        ({"max_tokens": 3}, 3, "length"),
        ({}, 5, "stop"),
        ({"max_tokens": 9, "ignore_eos": True}, 9, "length"),
        ({"max_tokens": 9, "min_tokens": 7}, 7, "stop"),
    ],
)
async def test_answers_end_by_themselves_or_at_the_limit(settings, twin, fields, tokens, reason):
    async with twin(settings(output=FixedLength(tokens=5), time_factor=50.0)) as client:
        _, whole = await client.post(CHAT, {"messages": HELLO, **fields})
    assert whole["usage"]["completion_tokens"] == tokens
    assert whole["choices"][0]["finish_reason"] == reason


async def test_without_a_length_answers_run_to_their_limit_or_to_128(settings, twin):
    async with twin(settings(time_factor=200.0)) as client:
        _, limited = await client.post(CHAT, {"messages": HELLO, "max_tokens": 7})
        _, free = await client.post(CHAT, {"messages": HELLO})
    assert (limited["usage"]["completion_tokens"], limited["choices"][0]["finish_reason"]) == (7, "length")
    assert (free["usage"]["completion_tokens"], free["choices"][0]["finish_reason"]) == (128, "stop")


async def test_drawn_lengths_repeat_with_the_seed(settings, twin):
    length = LognormalLength(median_tokens=20, sigma=1.0, maximum_tokens=200)

    async def lengths():
        async with twin(settings(output=length, seed=3, time_factor=200.0)) as client:
            answers = [await client.post(CHAT, {"messages": HELLO}) for _ in range(5)]
        return [whole["usage"]["completion_tokens"] for _, whole in answers]

    drawn = await lengths()
    assert drawn == await lengths()
    assert len(set(drawn)) > 1


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_client_that_leaves_frees_its_blocks(settings, twin, streamed):
    async with twin(settings()) as client:
        body = {"messages": HELLO, "max_tokens": 1000, "ignore_eos": True, "stream": streamed}
        request = asyncio.create_task(client.post(CHAT, body))
        await until(client, running=1, waiting=0)
        before = await client.metrics()
        request.cancel()
        await asyncio.gather(request, return_exceptions=True)
        await until(client, running=0, waiting=0)
        after = await client.metrics()
    usage = 'vllm:kv_cache_usage_perc{engine="0",model_name="llama-3.1-8b"}'
    aborted = 'vllm:request_success_total{engine="0",finished_reason="abort",model_name="llama-3.1-8b"}'
    assert before[usage] > 0
    assert after[usage] == 0
    assert (before[aborted], after[aborted]) == (0, 1)


async def test_a_pool_that_is_too_small_for_all_still_answers_all(settings, twin):
    # 8 blocks of 16 tokens; each of four requests grows to 20 + 40 tokens, 4 blocks
    async with twin(settings(kv_blocks=8, time_factor=4.0)) as client:
        answers = await asyncio.gather(*(client.chat(max_tokens=40, ignore_eos=True) for _ in range(4)))
        metrics = await client.metrics()
    assert [len(chunks) for chunks, _ in answers] == [1 + 40 + 1] * 4
    assert metrics['vllm:num_preemptions_total{engine="0",model_name="llama-3.1-8b"}'] > 0
    assert metrics['vllm:generation_tokens_total{engine="0",model_name="llama-3.1-8b"}'] == 160


async def test_a_slot_cuts_an_answer_that_outgrows_it(settings, twin):
    engine = {"name": "llama.cpp", "policy": "slots", "max_num_seqs": 2, "context_tokens": 64}
    async with twin(settings(engine=engine, time_factor=20.0)) as client:
        _, whole = await client.post(CHAT, {"messages": HELLO, "max_tokens": 500, "ignore_eos": True})
        status, refused = await client.post(CHAT, {"messages": [{"role": "user", "content": "w " * 30}]})
    # a slot of 32 tokens, 20 of them for the prompt; a prompt of 40 does not fit at all
    assert whole["usage"]["completion_tokens"] == 12
    assert whole["choices"][0]["finish_reason"] == "length"
    assert (status, refused["error"]["param"]) == (400, "input_tokens")


async def test_an_exhausted_shared_context_breaks_every_stream(settings, twin):
    engine = {
        "name": "llama.cpp", "policy": "slots", "max_num_seqs": 4, "context_tokens": 100,
        "shared_context": True,
    }  # fmt: skip
    body = {"messages": HELLO, "max_tokens": 50, "ignore_eos": True}
    async with twin(settings(engine=engine, time_factor=2.0)) as client:
        async with client.session.post(f"{client.base}{CHAT}", json=body | {"stream": True}) as stream:
            status, whole = await client.post(CHAT, body)
            events = [line async for line in stream.content if line.strip()]
        metrics = await client.metrics()
    # the status was 200 long before; the stream just ends, with neither reason nor [DONE]
    assert stream.status == 200
    assert msgspec.json.decode(events[-1].removeprefix(b"data: "))["error"]["code"] == 500
    assert not any(b'"finish_reason":"' in event for event in events)
    assert (status, whole["error"]["type"]) == (500, "InternalServerError")
    failed = 'vllm:request_success_total{engine="0",finished_reason="error",model_name="llama-3.1-8b"}'
    assert metrics[failed] == 2


async def test_a_repeated_prompt_comes_from_the_prefix_cache(settings, twin):
    async with twin(settings(time_factor=20.0)) as client:
        body = {"messages": [{"role": "user", "content": "word " * 90}], "max_tokens": 1}
        _, first = await client.post(CHAT, body)
        _, second = await client.post(CHAT, body)
        metrics = await client.metrics()
    cached = [whole["usage"]["prompt_tokens_details"]["cached_tokens"] for whole in (first, second)]
    # 100 tokens: six full blocks
    assert cached == [0, 96]
    label = '{engine="0",model_name="llama-3.1-8b"}'
    assert metrics["vllm:prefix_cache_hits_total" + label] == 96
    assert metrics["vllm:prefix_cache_queries_total" + label] == 200
    # 30 ms, then 20 + 4 x 0.1 ms
    assert metrics["vllm:time_to_first_token_seconds_sum" + label] == pytest.approx(0.0504)


async def test_without_prefix_caching_nothing_is_reused(settings, twin):
    engine = {"enable_prefix_caching": False}
    async with twin(settings(engine=engine, time_factor=20.0)) as client:
        for _ in range(2):
            _, whole = await client.post(CHAT, {"messages": HELLO, "max_tokens": 1})
    assert whole["usage"]["prompt_tokens_details"]["cached_tokens"] == 0


@pytest.mark.parametrize("router", ["round-robin", "least-loaded"])
async def test_replicas_share_the_requests(settings, twin, router):
    async with twin(settings(replicas=2, router=router, time_factor=2.0)) as client:
        await asyncio.gather(*(client.chat(max_tokens=20, ignore_eos=True) for _ in range(6)))
        metrics = await client.metrics()
    for engine in "01":
        assert metrics[f'vllm:prompt_tokens_total{{engine="{engine}",model_name="llama-3.1-8b"}}'] == 60


@pytest.mark.parametrize(("status", "kind"), [(503, "ServiceUnavailableError"), (429, "RateLimitError")])
async def test_beyond_the_queue_limit_requests_are_refused(settings, twin, status, kind):
    limits = {"max_waiting": 1, "overload_status": status, "engine": {"max_num_seqs": 1}}
    async with twin(settings(**limits)) as client:
        body = {"messages": HELLO, "max_tokens": 25, "ignore_eos": True}
        running = [asyncio.create_task(client.post(CHAT, body)) for _ in range(2)]
        await until(client, running=1, waiting=1)
        refused_status, refused = await client.post(CHAT, body)
        answered = await asyncio.gather(*running)
        metrics = await client.metrics()
    assert refused_status == status
    assert (refused["error"]["type"], refused["error"]["code"]) == (kind, status)
    assert [code for code, _ in answered] == [200, 200]
    name = "vllm:admission_rejections_total"
    assert [v for k, v in metrics.items() if k.startswith(name)] == [1]


async def test_an_idle_twin_without_a_queue_still_answers(settings, twin):
    async with twin(settings(max_waiting=0, time_factor=20.0)) as client:
        status, _ = await client.post(CHAT, {"messages": HELLO, "max_tokens": 2})
    assert status == 200


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"messages": HELLO, "model": "gpt-9"}, 404, "model"),
        ({"messages": [{"role": "user", "content": "w " * 1590}]}, 400, "input_tokens"),
        ({"messages": HELLO, "max_tokens": 1581}, 400, "max_tokens"),
        ({"messages": HELLO, "stop": " "}, 400, "stop"),
        ({"messages": HELLO, "max_tokens": "many"}, 400, "max_tokens"),
        (b"{", 400, None),
    ],
    ids=["model", "prompt", "max_tokens", "stop", "type", "JSON"],
)
async def test_what_cannot_be_served_is_refused(settings, twin, body, status, param):
    # a context of 2,048 tokens, and a pool of 100 blocks of 16, or 1,600
    async with twin(settings(kv_blocks=100)) as client:
        got, answer = await client.post(CHAT, body)
        metrics = await client.metrics()
    assert got == status
    assert set(answer["error"]) == {"message", "type", "param", "code"}
    assert (answer["error"]["code"], answer["error"]["param"]) == (status, param)
    assert metrics['vllm:prompt_tokens_total{engine="0",model_name="llama-3.1-8b"}'] == 0


async def test_unknown_paths_and_methods_have_the_same_error_shape(settings, twin):
    async with twin(settings()) as client:
        for path, status in (("/v1/embeddings", 404), (CHAT, 405)):
            got, body = await client.get(path)
            assert got == status
            assert msgspec.json.decode(body)["error"]["code"] == status


async def test_models_and_health_describe_the_deployment(settings, twin):
    async with twin(settings()) as client:
        _, body = await client.get("/v1/models")
        health = await client.health()
    (card,) = msgspec.json.decode(body)["data"]
    assert (card["id"], card["max_model_len"]) == ("llama-3.1-8b", 2048)
    assert card["root"] == "meta-llama/Llama-3.1-8B-Instruct"
    assert health.pop("simulated_s") > 0
    assert health == {
        "status": "ok",
        "twin": True,
        "model": "llama-3.1-8b",
        "deployment": "Llama 3.1 8B (bf16) on 1 x L40S",
        "time_factor": 1.0,
        "lag_p99_s": 0.0,
        "running": 0,
        "waiting": 0,
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [("time_factor", 0.0), ("time_factor", float("nan")), ("kv_blocks", 0), ("max_waiting", -1)],
)
async def test_impossible_settings_are_refused_by_name(settings, twin, field, value):
    with pytest.raises(InputError, match=f"^{field}: "):
        async with twin(settings(**{field: value})):
            pass


class _FailingStepTime:
    def decode(self, decodes):
        raise RuntimeError("the step time failed")

    def mixed(self, decodes, context_tokens, prefill_tokens, prefill_pairs, prompts):
        return 10**9


async def test_a_replica_that_fails_ends_the_server(settings):
    made = settings()
    replica = LiveReplica(_FailingStepTime(), made.deployment.engine, made.kv_blocks)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        ready = asyncio.Event()
        serving = asyncio.create_task(serve(made, [replica], listening, ready.set))
        await ready.wait()
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(20)) as session:
            with pytest.raises(aiohttp.ClientError):
                await session.post(address + CHAT, json={"messages": HELLO, "max_tokens": 3})
        (failure,) = (await asyncio.gather(serving, return_exceptions=True))[0].exceptions
    assert str(failure) == "the step time failed"
