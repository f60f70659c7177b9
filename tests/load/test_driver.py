"""The driver against a server whose timing is known: loops, ends, interruption, its own figures."""

import asyncio
import gc
import time
from itertools import pairwise

import aiohttp
import pytest

from servemark.client.chat import prepare_chat
from servemark.client.clock import Clock
from servemark.client.streaming import StreamingClient
from servemark.domain.exchange import Message
from servemark.domain.run import RequestRecord
from servemark.domain.workload import ArrivalPlan, PlannedRequest, Rate, Users
from servemark.load.driver import Extent, drive

TOKENS = 4


def plan(load, count=16, gap_s=None):
    requests = tuple(
        PlannedRequest(
            index=i,
            input_tokens=3,
            output_tokens=TOKENS,
            scheduled_s=None if gap_s is None else i * gap_s,
        )
        for i in range(count)
    )
    return ArrivalPlan(load=load, seed=0, requests=requests)


async def play(url, arrivals, extent, *, factor=1.0, timeout_s=20.0, truth=None, **callbacks):
    clock = Clock(factor)

    def prepare(request):
        messages = (Message(role="user", content=f"request {request.index}"),)
        extra = {"truth": truth} if truth else None
        return prepare_chat(request, messages, model="truth", seed=0, extra_body=extra)

    async with StreamingClient(url, clock, timeout_s=timeout_s) as client:
        return await drive(arrivals, client, clock, prepare, extent, **callbacks)


async def peak_at(url):
    async with aiohttp.ClientSession() as session:
        return (await (await session.get(f"{url}/log")).json())["stats"]["peak"]


async def test_closed_loop_sends_the_warmup_and_exactly_the_requests(truth_url):
    seen = []
    level = await play(
        truth_url,
        plan(Users(users=3), count=5),
        Extent(warmup=3, requests=10),
        truth={"first_s": 0.02, "gap_s": 0.005},
        on_record=seen.append,
    )
    assert tuple(seen) == level.requests
    assert sorted(each.index for each in seen) == list(range(13))
    assert {each.index for each in seen if each.warmup} == {0, 1, 2}
    assert {each.outcome for each in seen} == {"complete"}
    assert (level.cut, level.interrupted) == (0, False)
    assert (level.lag.peak_in_flight, level.lag.asked_in_flight) == (3, 3)
    assert min(each.scheduled_s for each in seen) == pytest.approx(level.start_s, abs=1e-5)
    assert level.end_s >= max(each.end_s for each in seen)


async def test_a_user_sends_when_its_last_answer_has_ended(truth_url):
    level = await play(
        truth_url, plan(Users(users=2)), Extent(requests=12), truth={"first_s": 0.01, "gap_s": 0.005}
    )
    for user in (0, 1):
        own = sorted((each for each in level.requests if each.user == user), key=lambda each: each.index)
        assert len(own) >= 2
        for before, after in pairwise(own):
            assert 0 <= after.scheduled_s - before.end_s < 0.2
            assert after.sent_s >= after.scheduled_s


async def test_think_time_counts_from_the_end_of_the_answer(truth_url):
    level = await play(truth_url, plan(Users(users=1, think_s=0.1)), Extent(requests=3))
    before, after = level.requests[:2]
    assert after.scheduled_s - before.end_s == pytest.approx(0.1, abs=0.02)
    assert after.sent_s >= after.scheduled_s - 1e-6


async def test_users_who_think_begin_one_by_one(truth_url):
    """Four users who think 0.4 s begin 0.1 s apart: all at once they would stay in step."""
    level = await play(truth_url, plan(Users(users=4, think_s=0.4)), Extent(requests=4))
    starts = sorted(each.scheduled_s for each in level.requests)
    assert [after - before for before, after in pairwise(starts)] == pytest.approx([0.1] * 3)


async def test_the_server_sees_as_many_requests_at_once_as_there_are_users(truth_url):
    level = await play(
        truth_url, plan(Users(users=24)), Extent(requests=48), truth={"first_s": 0.2, "gap_s": 0.01}
    )
    assert level.lag.peak_in_flight == 24
    assert await peak_at(truth_url) >= 24


async def test_fewer_requests_than_users(truth_url):
    level = await play(truth_url, plan(Users(users=8)), Extent(requests=2))
    assert sorted(each.index for each in level.requests) == [0, 1]


