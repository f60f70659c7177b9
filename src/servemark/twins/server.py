"""The twin's HTTP face: vLLM's endpoints, answered by the simulation."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import msgspec
from aiohttp import web

from servemark.simulation.live import LiveReplica
from servemark.twins.chunks import Form, Frame, stream_frame, whole_answer
from servemark.twins.damage import BROKEN_STREAM
from servemark.twins.exposition import exposition
from servemark.twins.faults import Fault
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
    app.on_response_prepare.append(_server_header(settings))
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
        self._in_flight = 0

    async def lifetime(self, app: web.Application) -> AsyncIterator[None]:
        """Start the clock and the replicas; stop them with the application."""
        self._fleet = Fleet(self._settings, self._live)
        self._exposition = exposition(self._fleet)
        app[_RUNNING] = task = asyncio.create_task(self._fleet.run())
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self._fleet.replies.log.close()

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
        settings = self._settings
        extra: dict[str, object] = {}
        if settings.suite:
            extra["suite"] = settings.suite.key
        if settings.faults:
            extra["faults"] = dict(fleet.replies.log.counts)
        return _json(
            {
                "status": "ok",
                "twin": True,
                "model": settings.model_name,
                "deployment": settings.title,
                "time_factor": settings.time_factor,
                "lag_p99_s": fleet.lateness.p99_s(),
                "simulated_s": fleet.clock.now_ps() / PS_PER_S,
                "running": sum(replica.running for replica in fleet.replicas),
                "waiting": sum(replica.waiting for replica in fleet.replicas),
            }
            | extra
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
        limit = self._fleet.limit(asked)
        replica = self._fleet.route()
        number = next(self._numbers)
        self._in_flight += 1
        try:
            request = self._fleet.request(asked, limit, form, number, received_ps, self._in_flight)
            await self._fail_late(request)
            if asked.stream:
                frame = stream_frame(form, number, model)
                return await self._stream(http, replica, request, frame, asked.include_usage)
            return await self._whole(http, replica, request, form)
        finally:
            self._in_flight -= 1
            self._fleet.replies.ended(number)

    async def _whole(
        self, http: web.Request, replica: PacedReplica, request: TwinRequest, form: Form
    ) -> web.Response:
        await _run(replica, request)
        fault = request.reply.fault
        if request.broken:
            raise refusal(500, _broken_words(fault))
        if fault and fault.kind == "stall":
            await asyncio.sleep(self._wall_s(fault.delay_s))
        if _hangs_up(fault) and http.transport is not None:
            http.transport.close()
        body = whole_answer(
            form, request.number, self._settings.model_name, request.reply.text(), request.reply.reason,
            request.usage,
        )  # fmt: skip
        return web.Response(body=body, headers=_JSON_HEADERS)

    async def _stream(
        self,
        http: web.Request,
        replica: PacedReplica,
        request: TwinRequest,
        frame: Frame,
        include_usage: bool,
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers=_STREAM_HEADERS)
        response.enable_chunked_encoding()
        await response.prepare(http)
        assert http.transport is not None, "the headers have just gone out on it"
        fault = request.reply.fault
        request.stream = stream = Stream(http.transport, frame, include_usage)
        if fault and fault.kind == "stall":
            tokens = request.reply.output_tokens
            stream.hold_after = min(fault.after_tokens or tokens // 2, tokens - 1)
        await _run(replica, request)
        if fault and fault.kind == "stall":
            await asyncio.sleep(self._wall_s(fault.delay_s))
            stream.release()
        if request.broken:
            # the status has gone out long ago: the error comes inside the stream, as llama.cpp sends it
            words = error_body(500, _broken_words(fault))
            await response.write(b"data: " + words.encode() + b"\n\n")
        if _hangs_up(fault):
            http.transport.close()
        return response

    async def _fail_late(self, request: TwinRequest) -> None:
        fault = request.reply.fault
        if fault and fault.kind == "late_error":
            await asyncio.sleep(self._wall_s(fault.delay_s))
            raise refusal(fault.status, "The request was given up after it had waited.")

    def _wall_s(self, simulated_s: float) -> float:
        return simulated_s / self._settings.time_factor


def _broken_words(fault: Fault | None) -> str:
    return BROKEN_STREAM if fault and fault.kind == "cut_stream" else BROKEN


def _hangs_up(fault: Fault | None) -> bool:
    """The connection closes in the middle of the answer."""
    return fault is not None and fault.kind == "cut_stream" and fault.ending == "closed"


async def _run(replica: PacedReplica, request: TwinRequest) -> None:
    """Have the request answered; forget it when its client goes away first."""
    replica.submit(request)
    try:
        await request.ended.wait()
    finally:
        if not request.ended.is_set():
            replica.abort(request)


def _server_header(settings: TwinSettings) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    name = f"{SERVER} with faults" if settings.faults else SERVER

    async def set_header(_: web.Request, response: web.StreamResponse) -> None:
        response.headers["Server"] = name

    return set_header


def _json(body: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), headers=_JSON_HEADERS)
