"""The sampling loop: every sample kept, every failure counted, nothing raised."""

import asyncio
import contextlib

import pytest

from servemark.domain.engine_sample import EngineSample
from servemark.telemetry.scraping import ScrapeCount, sample_engine


async def sampled(answers, *, period_s=0.0):
    """What the loop keeps of these answers, after which the engine never answers again."""
    kept, count, said, spent = [], ScrapeCount(), iter(answers), asyncio.Event()

    async def read():
        for answer in said:
            if isinstance(answer, BaseException):
                raise answer
            return answer
        spent.set()
        await asyncio.sleep(60)

    loop = asyncio.ensure_future(sample_engine(read, kept.append, count=count, period_s=period_s))
    await asyncio.wait_for(spent.wait(), 10)
    assert not loop.done()
    loop.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await loop
    return kept, count


def sample(at_s):
    return EngineSample(at_s=at_s)


async def test_samples_are_kept_in_order_and_failures_counted_with_the_last_reason():
    refused = ConnectionRefusedError("connection\nrefused")
    answers = [sample(0.0), TimeoutError(), sample(1.0), refused, sample(2.0)]
    kept, count = await sampled(answers)
    assert [each.at_s for each in kept] == [0.0, 1.0, 2.0]
    assert count == ScrapeCount(kept=3, failed=2, problem="ConnectionRefusedError: connection refused")


async def test_an_engine_that_tells_nothing_is_no_failure():
    kept, count = await sampled([None, None])
    assert kept == [] and count == ScrapeCount()


async def test_a_failure_without_words_has_its_name():
    _, count = await sampled([TimeoutError()])
    assert count.problem == "TimeoutError"


async def test_what_keeping_raises_ends_no_run_either():
    def full(sample):
        raise OSError("disk full")

    count = ScrapeCount()

    async def read():
        return sample(0.0)

    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(sample_engine(read, full, count=count, period_s=0.01), 0.2)
    assert count.kept == 0 and count.failed >= 2 and count.problem == "OSError: disk full"


async def test_a_slow_engine_is_never_asked_twice_at_a_time():
    asking = most = 0

    async def read():
        nonlocal asking, most
        asking += 1
        most = max(most, asking)
        await asyncio.sleep(0.02)
        asking -= 1
        return sample(0.0)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(sample_engine(read, lambda each: None, period_s=0.001), 0.15)
    assert most == 1
