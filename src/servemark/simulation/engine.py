"""The event loop of one replica: from event to event, without visiting the steps between.

A replica is between steps or in a *stretch*: equal steps whose durations rise linearly with the context.
Nothing changes within one, so its length follows in closed form from the next finish, the step that would
find no block, and the kink of the step time. An arrival that could be admitted cuts it short at the first
step boundary it meets. All times are integer picoseconds, so that jumping is exact.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

from servemark.domain.deployment import EngineConfig
from servemark.domain.run import StepRecord
from servemark.domain.step import DecodeCost, StepTime
from servemark.simulation.arrivals import IDLE, NEVER
from servemark.simulation.batch import Batch
from servemark.simulation.journal import Journal, Visit
from servemark.simulation.scheduler import Scheduler
from servemark.units import PS_PER_S


class Replica:
    """One engine.

    Args:
        number: its place behind the router.
        step_time: how long a step takes.
        engine: engine settings.
        kv_blocks: blocks of its KV pool.
        journal: where ended requests and stretches are written.
        ended: told which user's request has ended, and when (closed loop).
    """

    __slots__ = (
        "_costs", "_ended", "_first_ps", "_journal", "_paused", "_prompts", "_rise_ps", "_start_ps",
        "_step_time", "_steps", "_used", "_waiting", "end_ps", "in_flight", "number", "ready_ps", "scheduler",
    )  # fmt: skip

    def __init__(
        self,
        number: int,
        step_time: StepTime,
        engine: EngineConfig,
        kv_blocks: int,
        journal: Journal,
        ended: Callable[[int, int], None],
    ) -> None:
        self.number = number
        self.scheduler: Scheduler[Visit] = Scheduler(engine, kv_blocks)
        self.in_flight = 0
        """Requests here, running or waiting: what a router balances."""
        self.ready_ps = NEVER
        """When the next stretch is due to start; NEVER in a stretch, or without work."""
        self.end_ps = IDLE
        """When the stretch ends; IDLE between stretches."""
        self._step_time = step_time
        self._journal = journal
        self._ended = ended
        self._costs: dict[int, DecodeCost] = {}
        self._prompts: list[tuple[Visit, int]] = []
        self._paused: dict[Visit, int] = {}
        """Members that miss steps while prompts are computed alone -> time of their last token."""
        self._start_ps = self._first_ps = self._rise_ps = 0
        self._steps = 1
        """Steps of the stretch: the first lasts `_first_ps`, each next one `_rise_ps` longer."""
        self._waiting = self._used = 0
        """Requests in the queue and blocks in use when it started."""

    def accept(self, visit: Visit, now_ps: int) -> None:
        """Queue a request; in a stretch that it could join, end the stretch at the next boundary."""
        scheduler = self.scheduler
        scheduler.waiting.append(visit)
        self.in_flight += 1
        if self.end_ps == IDLE:
            self.ready_ps = now_ps
        elif (
            self._steps > 1
            and len(scheduler.waiting) == 1
            and len(scheduler.batch.members) < scheduler.max_num_seqs
        ):
            self._cut(now_ps)

    def run(self, until_ps: int) -> None:
        """Everything that happens before `until_ps`, and the end of a stretch at that moment."""
        while True:
            if self.end_ps <= until_ps:
                self.finish()
            if self.ready_ps >= until_ps:
                return
            self.start()

    def start(self) -> None:
        """Begin the next stretch, if there is anything to do."""
        scheduler = self.scheduler
        now_ps = self._start_ps = self.ready_ps
        self.ready_ps = NEVER
        batch, pool = scheduler.batch, scheduler.pool
        prompts: list[tuple[Visit, int]] = []
        if scheduler.waiting or scheduler.partial is not None or len(batch.members) > pool.free:
            prompts = scheduler.schedule()
            pool = scheduler.pool
            if scheduler.preempted or scheduler.broken:
                self._interrupt(now_ps)
        self._prompts = prompts
        self._waiting = len(scheduler.waiting)
        self._used = pool.total - pool.free
        if prompts:
            self._steps, self._rise_ps = 1, 0
            self._first_ps = duration_ps = scheduler.duration_ps(self._step_time, prompts)
            self.end_ps = now_ps + duration_ps
            if scheduler.alone:
                for visit in batch.members.values():
                    self._paused.setdefault(visit, now_ps)
        elif batch.members:
            self.end_ps = now_ps + self._stretch(scheduler, batch)

    def finish(self) -> None:
        """The stretch is over: hand out its tokens."""
        scheduler, end_ps, steps = self.scheduler, self.end_ps, self._steps
        decodes, prefill_tokens = len(scheduler.batch.members), 0
        first_s = last_s = self._first_ps / PS_PER_S
        if self._prompts:
            for _, tokens in self._prompts:
                prefill_tokens += tokens
            complete, done = scheduler.prefilled(self._prompts)
            for visit in complete:
                if visit.stalled_ps is None:
                    visit.first_ps = end_ps
                else:
                    _stall(visit, visit.stalled_ps, end_ps)
                    visit.stalled_ps = None
        else:
            done = scheduler.decoded(steps)
            last_s = (self._first_ps + self._rise_ps * (steps - 1)) / PS_PER_S
        if self._paused:
            decodes = self._resume(end_ps, decodes)
        self._journal.steps.append(
            StepRecord(
                replica=self.number,
                start_s=self._start_ps / PS_PER_S,
                count=steps,
                first_s=first_s,
                last_s=last_s,
                decodes=decodes,
                prefill_tokens=prefill_tokens,
                waiting=self._waiting,
                kv_used_ratio=self._used / scheduler.pool.total,
            )
        )
        self.ready_ps = end_ps
        self.end_ps = IDLE
        if done:
            self.in_flight -= len(done)
            for visit in done:
                self._journal.answered(visit, self.number, end_ps)
                if visit.user is not None:
                    self._ended(visit.user, end_ps)

    def _stretch(self, scheduler: Scheduler[Visit], batch: Batch[Visit]) -> int:
        """As many decode steps as stay alike; returns their duration."""
        members, context = len(batch.members), batch.context_tokens
        cost = self._costs.get(members)
        if cost is None:
            cost = self._costs[members] = self._step_time.decode(members)
        base_ps, slope_ps, kink, late_slope_ps = cost
        steps = 1
        if scheduler.settled and not self._paused:
            steps = batch.steps_alike(scheduler.pool.free + scheduler.taken)
        if kink is not None:
            if context <= kink:
                steps = min(steps, (kink - context) // members + 1)
            else:
                base_ps += (slope_ps - late_slope_ps) * kink
                slope_ps = late_slope_ps
        self._steps = steps
        self._first_ps = first_ps = base_ps + slope_ps * context
        self._rise_ps = rise_ps = slope_ps * members
        return steps * first_ps + rise_ps * (steps * (steps - 1) // 2)

    def _resume(self, end_ps: int, decodes: int) -> int:
        """After a step beside paused members; returns how many of `decodes` have that step as a gap."""
        if self._prompts:
            return 0
        for visit, since_ps in self._paused.items():
            _stall(visit, since_ps, end_ps)
        decodes -= len(self._paused)
        self._paused.clear()
        return decodes

    def _cut(self, now_ps: int) -> None:
        """Shorten the stretch to the fewest steps that reach `now_ps`: a float guess, then corrected."""
        first_ps, rise_ps, passed_ps = self._first_ps, self._rise_ps, now_ps - self._start_ps
        linear = first_ps - rise_ps / 2
        steps = int(2 * passed_ps / (linear + sqrt(linear * linear + 2.0 * rise_ps * passed_ps))) or 1
        lasts_ps = steps * first_ps + rise_ps * (steps * (steps - 1) // 2)
        if lasts_ps < passed_ps:
            while lasts_ps < passed_ps:
                lasts_ps += first_ps + rise_ps * steps
                steps += 1
        else:
            while steps > 1 and (shorter_ps := lasts_ps - first_ps - rise_ps * (steps - 1)) >= passed_ps:
                lasts_ps = shorter_ps
                steps -= 1
        self._steps = steps
        self.end_ps = self._start_ps + lasts_ps

    def _interrupt(self, now_ps: int) -> None:
        """Stamp the sequences that were preempted or broken between two steps."""
        scheduler = self.scheduler
        for visit in scheduler.preempted:
            last_ps = self._paused.pop(visit, now_ps)
            if visit.first_ps is not None and visit.stalled_ps is None:
                visit.stalled_ps = last_ps
        for visit in scheduler.broken:
            self._journal.answered(visit, self.number, now_ps, broken=True)
            if visit.user is not None:
                self._ended(visit.user, now_ps)
        self.in_flight -= len(scheduler.broken)


def _stall(visit: Visit, since_ps: int, until_ps: int) -> None:
    """Note a gap that no step covers."""
    if visit.stalls_ps is None:
        visit.stalls_ps = []
    visit.stalls_ps.append(until_ps - since_ps)
