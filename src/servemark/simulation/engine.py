"""The event loop of one replica: from event to event, without visiting the steps between.

A replica is between steps or in a *stretch*: equal steps whose durations rise linearly with the context.
Nothing changes within one, so its length follows in closed form from the next finish, the step that would
find no block, and the kink of the step time. An arrival that could be admitted cuts it short at the first
step boundary it meets. All times are integer picoseconds, so that jumping is exact.
"""

from __future__ import annotations

from math import sqrt

from servemark.domain.deployment import EngineConfig
from servemark.domain.run import StepRecord
from servemark.domain.step import DecodeCost, StepTime
from servemark.simulation.arrivals import NEVER
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
    """

    __slots__ = (
        "_costs", "_free", "_journal", "_paused", "_prompts", "_start_ps", "_step_time", "_waiting",
        "end_ps", "first_ps", "in_flight", "number", "rise_ps", "scheduler", "steps",
    )  # fmt: skip

    def __init__(
        self, number: int, step_time: StepTime, engine: EngineConfig, kv_blocks: int, journal: Journal
    ) -> None:
        self.number = number
        self.scheduler: Scheduler[Visit] = Scheduler(engine, kv_blocks)
        self.in_flight = 0
        """Requests here, running or waiting: what a router balances."""
        self.end_ps = NEVER
        """End of the stretch; NEVER between steps."""
        self.steps = 1
        """Steps of the stretch; the first lasts `first_ps`, each next one `rise_ps` longer."""
        self.first_ps = self.rise_ps = 0
        self._step_time = step_time
        self._journal = journal
        self._costs: dict[int, DecodeCost] = {}
        self._prompts: list[tuple[Visit, int]] = []
        self._paused: dict[Visit, int] = {}
        """Members that miss steps while prompts are computed alone -> time of their last token."""
        self._start_ps = self._waiting = self._free = 0

    def accept(self, visit: Visit, now_ps: int) -> None:
        """Queue a request; in a stretch that it could join, end the stretch at the next boundary."""
        scheduler = self.scheduler
        scheduler.waiting.append(visit)
        self.in_flight += 1
        if (
            self.steps > 1
            and len(scheduler.waiting) == 1
            and len(scheduler.batch.members) < scheduler.max_num_seqs
        ):
            self._cut(now_ps)

    @property
    def broken(self) -> list[Visit]:
        """Requests that broke at the last start."""
        return self.scheduler.broken

    def start(self, now_ps: int) -> int:
        """Begin the next stretch; returns its end, NEVER if there is nothing to do."""
        scheduler = self.scheduler
        self._prompts = prompts = scheduler.schedule()
        if scheduler.preempted or scheduler.broken:
            self._interrupt(now_ps)
        self._start_ps = now_ps
        self._waiting = len(scheduler.waiting)
        self._free = scheduler.pool.free
        if prompts:
            self.steps, self.rise_ps = 1, 0
            self.first_ps = duration_ps = scheduler.duration_ps(self._step_time, prompts)
            if not scheduler.chunked:
                for visit in scheduler.batch.members.values():
                    self._paused.setdefault(visit, now_ps)
        elif scheduler.batch.members:
            duration_ps = self._stretch()
        else:
            return NEVER
        self.end_ps = end_ps = now_ps + duration_ps
        return end_ps

    def finish(self) -> list[Visit]:
        """The stretch is over: hand out its tokens; returns the requests that are done."""
        scheduler, prompts, end_ps, steps = self.scheduler, self._prompts, self.end_ps, self.steps
        decodes, prefill_tokens = len(scheduler.batch.members), 0
        if prompts:
            prefill_tokens = sum([tokens for _, tokens in prompts])
            complete, done = scheduler.prefilled(prompts)
            for visit in complete:
                if visit.stalled_ps is None:
                    visit.first_ps = end_ps
                else:
                    _stall(visit, visit.stalled_ps, end_ps)
                    visit.stalled_ps = None
        else:
            done = scheduler.decoded(steps)
        if self._paused:
            decodes = self._resume(end_ps, decodes)
        first_s = self.first_ps / PS_PER_S
        self._journal.steps.append(
            StepRecord(
                replica=self.number,
                start_s=self._start_ps / PS_PER_S,
                count=steps,
                first_s=first_s,
                last_s=(self.first_ps + self.rise_ps * (steps - 1)) / PS_PER_S if steps > 1 else first_s,
                decodes=decodes,
                prefill_tokens=prefill_tokens,
                waiting=self._waiting,
                kv_used_ratio=1 - self._free / scheduler.pool.total,
            )
        )
        if done:
            self.in_flight -= len(done)
            for visit in done:
                self._journal.answered(visit, self.number, end_ps)
        self.end_ps = NEVER
        self.steps = 1
        return done

    def _stretch(self) -> int:
        """As many decode steps as stay alike; returns their duration."""
        scheduler = self.scheduler
        batch = scheduler.batch
        members, context = len(batch.members), batch.context_tokens
        cost = self._costs.get(members)
        if cost is None:
            cost = self._costs[members] = self._step_time.decode(members)
        base_ps, slope_ps, kink, late_slope_ps = cost
        steps = scheduler.steps_alike() if not self._paused else 1
        if kink is not None:
            if context <= kink:
                steps = min(steps, (kink - context) // members + 1)
            else:
                base_ps += (slope_ps - late_slope_ps) * kink
                slope_ps = late_slope_ps
        self.steps = steps
        self.first_ps = first_ps = base_ps + slope_ps * context
        self.rise_ps = rise_ps = slope_ps * members
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
        first_ps, rise_ps, passed_ps = self.first_ps, self.rise_ps, now_ps - self._start_ps
        linear = first_ps - rise_ps / 2
        steps = int(2 * passed_ps / (linear + sqrt(linear * linear + 2.0 * rise_ps * passed_ps)))
        steps = max(1, min(steps, self.steps))
        lasts_ps = steps * first_ps + rise_ps * (steps * (steps - 1) // 2)
        while lasts_ps < passed_ps:
            lasts_ps += first_ps + rise_ps * steps
            steps += 1
        while steps > 1 and (shorter_ps := lasts_ps - first_ps - rise_ps * (steps - 1)) >= passed_ps:
            lasts_ps = shorter_ps
            steps -= 1
        self.steps = steps
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
        self.in_flight -= len(scheduler.broken)


def _stall(visit: Visit, since_ps: int, until_ps: int) -> None:
    """Note a gap that no step covers."""
    if visit.stalls_ps is None:
        visit.stalls_ps = []
    visit.stalls_ps.append(until_ps - since_ps)
