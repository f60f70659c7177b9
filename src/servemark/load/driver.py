"""The load driver: plays an arrival plan against a client, on the wall clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from typing import Any

from msgspec.structs import replace

from servemark.client.clock import Clock
from servemark.client.protocol import Client, Prepared
from servemark.domain.record import Record
from servemark.domain.run import CpuShare, Lag, Outcome, RequestRecord
from servemark.domain.workload import ArrivalPlan, PlannedRequest, Users
from servemark.load.gauges import CpuGauge, LoopGauge, collector_paused, p99
from servemark.load.progress import Progress

UNSERVED: tuple[Outcome, ...] = ("refused", "transport")
"""After these a user waits before asking again: longer each time in a row, as people and gateways' clients do."""
SHORTEST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 1.0
_LOOK_S = 0.1
"""Wall seconds between two looks at the end of the level, and between two words of progress."""

Prepare = Callable[[PlannedRequest], Prepared]


class Extent(Record, frozen=True, kw_only=True):
    """How much to send, as in the simulator. Times are run seconds; bounds may be combined.

    A level bounded by requests waits for the last of them. One bounded by time stops sending at its
    end and waits `grace_s` (None: the duration once more) for those in flight. What still runs then is
    cancelled and belongs to no outcome: its own time limit had not passed.
    """

    warmup: int = 0
    """Sent before the level, flagged, in the same stream without a pause after them."""
    requests: int | None = None
    duration_s: float | None = None
    """From the start of the level, warm-up included: nothing is sent from then on."""
    grace_s: float | None = None
    keep_up: bool = False
    """After the last request of a level bounded by requests, fillers follow, flagged like the warm-up, until it
    and all before it have ended: each sees the whole load. A closed loop goes round its plan for them; an open
    one takes the rest of its plan."""

    @property
    def planned(self) -> int | None:
        """Requests of the level with its warm-up; None where only time bounds it."""
        return None if self.requests is None else self.warmup + self.requests


class DrivenLevel(Record, frozen=True, kw_only=True):
    """What came of one level."""

    requests: tuple[RequestRecord, ...]
    """In the order in which they ended, warm-up included."""
    start_s: float
    end_s: float
    cut: int = 0
    """Measured requests still in flight at the end (or the interruption), cancelled and not counted."""
    interrupted: bool = False
    lag: Lag
    cpu: CpuShare


async def drive(
    plan: ArrivalPlan,
    client: Client,
    clock: Clock,
    prepare: Prepare,
    extent: Extent,
    *,
    on_record: Callable[[RequestRecord], None] = lambda record: None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    engine_cpu_s: Callable[[], float | None] | None = None,
    gauge: LoopGauge | None = None,
) -> DrivenLevel:
    """Play one level.

    Closed loop (`Users`): each user sends its next request when the last one has ended and the think
    time is over, going round the plan; after a refusal or a dead connection it pauses first, 50 ms to
    1 s. Open loop: every request is sent at its absolute time, whether or not earlier ones have ended;
    it ends with the plan at the latest.

    Args:
        plan: what to send.
        client: sends one request; a failed one must be a record, not an exception.
        clock: the clock that the client stamps with.
        prepare: encodes a request, whose `index` counts from 0 over the level.
        extent: when to stop.
        on_record: called with each record as its request ends.
        on_progress: called about ten times a second.
        engine_cpu_s: processor seconds that a local engine has used so far.
        gauge: goes on from what it has seen, where one level is played in several visits.

    Returns:
        What was measured; after a cancellation what was measured until then, marked `interrupted`.
    """
    level = _Level(plan, client, clock, prepare, extent, on_record)
    gauge = gauge or LoopGauge()
    interrupted = False
    with collector_paused():
        cpu = CpuGauge(engine_cpu_s)
        measuring = asyncio.ensure_future(gauge.run())
        try:
            level.start()
            await level.wait(on_progress)
        except asyncio.CancelledError:
            interrupted = True
            level.cut = level.measured_in_flight
            if (task := asyncio.current_task()) is not None:
                task.uncancel()
        finally:
            await _cancelled([*level.tasks, measuring])
    return DrivenLevel(
        requests=tuple(level.records),
        start_s=level.start_s,
        end_s=clock.now_s(),
        cut=level.cut,
        interrupted=interrupted,
        lag=_lag(level, gauge, clock),
        cpu=cpu.read(),
    )