async def test_open_loop_keeps_its_schedule_whatever_the_server_does(truth_url):
    """20 requests, one every 20 ms, answered after 1 s: all are sent before the first has ended."""
    level = await play(
        truth_url,
        plan(Rate(per_s=50.0, process="constant"), count=20, gap_s=0.02),
        Extent(warmup=4),
        truth={"first_s": 1.0},
    )
    by_index = sorted(level.requests, key=lambda each: each.index)
    assert [each.index for each in by_index] == list(range(20))
    assert sum(each.warmup for each in by_index) == 4
    start_s = level.start_s
    for each in by_index:
        assert each.scheduled_s == pytest.approx(start_s + each.index * 0.02, abs=1e-5)
        assert each.sent_s >= each.scheduled_s - 1e-6
    assert max(each.sent_s for each in by_index) < min(each.end_s for each in by_index)
    assert (level.lag.peak_in_flight, level.lag.asked_in_flight) == (20, None)


async def test_open_loop_stops_with_the_requests_asked_for(truth_url):
    arrivals = plan(Rate(per_s=100.0), count=20, gap_s=0.01)
    level = await play(truth_url, arrivals, Extent(warmup=2, requests=5))
    assert sorted(each.index for each in level.requests) == list(range(7))


async def test_a_duration_ends_the_sending_and_lets_what_is_in_flight_end(truth_url):
    level = await play(
        truth_url, plan(Users(users=2)), Extent(duration_s=0.5), truth={"first_s": 0.12, "gap_s": 0.02}
    )
    assert max(each.scheduled_s for each in level.requests) < level.start_s + 0.5
    assert max(each.end_s for each in level.requests) > level.start_s + 0.4
    assert {each.outcome for each in level.requests} == {"complete"} and level.cut == 0


async def test_open_loop_sends_nothing_scheduled_after_the_duration(truth_url):
    arrivals = plan(Rate(per_s=50.0), count=50, gap_s=0.02)
    level = await play(truth_url, arrivals, Extent(duration_s=0.3), truth={"first_s": 0.05})
    assert sorted(each.index for each in level.requests) == list(range(15))


async def test_what_outlasts_the_grace_is_cut_and_not_counted(truth_url):
    before = time.monotonic()
    level = await play(
        truth_url,
        plan(Users(users=3)),
        Extent(duration_s=0.3, grace_s=0.2),
        truth={"fault": "hang"},
    )
    assert time.monotonic() - before < 10.0
    assert (level.requests, level.cut, level.interrupted) == ((), 3, False)


async def test_a_request_over_its_own_limit_is_timed_out_and_counted(truth_url):
    level = await play(
        truth_url, plan(Users(users=2)), Extent(requests=2), truth={"fault": "hang"}, timeout_s=0.2
    )
    assert [each.outcome for each in level.requests] == ["timed_out", "timed_out"]
    assert level.cut == 0


async def test_failures_are_data_and_the_level_goes_on(truth_url):
    level = await play(
        truth_url, plan(Users(users=2)), Extent(requests=6), truth={"fault": "status", "status": 503}
    )
    assert [each.outcome for each in level.requests] == ["refused"] * 6


async def test_a_refused_user_pauses_longer_each_time(truth_url):
    level = await play(
        truth_url, plan(Users(users=1)), Extent(requests=4), truth={"fault": "status", "status": 503}
    )
    pauses = [later.scheduled_s - earlier.end_s for earlier, later in pairwise(level.requests)]
    # 50 ms, doubled after each refusal in a row
    assert pauses == pytest.approx([0.05, 0.1, 0.2], abs=0.02)


async def test_times_are_run_seconds(truth_url):
    """A clock of factor 100: a think time of 10 s takes 0.1 s."""
    before = time.monotonic()
    level = await play(truth_url, plan(Users(users=1, think_s=10.0)), Extent(requests=4), factor=100.0)
    assert time.monotonic() - before < 20.0
    assert level.end_s - level.start_s > 29.9


async def test_cancellation_returns_what_was_measured(truth_url):
    seen = asyncio.Event()
    count = 0

    def note(record):
        nonlocal count
        count += 1
        if count == 5:
            seen.set()

    playing = asyncio.ensure_future(
        play(
            truth_url,
            plan(Users(users=2)),
            Extent(requests=100_000),
            truth={"gap_s": 0.005},
            on_record=note,
        )
    )
    await seen.wait()
    playing.cancel()
    level = await playing
    assert level.interrupted and len(level.requests) == count >= 5
    assert 1 <= level.cut <= 2
    assert gc.isenabled()


