"""The twin's HTTP face: vLLM's endpoints, answered by the simulation."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Callable, Sequence

import msgspec
from aiohttp import web

from servemark.simulation.live import LiveReplica
from servemark.twins.chunks import Form, stream_frame, whole_answer
from servemark.twins.exposition import exposition
from servemark.twins.fleet import Fleet
from servemark.twins.pacing import PacedReplica, Stream, TwinRequest
from servemark.twins.payloads import Asked, read_chat, read_completion
from servemark.twins.refusals import error_body, error_shape, refusal
from servemark.twins.settings import TwinSettings, check_settings
from servemark.units import PS_PER_S
from servemark.version import __version__

LARGEST_BODY_BYTES = 64 * 1024**2
SERVER = f"servemark-twin/{__version__}"
SHUTDOWN_S = 0.1
"""Streams in flight are cut off then: a simulated answer is not worth waiting for. (0 would mean no limit.)"""
BROKEN = "The context shared by all requests is exhausted."
_STREAM_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
}
_JSON_HEADERS = {"Content-Type": "application/json"}
_RUNNING: web.AppKey[asyncio.Task[None]] = web.AppKey("running", asyncio.Task)


def build_app(settings: TwinSettings, replicas: Sequence[LiveReplica]) -> web.Application:
    """The application that serves `replicas`; its clock starts with it.

    Run it with `handler_cancellation=True`, so that a client that goes away frees its sequence.

    Raises:
        InputError: a setting is impossible.
    """
    check_settings(settings)
    twin = _Twin(settings, replicas)
    app = web.Application(client_max_size=LARGEST_BODY_BYTES, middlewares=[error_shape])
    app.add_routes(
        [
            web.post("/v1/chat/completions", twin.chat),
            web.post("/v1/completions", twin.completion),
            web.get("/v1/models", twin.models),
            web.get("/health", twin.health),
            web.get("/metrics", twin.metrics),
        ]
    )
    app.cleanup_ctx.append(twin.lifetime)
    app.on_response_prepare.append(_name_server)
    return app


async def serve(
    settings: TwinSettings,
    replicas: Sequence[LiveReplica],
    listening: socket.socket,
    on_ready: Callable[[], None],
) -> None:
    """Serve on a bound socket until cancelled; `on_ready` is called once requests are answered.

    Raises:
        ExceptionGroup: a replica failed; without it no request would ever end.
    """
    app = build_app(settings, replicas)
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    try:
        await web.SockSite(runner, listening).start()
        on_ready()
        await app[_RUNNING]
    finally:
        await runner.cleanup()


class _Twin:
    """The handlers and what they share."""

    def __init__(self, settings: TwinSettings, replicas: Sequence[LiveReplica]) -> None:
        self._settings = settings
        self._live = replicas
        self._numbers = itertools.count()

    async def lifetime(self, app: web.Application) -> AsyncIterator[None]:
        """Start the clock and the replicas; stop them with the application."""
        self._fleet = Fleet(self._settings, self._live)
        self._exposition = exposition(self._fleet)
        app[_RUNNING] = task = asyncio.create_task(self._fleet.run())
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def models(self, _: web.Request) -> web.Response:
        """`GET /v1/models`: the one model."""
        model = self._settings.deployment.model
        card = {
            "id": self._settings.model_name,
            "object": "model",
            "created": 0,
            "owned_by": "servemark",
            "root": model.hub_id or model.key,
            "parent": None,
            "max_model_len": self._fleet.context_tokens,
        }
        return _json({"object": "list", "data": [card]})

    async def health(self, _: web.Request) -> web.Response:
        """`GET /health`: that this is a twin, how fast its clock runs, and how late it was."""
        fleet = self._fleet
        return _json(
            {
                "status": "ok",
                "twin": True,
                "model": self._settings.model_name,
                "deployment": self._settings.deployment.title,
                "time_factor": self._settings.time_factor,
                "lag_p99_s": fleet.lateness.p99_s(),
                "simulated_s": fleet.clock.now_ps() / PS_PER_S,
                "running": sum(replica.running for replica in fleet.replicas),
                "waiting": sum(replica.waiting for replica in fleet.replicas),
            }
        )

    async def metrics(self, _: web.Request) -> web.Response:
        """`GET /metrics`."""
        body = self._exposition()
        return web.Response(body=body, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    async def chat(self, http: web.Request) -> web.StreamResponse:
        """`POST /v1/chat/completions`."""
        body = await http.read()
        received_ps = self._fleet.clock.now_ps()
        return await self._answer(http, read_chat(body), "chat", received_ps)

    async def completion(self, http: web.Request) -> web.StreamResponse:
        """`POST /v1/completions`."""
        body = await http.read()
        received_ps = self._fleet.clock.now_ps()
        return await self._answer(http, read_completion(body), "completion", received_ps)

    async def _answer(
        self, http: web.Request, asked: Asked, form: Form, received_ps: int
    ) -> web.StreamResponse:
        model = self._settings.model_name
        if asked.model not in (None, model):
            raise refusal(404, f"The model `{asked.model}` does not exist.", "model")
        number = next(self._numbers)
        request = self._fleet.request(asked, form, number, received_ps)
        replica = self._fleet.route()
        if not asked.stream:
            await _run(replica, request)
            if request.broken:
                raise refusal(500, BROKEN)
            text = " ".join(itertools.islice(request.words, request.output_tokens))
            body = whole_answer(form, number, model, text, request.reason, request.usage)
            return web.Response(body=body, headers=_JSON_HEADERS)
        response = web.StreamResponse(headers=_STREAM_HEADERS)
        response.enable_chunked_encoding()
        await response.prepare(http)
        assert http.transport is not None, "the headers have just gone out on it"
        request.stream = Stream(http.transport, stream_frame(form, number, model), asked.include_usage)
        await _run(replica, request)
        if request.broken:
            # the status has gone out long ago: the error comes inside the stream, as llama.cpp sends it
            await response.write(b"data: " + error_body(500, BROKEN).encode() + b"\n\n")
        return response


async def _run(replica: PacedReplica, request: TwinRequest) -> None:
    """Have the request answered; forget it when its client goes away first."""
    replica.submit(request)
    try:
        await request.ended.wait()
    finally:
        if not request.ended.is_set():
            replica.abort(request)


async def _name_server(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = SERVER


def _json(body: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), headers=_JSON_HEADERS)
