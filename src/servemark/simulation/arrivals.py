"""When requests reach the router: as scheduled (open loop), or when a user is ready (closed loop)."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import Final, NamedTuple

from servemark.domain.workload import ArrivalPlan, Users
from servemark.errors import InputError
from servemark.simulation.journal import Visit
from servemark.units import PS_PER_S

NEVER: Final = 1 << 100
"""A time after all others, in picoseconds."""
IDLE: Final = NEVER + 1
"""The end of no stretch: not even reached at `NEVER`."""


def picoseconds(value_s: float) -> int:
    """Seconds on the simulator's integer clock."""
    return round(value_s * PS_PER_S)


class Bounds(NamedTuple):
    """How long a level is."""

    requests: int | None
    """Requests after warm-up; None = as many as the time allows."""
    duration_ps: int
    """Nothing is sent from this moment on."""
    warmup: int
    """Requests before those that count."""

    @property
    def total(self) -> int | None:
        """Requests with warm-up."""
        return None if self.requests is None else self.warmup + self.requests


def bounds_of(plan: ArrivalPlan, requests: int | None, duration_s: float | None, warmup: int) -> Bounds:
    """How much of a plan is played: without `requests` and `duration_s`, all of it."""
    if requests is None and duration_s is None:
        requests = max(0, len(plan.requests) - warmup)
    return Bounds(requests, NEVER if duration_s is None else picoseconds(duration_s), warmup)


class OpenLoop:
    """Requests arrive as scheduled, whatever became of earlier ones."""

    def __init__(self, plan: ArrivalPlan, overhead_ps: int, bounds: Bounds) -> None:
        times: list[tuple[int, int]] = []
        for position, request in enumerate(plan.requests):
            if request.scheduled_s is None:
                raise InputError(f"requests[{position}].scheduled_s", expected="seconds", found=None)
            scheduled_ps = picoseconds(request.scheduled_s)
            if scheduled_ps < bounds.duration_ps:
                times.append((scheduled_ps, position))
        times.sort()
        self._requests = plan.requests
        self._times = times[: bounds.total][::-1]
        """Time and place in the plan; the next is last."""
        self._overhead_ps = overhead_ps
        self._counted = len(self._times) - bounds.warmup
        self.next_ps = self._times[-1][0] + overhead_ps if self._times else NEVER
        """When the next request arrives."""

    def pop(self) -> Visit:
        """The next request."""
        times = self._times
        scheduled_ps, position = times.pop()
        self.next_ps = times[-1][0] + self._overhead_ps if times else NEVER
        request = self._requests[position]
        return Visit(
            input_tokens=request.input_tokens,
            output_tokens=request.output_tokens,
            number=request.index,
            request=request,
            scheduled_ps=scheduled_ps,
            user=None,
            warmup=len(times) >= self._counted,
        )

    def ended(self, user: int, now_ps: int) -> None:
        """Nobody waits for an answer before sending more."""

    refused = ended


class ClosedLoop:
    """Each user sends the next request when the last one has ended and the thinking is done. Users who think
    come one by one, over the time that one thinks: all at once they would stay in step.

    Requests are handed out in plan order; users ready at the same moment are served in the order in which
    they became so. In a level bounded by time alone, a whole plan refused in a row ends the level: no
    time passes in a refusal, so that nothing else would.
    """

    def __init__(self, plan: ArrivalPlan, load: Users, overhead_ps: int, bounds: Bounds) -> None:
        self._plan = plan
        self._think_ps = picoseconds(load.think_s)
        self._overhead_ps = overhead_ps
        self._bounds = bounds
        self._handed = self._turns = self._refused = self._refused_at = 0
        self._ready: list[tuple[int, int, int]] = []
        """Heap of (time, turn, user)."""
        for user in range(load.users):
            self._push(user * self._think_ps // load.users, user)
        heapify(self._ready)
        self._look()

    def pop(self) -> Visit:
        """The next request, by the user who is ready first."""
        scheduled_ps, _, user = heappop(self._ready)
        index = self._handed
        self._handed += 1
        self._look()
        request = self._plan.request(index)
        return Visit(
            input_tokens=request.input_tokens,
            output_tokens=request.output_tokens,
            number=index,
            request=request,
            scheduled_ps=scheduled_ps,
            user=user,
            warmup=index < self._bounds.warmup,
        )

    def ended(self, user: int, now_ps: int) -> None:
        """A user has the answer, thinks, and is ready again."""
        self._push(now_ps + self._think_ps, user)
        self._look()

    def refused(self, user: int, now_ps: int) -> None:
        """The request handed out last was refused; its user goes on."""
        in_a_row = self._handed == self._refused_at + 1
        self._refused = self._refused + 1 if in_a_row else 1
        self._refused_at = self._handed
        self.ended(user, now_ps)

    def _push(self, ready_ps: int, user: int) -> None:
        self._turns += 1
        heappush(self._ready, (ready_ps, self._turns, user))

    def _look(self) -> None:
        bounds, ready = self._bounds, self._ready
        over = self._handed == bounds.total or not ready or ready[0][0] >= bounds.duration_ps
        if bounds.total is None and self._refused >= len(self._plan.requests):
            over = True
        self.next_ps = NEVER if over else ready[0][0] + self._overhead_ps
        """When the next request arrives."""


Arrivals = OpenLoop | ClosedLoop


def arrivals_of(plan: ArrivalPlan, overhead_ps: int, bounds: Bounds) -> Arrivals:
    """The arrivals of a plan.

    Raises:
        InputError: an open-loop request without a time.
    """
    if isinstance(plan.load, Users):
        return ClosedLoop(plan, plan.load, overhead_ps, bounds)
    return OpenLoop(plan, overhead_ps, bounds)
