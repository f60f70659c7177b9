"""One measured run: preflight, levels, the summary and verdict of each, stored as it goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from servemark.capacity.answer import capacity_of
from servemark.client.clock import Clock
from servemark.client.credentials import Credentials
from servemark.client.endpoint import base_url, is_loopback
from servemark.client.preflight import Preflight, check_endpoint, read_health
from servemark.client.streaming import StreamingClient
from servemark.domain.deployment import Deployment
from servemark.domain.exchange import Item
from servemark.domain.run import Endpoint, GpuSample, Level, RequestRecord, Run
from servemark.domain.workload import ArrivalPlan, Load, Slo, Workload
from servemark.errors import InputError
from servemark.load.driver import DrivenLevel, Extent, drive
from servemark.load.progress import Progress
from servemark.measurement.prompts import PromptSource, calibration_messages, word_count
from servemark.measurement.remarks import driving_remarks
from servemark.measurement.schedule import default_remarks, plan_levels
from servemark.stats.summary import summarise
from servemark.stats.verdicts import judge
from servemark.store.folders import RunWriter, create_run, open_level
from servemark.store.provenance import provenance_now
from servemark.telemetry.boards import Boards, sample_boards
from servemark.traffic.traces import Trace

DEFAULT_TIMEOUT_S = 600.0

OnProgress = Callable[[int, Progress], None]


async def measure_endpoint(
    url: str,
    *,
    model: str | None = None,
    loads: Sequence[Load],
    workload: Workload,
    slos: Sequence[Slo] = (),
    seed: int = 0,
    requests: int | None = None,
    duration_s: float | None = None,
    warmup: int | None = None,
    preflight: bool = True,
    trace: Trace | None = None,
    items: Sequence[Item] = (),
    api_key: str | None = None,
    headers: Mapping[str, str] | None = None,
    extra_body: Mapping[str, Any] | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    engine_cpu_s: Callable[[], float | None] | None = None,
    settings: Mapping[str, str] | None = None,
    deployment: Deployment | None = None,
    runs_root: Path | None = None,
    title: str | None = None,
    command: str = "",
    on_progress: OnProgress = lambda level, progress: None,
) -> Run:
    """Load-test an OpenAI-compatible endpoint, one level after the other.

    All times are run seconds: those of the twin's clock where the endpoint announces one. After a
    cancellation (Ctrl-C) the levels measured so far are returned, `provenance.finished` false.

    Args:
        url: API root, usually ending in `/v1`.
        model: as the endpoint names it; default the first it lists.
        loads: levels, in this order.
        workload: lengths; the output length is the `max_tokens` of every request.
        slos: promises to judge each level by.
        seed: of arrivals, lengths and texts.
        requests: of each level after its warm-up. Without it and `duration_s`: the whole trace, or
            the larger of 100 and 10 per user.
        duration_s: nothing is sent from then on, counted from the start of the level.
        warmup: requests before each level; default one per user, or one.
        preflight: ask for the models, the health and one tiny completion first. Without it `model`
            must be given, and a twin's clock is not known.
        trace: recorded requests to replay or to take lengths from.
        items: questions to ask in turn, instead of synthetic prompts; their answers may end by
            themselves and are kept.
        api_key: sent as a bearer token, kept in memory only.
        headers: more headers; their values are kept out of every record too.
        extra_body: fields that every request body gets besides (None as value: is to leave out).
        timeout_s: after which a request counts as timed out.
        engine_cpu_s: processor seconds used so far by a local engine.
        settings: engine settings to record.
        deployment: what is behind the endpoint, to record.
        runs_root: folder to keep the run in, written as it goes.
        title: of the report.
        command: command line to record.
        on_progress: called about ten times a second with the index of the level and its state.

    Raises:
        InputError: impossible quantities, before anything is sent.
        EndpointError: the endpoint cannot be measured, in words.
        StoreError: the run folder cannot be written.
    """
    credentials = Credentials(api_key, headers)
    found = Preflight(url=base_url(url), model=model or "")
    if not timeout_s > 0:
        raise InputError("timeout", expected="a time above 0", found=timeout_s)
    levels = plan_levels(
        loads, workload, seed=seed, requests=requests, duration_s=duration_s, warmup=warmup, trace=trace
    )
    messages = calibration_messages(items, levels[0][0], seed)
    if preflight:
        found = await check_endpoint(
            url, model=model, credentials=credentials, extra_body=extra_body, messages=messages
        )
    elif not model:
        raise InputError("model", expected="a model name, as the preflight is left out", found="none")
    provenance = provenance_now(seed, credentials.redact(command))
    run = Run(
        origin="measured",
        method="load test",
        title=title or _title(found),
        deployment=deployment,
        endpoint=_endpoint(found, settings, credentials.redact(_json(extra_body))),
        workload=workload,
        slos=tuple(slos),
        provenance=replace(provenance, finished=False),
        notes=found.notes + default_remarks(requests, duration_s, trace),
    )
    source = PromptSource(run, items=items, extra_body=extra_body)
    if found.prompt_tokens and not items:
        source.scale.add(word_count(messages), found.prompt_tokens)
    writer = create_run(runs_root, run) if runs_root is not None else None
    session = _Session(found, source, slos, writer, engine_cpu_s, on_progress)
    try:
        async with session.open(credentials, timeout_s):
            for plan, extent in levels:
                if not await session.measure(plan, extent):
                    break
        return session.finished(run, whole=len(levels))
    finally:
        if writer is not None:
            writer.close()


class _Session:
    """The run in progress."""

    def __init__(
        self,
        found: Preflight,
        source: PromptSource,
        slos: Sequence[Slo],
        writer: RunWriter | None,
        engine_cpu_s: Callable[[], float | None] | None,
        on_progress: OnProgress,
    ) -> None:
        self._found, self._source, self._slos, self._writer = found, source, slos, writer
        self._engine_cpu_s, self._on_progress = engine_cpu_s, on_progress
        self._levels: list[Level] = []
        self._interrupted = False
        self._samples: list[GpuSample] = []
        self._clock = Clock(found.health.time_factor)

    @asynccontextmanager
    async def open(self, credentials: Credentials, timeout_s: float) -> AsyncIterator[None]:
        """The client, and the sampler of the boards where the engine can be on them."""
        local = is_loopback(self._found.url) and not self._found.health.twin
        boards = Boards() if local else None
        sampling = None
        if boards:
            sampling = asyncio.ensure_future(sample_boards(boards, self._clock.now_s, self._keep_sample))
        client = StreamingClient(self._found.url, self._clock, credentials=credentials, timeout_s=timeout_s)
        try:
            async with client:
                self._client = client
                yield
        finally:
            if sampling is not None:
                sampling.cancel()
                await asyncio.gather(sampling, return_exceptions=True)
            if boards is not None:
                boards.close()

    async def measure(self, plan: ArrivalPlan, extent: Extent) -> bool:
        """Measure one level; False when it was interrupted."""
        index = len(self._levels)
        if self._writer is not None:
            self._writer.level(index, open_level(plan.load))
        self._source.start(index, plan, extent.warmup)
        self._samples.clear()
        driven = await drive(
            plan,
            self._client,
            self._clock,
            self._source.prepare,
            extent,
            on_record=self._keep_record,
            on_progress=lambda progress: self._on_progress(index, progress),
            engine_cpu_s=self._engine_cpu_s,
        )
        level = await self._summary(plan, driven)
        self._levels.append(level)
        if self._writer is not None:
            self._writer.level(index, level)
        self._interrupted = driven.interrupted
        return not driven.interrupted

    def finished(self, run: Run, *, whole: int) -> Run:
        """The run with its levels and its answer, written for good."""
        finished = len(self._levels) == whole and not self._interrupted
        run = replace(
            run,
            levels=tuple(self._levels),
            capacity=capacity_of(self._levels) if self._slos else None,
            provenance=replace(run.provenance, finished=finished),
            notes=run.notes + self._client.notes,
        )
        if self._writer is not None:
            run = replace(run, id=self._writer.finish(run).name)
            if self._writer.problem:
                run = replace(run, notes=(*run.notes, self._writer.problem))
        return run

    async def _summary(self, plan: ArrivalPlan, driven: DrivenLevel) -> Level:
        lag = driven.lag
        if self._found.health.twin and not driven.interrupted:
            health = await read_health(self._found.url)
            if health.lag_p99_s is not None:
                lag = replace(lag, server_p99_s=health.lag_p99_s * self._clock.time_factor)
        level = summarise(
            plan.load,
            driven.requests,
            lag=lag,
            cpu=driven.cpu,
            samples=tuple(self._samples),
            notes=driving_remarks(driven, plan),
            cut=driven.cut,
        )
        return judge(level, self._slos)

    def _keep_record(self, record: RequestRecord) -> None:
        if record.warmup:
            self._source.learn(record)
        if self._writer is not None:
            self._writer.request(len(self._levels), record)

    def _keep_sample(self, sample: GpuSample) -> None:
        self._samples.append(sample)
        if self._writer is not None:
            self._writer.sample(len(self._levels), sample)


def _title(found: Preflight) -> str:
    if found.health.twin and found.health.deployment:
        return f"The twin of {found.health.deployment}"
    return f"{found.model} at {found.url}"


def _endpoint(found: Preflight, settings: Mapping[str, str] | None, extra_body: str) -> Endpoint:
    recorded = dict(settings or {})
    if extra_body:
        recorded["extra_body"] = extra_body
    return Endpoint(
        url=found.url,
        model=found.model,
        server=found.server,
        time_factor=found.health.time_factor,
        settings=recorded,
    )


def _json(extra_body: Mapping[str, Any] | None) -> str:
    return msgspec.json.encode(extra_body).decode() if extra_body else ""
