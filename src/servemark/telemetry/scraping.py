"""The engine's own metrics, sampled while a level runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from servemark.domain.engine_sample import EngineSample

PERIOD_S = 0.333
"""As NVIDIA's AIPerf scrapes; gauges sampled slower than once a second miss short peaks of the KV cache."""


@dataclass
class ScrapeCount:
    """How the sampling goes."""

    kept: int = 0
    failed: int = 0
    problem: str = ""
    """Of the last scrape that failed, in words."""


async def sample_engine(
    read: Callable[[], Awaitable[EngineSample | None]],
    keep: Callable[[EngineSample], None],
    *,
    count: ScrapeCount | None = None,
    period_s: float = PERIOD_S,
) -> None:
    """Sample every `period_s` wall seconds until cancelled; a failed scrape is counted, never raised.

    Args:
        read: one scrape, as `lambda: scrape(session, source, clock.now_s)`; it stamps by the run's clock.
        keep: called with each sample; what it raises counts as a failure too.
        count: kept up to date, to tell afterwards how many failed and why.
        period_s: from the start of one scrape to the start of the next; a slower engine is asked again at
            once, never twice at a time.
    """
    count = count if count is not None else ScrapeCount()
    while True:
        begun_s = time.monotonic()
        try:
            if (sample := await read()) is not None:
                keep(sample)
                count.kept += 1
        except Exception as error:  # whatever a server answers must not end the run
            count.failed += 1
            count.problem = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": ")
        await asyncio.sleep(max(0.0, begun_s + period_s - time.monotonic()))