class _Level:
    """The level in progress."""

    def __init__(
        self,
        plan: ArrivalPlan,
        client: Client,
        clock: Clock,
        prepare: Prepare,
        extent: Extent,
        on_record: Callable[[RequestRecord], None],
    ) -> None:
        self.plan, self.clock, self.extent = plan, clock, extent
        self.records: list[RequestRecord] = []
        self.tasks: set[asyncio.Task[object]] = set()
        self.in_flight = self.measured_in_flight = self.peak_in_flight = self.cut = 0
        self._measured_ended = 0
        self.start_s = clock.now_s()
        self._client, self._prepare, self._on_record = client, prepare, on_record
        self._started = self._failed = self._output_tokens = 0
        self._end_s: float | None = None
        self._total = extent.planned
        self._finished = asyncio.Event()
        self._error: BaseException | None = None

    def start(self) -> None:
        """Begin to send. The first request of every user is prepared before the level starts."""
        load = self.plan.load
        if isinstance(load, Users):
            bounded = self._total is not None and not self.extent.keep_up
            users = min(load.users, self._total or 0) if bounded else load.users
            first = [self._prepared(number) for number in range(users)]
            self._started = users
            self._begin()
            for user, prepared in enumerate(first):
                self._spawn(self._user(user, prepared, load))
        else:
            planned = len(self.plan.requests)
            self._total = planned if self._total is None else min(self._total, planned)
            self._begin()
            self._spawn(self._arrivals(planned if self.extent.keep_up else self._total))

    def _begin(self) -> None:
        self.start_s = self.clock.now_s()
        if self.extent.duration_s is not None:
            self._end_s = self.start_s + self.extent.duration_s

    async def wait(self, on_progress: Callable[[Progress], None]) -> None:
        """Return when the level has ended. Raises what an own callback raised."""
        while not self._finished.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    await self._finished.wait()
            if self._error is not None:
                raise self._error
            on_progress(self._progress())
            now_s = self.clock.now_s()
            # started, not in flight: a request that has just been spawned is on its way
            ended = len(self.records) >= self._started
            if self._over(now_s) and (ended or self._grace_over(now_s)):
                self.cut = self.measured_in_flight
                return

    def _over(self, now_s: float) -> bool:
        """Nothing more is to be sent."""
        if self._total is not None and self._started >= self._total:
            return not self.extent.keep_up or self._measured_ended >= self._total - self.extent.warmup
        closed = isinstance(self.plan.load, Users)
        return closed and self._end_s is not None and now_s >= self._end_s

    def _grace_over(self, now_s: float) -> bool:
        duration_s, grace_s = self.extent.duration_s, self.extent.grace_s
        if duration_s is None or self._end_s is None:
            return False
        return now_s >= self._end_s + (duration_s if grace_s is None else grace_s)

    async def _user(self, user: int, prepared: Prepared, load: Users) -> None:
        """One user of a closed loop. Those who think begin one by one: all at once they would stay in step."""
        think_s, pause_s = load.think_s, 0.0
        ready_s = self.start_s + think_s * user / load.users
        if user and think_s:
            if self._end_s is not None and ready_s >= self._end_s:
                self._started -= 1
                return
            await self.clock.sleep_until_s(ready_s)
        while True:
            outcome = await self._send(prepared, ready_s, user)
            pause_s = (
                min(max(2 * pause_s, SHORTEST_PAUSE_S), LONGEST_PAUSE_S) if outcome in UNSERVED else 0.0
            )
            ready_s = self.clock.now_s() + think_s + pause_s
            if think_s or pause_s:
                await self.clock.sleep_until_s(ready_s)
            if self._over(ready_s):
                return
            number = self._started
            self._started += 1
            prepared = self._prepared(number)

    async def _arrivals(self, total: int) -> None:
        """The schedule of an open loop; the next request is prepared while waiting for its time."""
        for number in range(total):
            scheduled_s = self.start_s + (self.plan.requests[number].scheduled_s or 0.0)
            if self._end_s is not None and scheduled_s >= self._end_s:
                self._total = self._started
                return
            prepared = self._prepared(number)
            await self.clock.sleep_until_s(scheduled_s)
            if self._over(scheduled_s):
                return
            self._started += 1
            self._spawn(self._send(prepared, scheduled_s))

    async def _send(self, prepared: Prepared, scheduled_s: float, user: int | None = None) -> Outcome:
        planned = self.extent.planned if self.extent.keep_up else None
        warmup = prepared.index < self.extent.warmup or (planned is not None and prepared.index >= planned)
        self.in_flight += 1
        self.measured_in_flight += not warmup
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
        record = await self._client.send(prepared, scheduled_s, user=user, warmup=warmup)
        self.in_flight -= 1
        self.measured_in_flight -= not warmup
        self._measured_ended += not warmup
        self._output_tokens += record.output_tokens
        self._failed += record.outcome != "complete"
        self.records.append(record)
        self._on_record(record)
        return record.outcome

    def _prepared(self, number: int) -> Prepared:
        return self._prepare(replace(self.plan.request(number), index=number))

    def _spawn(self, sending: Coroutine[Any, Any, object]) -> None:
        task = asyncio.ensure_future(sending)
        self.tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[object]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._error = self._error or task.exception()
        if not self.tasks or self._error is not None:
            self._finished.set()

    def _progress(self) -> Progress:
        return Progress(
            load=self.plan.load,
            elapsed_s=self.clock.now_s() - self.start_s,
            sent=len(self.records) + self.in_flight,
            ended=len(self.records),
            failed=self._failed,
            in_flight=self.in_flight,
            output_tokens=self._output_tokens,
            requests=self._total,
            duration_s=self.extent.duration_s,
        )


def _lag(level: _Level, gauge: LoopGauge, clock: Clock) -> Lag:
    """Errors of the instrument in run seconds."""
    load = level.plan.load
    return Lag(
        send_p99_s=send_p99_s(level.records),
        loop_p99_s=gauge.p99_s * clock.time_factor,
        loop_mean_s=gauge.mean_s * clock.time_factor,
        peak_in_flight=level.peak_in_flight,
        asked_in_flight=load.users if isinstance(load, Users) else None,
    )


def send_p99_s(records: Iterable[RequestRecord]) -> float:
    """How late requests were sent; one sent twice has no lateness of its own."""
    late_s = [
        record.sent_s - record.scheduled_s
        for record in records
        if record.sent_s is not None and not record.warmup and not record.retried
    ]
    return max(0.0, p99(late_s))


async def _cancelled(tasks: Iterable[asyncio.Task[object]]) -> None:
    pending = [task for task in tasks if not task.done()]
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
