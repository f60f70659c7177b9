"""A small deployment with step times a reader can add up by hand, and its twin on a loopback port."""

import asyncio
from contextlib import asynccontextmanager

import aiohttp
import msgspec
import pytest
from aiohttp.test_utils import TestServer

from servemark.domain.coefficients import Coefficients, Fitted
from servemark.domain.deployment import Deployment, EngineConfig
from servemark.domain.gpu import Gpu, Link, Node
from servemark.domain.model import Attention, Dense, LayerGroup, ModelArch
from servemark.domain.step import DecodeCost
from servemark.simulation.live import LiveReplica
from servemark.twins.server import build_app
from servemark.twins.settings import TwinSettings

MS_PS = 10**9


class HandStepTime:
    """20 ms a step, and 0.1 ms more for each prompt token."""

    def decode(self, decodes):
        return DecodeCost(base_ps=20 * MS_PS, slope_ps=0)

    def mixed(self, decodes, context_tokens, prefill_tokens, prefill_pairs, prompts):
        return 20 * MS_PS + prefill_tokens * MS_PS // 10


def _coefficients(request_overhead_s):
    half, nothing = Fitted(value=0.5, relative_error=0.1), Fitted(value=0.0, relative_error=0.1)
    return Coefficients(
        gpu="l40s", dtype="bf16", engine="vllm",
        compute_efficiency=half, memory_efficiency=half, kv_efficiency=half, attention_efficiency=half,
        link_efficiency=half, collective_latency_s=nothing, layer_overhead_s=nothing,
        token_overhead_s=nothing, sequence_overhead_s=nothing, step_overhead_s=nothing,
        request_overhead_s=Fitted(value=request_overhead_s, relative_error=0.1),
    )  # fmt: skip


_L40S = Gpu(
    key="l40s", name="L40S", family="l40s", architecture="ada", form_factor="pcie",
    memory_nominal_bytes=48e9, memory_reported_bytes=46068 * 2**20, memory_usable_bytes=45486 * 2**20,
    bandwidth_bytes_per_s=864e9, dense_flop_per_s={"fp16": 362e12, "bf16": 362e12}, tdp_w=350.0,
    pcie=Link(kind="pcie", bandwidth_bytes_per_s=32e9), graphics_pipeline=True, launch="2023", sources={},
)  # fmt: skip
_LLAMA = ModelArch(
    key="llama-3.1-8b", name="Llama 3.1 8B", hub_id="meta-llama/Llama-3.1-8B-Instruct", hidden=4096,
    vocab=128256, max_context_tokens=2048,
    groups=(
        LayerGroup(
            count=32, norm_params=8192, attention=Attention(heads=32, kv_heads=8, head_dim=128),
            feedforward=Dense(intermediate=14336),
        ),
    ),
)  # fmt: skip


@pytest.fixture
def settings():
    """Makes settings; keyword arguments of the engine, of the deployment and of the twin, in one."""

    def make(*, request_overhead_s=0.0, engine=(), replicas=1, router="round-robin", **twin):
        deployment = Deployment(
            model=_LLAMA, node=Node(gpu=_L40S), dtype="bf16", kv_dtype="bf16", replicas=replicas,
            router=router, engine=EngineConfig(**dict(engine)),
        )  # fmt: skip
        coefficients = _coefficients(request_overhead_s)
        twin = {"kv_blocks": 1000, **twin}
        return TwinSettings(deployment=deployment, coefficients=coefficients, **twin)

    return make


class TwinClient:
    """Asks a twin over HTTP, stamping every chunk."""

    def __init__(self, session, base):
        self.session, self.base = session, base

    async def get(self, path):
        async with self.session.get(f"{self.base}{path}") as response:
            return response.status, await response.read()

    async def health(self):
        return msgspec.json.decode((await self.get("/health"))[1])

    async def metrics(self):
        """Sample name with labels -> value, the labels of model and engine left out."""
        lines = (await self.get("/metrics"))[1].decode().splitlines()
        rows = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name: float(value) for name, value in rows}

    async def post(self, path, body):
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        async with self.session.post(f"{self.base}{path}", data=data) as response:
            return response.status, msgspec.json.decode(await response.read())

    async def chat(self, words=10, **fields):
        """The parsed chunks of a streamed chat, and when each arrived after sending."""
        body = {"messages": [{"role": "user", "content": "word " * words}], "stream": True, **fields}
        return await self.stream("/v1/chat/completions", body)

    async def stream(self, path, body):
        loop = asyncio.get_running_loop()
        sent_s, chunks, stamps_s = loop.time(), [], []
        async with self.session.post(f"{self.base}{path}", json=body) as response:
            assert response.status == 200, await response.text()
            async for line in response.content:
                if line.startswith(b"data: "):
                    chunks.append(line[6:].strip())
                    stamps_s.append(loop.time() - sent_s)
        assert chunks.pop() == b"[DONE]"
        return [msgspec.json.decode(chunk) for chunk in chunks], stamps_s[:-1]


@pytest.fixture
def twin():
    """Runs a twin in this event loop, with the step times of the hand."""

    @asynccontextmanager
    async def running(settings):
        engine, kv_blocks = settings.deployment.engine, settings.kv_blocks
        replicas = [
            LiveReplica(HandStepTime(), engine, kv_blocks) for _ in range(settings.deployment.replicas)
        ]
        async with (
            TestServer(build_app(settings, replicas)) as server,
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(20)
            ) as session,
        ):
            yield TwinClient(session, str(server.make_url("")).rstrip("/"))

    return running


@pytest.fixture
def text_of():
    """The text of streamed chat chunks."""

    def text(chunks):
        return "".join(choice["delta"]["content"] for chunk in chunks for choice in chunk["choices"])

    return text
