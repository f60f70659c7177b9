"""Where engines tell of themselves: found, read, scraped; and to whom the key is sent."""

import asyncio
import contextlib
from pathlib import Path

import pytest
from aiohttp import web

from servemark.client.chat import prepare_chat
from servemark.client.clock import Clock
from servemark.client.credentials import Credentials
from servemark.client.engine_metrics import EngineSource, find_engine, open_scraping, scrape
from servemark.client.streaming import StreamingClient
from servemark.domain.workload import PlannedRequest
from servemark.engines import llamacpp, tiny
from servemark.errors import EndpointError

DATA = Path(__file__).with_name("data")
VLLM = (DATA / "vllm-0.32.0.txt").read_text()
MODELS = {"object": "list", "data": [{"id": "m", "owned_by": "vllm", "max_model_len": 512}]}
KEY = Credentials("a-secret-key")
SEEN = web.AppKey("seen", list)


def says(content, *, status=200, headers=None):
    async def handle(request):
        if isinstance(content, str):
            return web.Response(text=content, status=status, headers=headers)
        return web.json_response(content, status=status, headers=headers)

    return handle


@contextlib.asynccontextmanager
async def server(routes):
    """Yields its root and what it was asked: (path, authorization)."""
    app = web.Application()
    seen = app[SEEN] = []

    @web.middleware
    async def note(request, handler):
        seen.append((request.path, request.headers.get("Authorization")))
        return await handler(request)

    app.middlewares.append(note)
    for path, handler in routes.items():
        app.router.add_get(path, handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", seen
    finally:
        await runner.cleanup()


async def one_sample(source, credentials=None):
    async with open_scraping(source, credentials) as session:
        return await scrape(session, source, lambda: 1.5)


async def test_vllm_at_the_root_of_its_api():
    routes = {"/metrics": says(VLLM), "/v1/models": says(MODELS), "/version": says({"version": "0.32.0"})}
    async with server(routes) as (root, seen):
        source = await find_engine(f"{root}/v1", credentials=KEY, settings={"max_num_seqs": "32"})
        sample = await one_sample(source, KEY)
    facts = source.facts
    assert (facts.engine, facts.version, facts.source) == ("vllm", "0.32.0", "/metrics, /version")
    assert (facts.kv_pool_tokens, facts.max_model_len, facts.slots) == (768, 512, 32)
    assert (source.server, source.metrics_url, source.notes) == ("vllm", f"{root}/metrics", ())
    assert (sample.at_s, sample.waiting, sample.preemptions) == (1.5, 23, 59)
    assert {key for _, key in seen} == {"Bearer a-secret-key"}


async def test_metrics_elsewhere_never_see_the_key():
    async with (
        server({"/metrics": says(VLLM)}) as (metrics, asked),
        server({"/v1/models": says(MODELS)}) as api,
    ):
        root, _ = api
        source = await find_engine(f"{root}/v1", credentials=KEY, metrics_url=f"{metrics}/metrics")
        await one_sample(source, KEY)
    assert source.metrics_url == f"{metrics}/metrics" and not source.with_key
    assert source.facts.max_model_len == 512
    assert asked == [("/metrics", None)] * 2


async def test_a_redirect_is_not_followed_with_or_without_the_key():
    async with server({"/metrics": says(VLLM)}) as (elsewhere, asked):
        away = says("", status=302, headers={"Location": f"{elsewhere}/metrics"})
        async with server({"/metrics": away, "/v1/models": says(MODELS)}) as (root, _):
            source = await find_engine(f"{root}/v1", credentials=KEY)
    assert asked == [] and source.metrics_url == ""


async def test_trtllm_serve_has_its_exposition_one_floor_down():
    text = (DATA / "trtllm-serve-documented.txt").read_text()
    routes = {"/metrics": says([{"iter": 1}]), "/prometheus/metrics": says(text)}
    async with server(routes) as (root, _):
        source = await find_engine(f"{root}/v1")
        sample = await one_sample(source)
    assert (source.server, source.facts.engine) == ("trtllm-serve", "tensorrt-llm")
    assert source.metrics_url == f"{root}/prometheus/metrics"
    assert (sample.running, sample.kv_used_ratio, sample.preemptions) == (16, 0.62, None)


async def test_sglang_tells_the_rest_in_its_server_info():
    text = (DATA / "sglang-documented.txt").read_text()
    info = {"version": "0.5.23", "max_running_requests": 48, "mem_fraction_static": 0.88, "api_key": "secret",
            "disable_radix_cache": False, "context_length": None}  # fmt: skip
    async with server({"/metrics": says(text), "/server_info": says(info)}) as (root, _):
        facts = (await find_engine(f"{root}/v1")).facts
    assert (facts.version, facts.slots, facts.kv_pool_tokens) == ("0.5.23", 48, 120_000)
    assert (facts.gpu_memory_utilization, facts.enable_prefix_caching) == (0.88, True)
    assert facts.source == "/metrics, /server_info"
    assert "secret" not in repr(facts)


async def test_tgi_tells_its_longest_sequence_in_info():
    text = (DATA / "tgi-documented.txt").read_text()
    info = {"version": "3.3.6", "max_total_tokens": 4096, "max_concurrent_requests": 128}
    async with server({"/metrics": says(text), "/info": says(info)}) as (root, _):
        facts = (await find_engine(f"{root}/v1")).facts
    assert (facts.engine, facts.version, facts.max_model_len, facts.slots) == ("tgi", "3.3.6", 4096, None)


async def test_an_engine_without_metrics_is_known_by_its_name_and_told_how_to_show_them():
    models = {"data": [{"id": "m", "owned_by": "sglang", "max_model_len": 4096}]}
    async with server({"/v1/models": says(models)}) as (root, _):
        source = await find_engine(f"{root}/v1", server="sglang uvicorn")
        assert await one_sample(source) is None
    assert (source.facts.engine, source.facts.max_model_len, source.tells) == ("sglang", 4096, False)
    assert source.notes == ("sglang shows no metrics (HTTP 404); --enable-metrics switches them on",)


@pytest.mark.parametrize(
    ("routes", "problem"),
    [
        ({}, "HTTP 404"),
        (
            {"/metrics": says("# TYPE up gauge\nup 1\n")},
            "an answer without metrics of an engine that is known",
        ),
        ({"/metrics": says("no", status=401)}, "HTTP 401"),
    ],
)
async def test_an_unknown_server_stays_unknown(routes, problem):
    async with server(routes) as (root, _):
        source = await find_engine(f"{root}/v1", credentials=KEY)
        assert await one_sample(source) is None
        assert source == EngineSource(notes=(f"no engine's metrics at {root}: {problem}",))
        with pytest.raises(
            EndpointError, match="metrics: expected the URL of an engine's Prometheus metrics"
        ):
            await find_engine(f"{root}/v1", metrics_url=f"{root}/metrics")


@pytest.mark.parametrize(
    "url", ["localhost:8002/metrics", "", "ftp://host/metrics", "http:///metrics", "http://h:99999/m"]
)
async def test_what_is_no_url_is_refused_before_anything_is_sent(url):
    with pytest.raises(EndpointError, match=r"metrics: expected the URL .* such as http://127"):
        await find_engine("http://127.0.0.1:9/v1", metrics_url=url)


async def test_credentials_in_the_url_of_the_metrics_are_refused_and_not_quoted():
    with pytest.raises(EndpointError, match="without credentials or query, found one with") as refusal:
        await find_engine("http://127.0.0.1:9/v1", metrics_url="http://me:hidden@127.0.0.1:9/metrics")
    assert "hidden" not in str(refusal.value)


async def test_nobody_there_is_no_exception():
    async with server({}) as (root, _):
        pass
    assert not (await find_engine(f"{root}/v1")).tells


async def test_an_exposition_that_is_another_s_is_a_failed_scrape():
    texts = iter([VLLM, "up 1\n"])

    async def handle(request):
        return web.Response(text=next(texts))

    async with server({"/metrics": handle}) as (root, _):
        source = await find_engine(f"{root}/v1")
        with pytest.raises(ValueError, match="no exposition of vllm"):
            await one_sample(source)


@pytest.mark.needs("xllamacpp")
@pytest.mark.parametrize(("shared", "per_slot", "pool"), [(True, 512, 512), (False, 256, 2048)])
async def test_llamacpp_under_load(shared, per_slot, pool):
    with llamacpp.start(
        tiny.gguf_path(), slots=8, context_tokens=512, threads=1, shared_pool=shared
    ) as engine:
        told = await find_engine(engine.base_url)
        source = await find_engine(engine.base_url, settings=engine.settings)
        samples = await samples_under_load(engine, source, users=2)
    assert (told.facts.slots, told.facts.context_tokens_per_slot) == (8, per_slot)
    # its endpoints look the same with and without a shared pool
    assert (told.facts.shared_pool, told.facts.kv_pool_tokens) == (None, None)
    assert (source.facts.shared_pool, source.facts.kv_pool_tokens) == (shared, pool)
    assert source.facts.source == "/metrics, /slots, /props"
    assert max(sample.running for sample in samples) == 2
    # two prompts of at least 60 tokens and what was answered so far
    assert 120 < max(sample.kv_used_tokens for sample in samples) <= 512
    assert max(sample.kv_used_ratio for sample in samples) == (
        max(sample.kv_used_tokens for sample in samples) / pool
    )
    assert samples[-1].output_tokens > 0 and samples[-1].preemptions is None


async def samples_under_load(engine, source, *, users):
    clock, samples = Clock(), []
    # short ones: two of them fit into the shared pool
    items = sorted(tiny.bank(), key=lambda item: len(item.messages[-1].content))[: 6 * users]
    async with open_scraping(source) as session, StreamingClient(engine.base_url, clock) as client:

        async def user(number):
            for index, item in enumerate(items[number::users]):
                planned = PlannedRequest(index=index, input_tokens=0, output_tokens=150)
                prepared = prepare_chat(planned, item.messages, model=engine.model_name, seed=0)
                assert (await client.send(prepared, clock.now_s())).outcome == "complete"

        # a busy machine may keep the users apart: again until one sample has met them all
        for _ in range(5):
            working = asyncio.gather(*(user(number) for number in range(users)))
            while not working.done():
                samples.append(await scrape(session, source, clock.now_s))
            await working
            if max(sample.running for sample in samples) == users:
                break
        samples.append(await scrape(session, source, clock.now_s))
    assert [sample.at_s for sample in samples] == sorted(sample.at_s for sample in samples)
    return samples


async def test_llamacpp_that_hides_its_slots_is_known_by_its_props():
    props = (DATA / "llamacpp-2026.10.11549-shared-props.json").read_bytes()
    models = {"data": [{"id": "m", "owned_by": "llamacpp"}]}
    hidden = says({"error": {"message": "This server does not support metrics endpoint."}}, status=501)
    routes = {
        "/metrics": hidden,
        "/slots": hidden,
        "/props": says(props.decode()),
        "/v1/models": says(models),
    }
    async with server(routes) as (root, _):
        source = await find_engine(f"{root}/v1")
    assert (source.facts.engine, source.facts.slots, source.tells) == ("llama.cpp", 8, False)
    assert source.notes == ("llama.cpp shows no metrics (HTTP 501); --metrics switches them on",)