async def test_an_error_of_a_callback_ends_the_level(truth_url):
    def full(record):
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        await play(truth_url, plan(Users(users=2)), Extent(requests=10), on_record=full)
    assert gc.isenabled()


async def test_progress_and_processor_time(truth_url):
    told, engine = [], iter((1.0, 3.0))
    level = await play(
        truth_url,
        plan(Users(users=2)),
        Extent(warmup=1, requests=11),
        truth={"first_s": 0.05, "gap_s": 0.02},
        on_progress=told.append,
        engine_cpu_s=lambda: next(engine),
    )
    assert len(told) >= 3
    assert [each.ended for each in told] == sorted(each.ended for each in told)
    last = told[-1]
    assert (last.requests, last.sent, last.in_flight, last.failed) == (12, 12, 0, 0)
    assert last.output_tokens == 12 * TOKENS and last.load == Users(users=2)
    assert level.cpu.engine_cores == pytest.approx(2.0 / (level.end_s - level.start_s), rel=0.2)
    assert 0 < level.cpu.client_cores < 1.5
    assert 0 <= level.lag.send_p99_s < 1.0 and 0 < level.lag.loop_p99_s < 1.0 and level.lag.reduced_accuracy


class Sleeper:
    """A client without a server: every request takes 20 ms of the clock."""

    def __init__(self, clock):
        self.clock = clock

    async def send(self, prepared, scheduled_s, *, user=None, warmup=False):
        sent_s = self.clock.now_s()
        await asyncio.sleep(0.02)
        return RequestRecord(
            index=prepared.index,
            scheduled_s=scheduled_s,
            sent_s=sent_s,
            end_s=self.clock.now_s(),
            outcome="complete",
            warmup=warmup,
            user=user,
        )


async def test_a_client_is_anything_that_sends():
    clock = Clock()

    def prepare(request):
        return prepare_chat(request, (), model="m", seed=0)

    level = await drive(plan(Users(users=4)), Sleeper(clock), clock, prepare, Extent(requests=8))
    assert len(level.requests) == 8
    assert 0.035 < level.end_s - level.start_s < 0.5


async def test_fillers_keep_up_the_load_until_the_last_judged_request_has_ended(truth_url):
    """Four users, six judged requests: whenever one of these ends, three others are in flight."""
    level = await play(
        truth_url,
        plan(Users(users=4), count=10),
        Extent(warmup=4, requests=6, keep_up=True),
        truth={"first_s": 0.02, "gap_s": 0.01},
    )
    judged = [each for each in level.requests if not each.warmup]
    assert sorted(each.index for each in judged) == list(range(4, 10))
    assert sorted(each.index for each in level.requests if each.warmup)[:4] == [0, 1, 2, 3]
    assert len(level.requests) - len(judged) >= 7
    for each in judged:
        middle_s = (each.sent_s + each.end_s) / 2
        together = [o for o in level.requests if o.scheduled_s <= middle_s <= o.end_s]
        assert len(together) == 4
    assert level.lag.peak_in_flight == 4 and level.cut == 0


async def test_an_open_loop_takes_its_fillers_from_the_rest_of_the_plan(truth_url):
    level = await play(
        truth_url,
        plan(Rate(per_s=50.0), count=200, gap_s=0.02),
        Extent(warmup=1, requests=3, keep_up=True),
        truth={"first_s": 0.1, "gap_s": 0.01},
    )
    assert sorted(each.index for each in level.requests if not each.warmup) == [1, 2, 3]
    fillers = [each for each in level.requests if each.index > 3]
    assert 3 <= len(fillers) < 100
    last_s = max(each.end_s for each in level.requests if not each.warmup)
    assert max(each.sent_s for each in fillers) > last_s - 0.1


async def test_without_warm_up_all_users_are_there_from_the_start(truth_url):
    level = await play(truth_url, plan(Users(users=5), count=2), Extent(requests=2, keep_up=True))
    assert level.lag.peak_in_flight == 5
    assert sum(not each.warmup for each in level.requests) == 2
