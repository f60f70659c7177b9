"""The rig of one measured run: client and clock, and the samplers beside them."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from msgspec.structs import replace

from servemark.client.clock import Clock
from servemark.client.credentials import Credentials
from servemark.client.endpoint import is_loopback
from servemark.client.engine_metrics import EngineSource, open_scraping, scrape
from servemark.client.preflight import Preflight, read_health
from servemark.client.streaming import StreamingClient
from servemark.domain.engine_sample import EngineSample
from servemark.domain.run import GpuSample, Level, RequestRecord
from servemark.domain.workload import ArrivalPlan
from servemark.load.driver import DrivenLevel, Extent, Prepare, drive
from servemark.load.gauges import LoopGauge
from servemark.load.progress import Progress
from servemark.measurement.remarks import driving_remarks
from servemark.stats.summary import summarise
from servemark.store.folders import RunWriter
from servemark.telemetry.boards import Boards, sample_boards
from servemark.telemetry.scraping import ScrapeCount, sample_engine

OnProgress = Callable[[int, Progress], None]


class Rig:
    """Plays plans against one endpoint. `rows` says whose the records and samples are: the index of a level."""

    def __init__(
        self,
        found: Preflight,
        source: EngineSource,
        writer: RunWriter | None,
        engine_cpu_s: Callable[[], float | None] | None,
        on_progress: OnProgress,
    ) -> None:
        self._found, self._source, self._writer = found, source, writer
        self._engine_cpu_s, self._on_progress = engine_cpu_s, on_progress
        self._samples: dict[int, list[GpuSample]] = defaultdict(list)
        self._engine: dict[int, list[EngineSample]] = defaultdict(list)
        self._gauges: dict[int, LoopGauge] = defaultdict(LoopGauge)
        self._scraped = ScrapeCount()
        self._rows = 0
        self._clock = Clock(found.health.time_factor)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the run should know of the connections and the scraping."""
        failed, kept = self._scraped.failed, self._scraped.kept
        scraping = f"the engine's metrics could not be read {failed} of {failed + kept} times: "
        return self._client.notes + ((scraping + self._scraped.problem,) if failed else ())

    @asynccontextmanager
    async def open(self, credentials: Credentials, timeout_s: float) -> AsyncIterator[None]:
        """The client; the samplers of the boards, where the engine can be on them, and of the engine itself."""
        client = StreamingClient(self._found.url, self._clock, credentials=credentials, timeout_s=timeout_s)
        async with AsyncExitStack() as stack:
            local = is_loopback(self._found.url) and not self._found.health.twin
            boards = Boards() if local else None
            if boards is not None:
                stack.callback(boards.close)
            if boards:
                sampling = sample_boards(boards, self._clock.now_s, self._keep_sample)
                await stack.enter_async_context(_beside(sampling))
            if self._source.metrics_url or self._source.slots_url:
                session = await stack.enter_async_context(open_scraping(self._source, credentials))
                scraping = sample_engine(
                    lambda: scrape(session, self._source, self._clock.now_s),
                    self._keep_engine,
                    count=self._scraped,
                )
                await stack.enter_async_context(_beside(scraping))
            self._client = await stack.enter_async_context(client)
            yield

    async def play(
        self,
        rows: int,
        plan: ArrivalPlan,
        extent: Extent,
        prepare: Prepare,
        on_record: Callable[[RequestRecord], None],
        **place: int,
    ) -> DrivenLevel:
        """Play one plan; `place` (`block`, `blocks`) goes into what is said of its progress."""
        self._rows = rows
        driven = await drive(
            plan,
            self._client,
            self._clock,
            prepare,
            extent,
            on_record=on_record,
            on_progress=lambda progress: self._on_progress(
                rows, replace(progress, **place) if place else progress
            ),
            engine_cpu_s=self._engine_cpu_s,
            gauge=self._gauges[rows],
        )
        if not self._found.health.twin or driven.interrupted:
            return driven
        try:
            health = await read_health(self._found.url)
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is not None:
                task.uncancel()
            return replace(driven, interrupted=True)
        if health.lag_p99_s is None:
            return driven
        late_s = health.lag_p99_s * self._clock.time_factor
        return replace(driven, lag=replace(driven.lag, server_p99_s=late_s))

    def summary(self, rows: int, plan: ArrivalPlan, driven: DrivenLevel) -> Level:
        """What was played there, with the samples taken meanwhile."""
        level = summarise(
            plan.load,
            driven.requests,
            lag=driven.lag,
            cpu=driven.cpu,
            samples=tuple(self._samples[rows]),
            notes=driving_remarks(driven, plan),
            cut=driven.cut,
        )
        return replace(level, engine=tuple(self._engine[rows]))

    def _keep_sample(self, sample: GpuSample) -> None:
        self._samples[self._rows].append(sample)
        if self._writer is not None:
            self._writer.sample(self._rows, sample)

    def _keep_engine(self, sample: EngineSample) -> None:
        self._engine[self._rows].append(sample)
        if self._writer is not None:
            self._writer.engine(self._rows, sample)


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Something that runs until this block is left."""
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
