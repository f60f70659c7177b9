"""A level of load on replicas that come and go: the router only sees warm ones, and they cost from the start.

At fixed intervals the policy looks at the replicas and wants a number of them. A replica that is wanted starts
cold and is warm `cold_start_s` later. One that is wanted no longer gets no more requests and ends when its last
one has; if it is wanted again before, it goes on. Everything else is as in `replicas`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from heapq import heappop, heappush
from typing import Final, NamedTuple

from servemark.domain.elasticity import ReplicaSpan, ScalingPolicy
from servemark.domain.workload import ArrivalPlan, Users
from servemark.errors import InputError
from servemark.simulation.arrivals import NEVER, Arrivals, arrivals_of, bounds_of, picoseconds
from servemark.simulation.engine import Replica
from servemark.simulation.fleets import Pool
from servemark.simulation.journal import Journal, Played
from servemark.simulation.replicas import RoutedReplicas
from servemark.simulation.routing import route_of
from servemark.units import PS_PER_S

TOLERANCE: Final = 0.1
"""Of the pod autoscaler: a smaller change than this share is none."""


class Scaled(NamedTuple):
    """A level on an autoscaled fleet."""

    played: Played
    spans: tuple[ReplicaSpan, ...]


def play_autoscaled(
    plan: ArrivalPlan,
    pool: Pool,
    policy: ScalingPolicy,
    *,
    requests: int | None = None,
    duration_s: float | None = None,
    warmup: int = 0,
) -> Scaled:
    """Play an open-loop plan on replicas that follow the load, until every request has ended.

    `policy.minimum` replicas are warm at the start. With as many at least as at most, it is
    `replicas.play` on that number.

    Args:
        plan: the requests; an open loop.
        pool: one replica, the router, and its overhead; `pool.replicas` is not looked at.
        policy: when replicas come and go.
        requests: as in `replicas.play`.
        duration_s: as there; spans end at the later of this and the last request.
        warmup: as there.

    Raises:
        InputError: an empty plan, a closed loop, an impossible policy or engine setting.
    """
    if not plan.requests:
        raise InputError("requests", expected="at least one planned request", found="none")
    if isinstance(plan.load, Users):
        raise InputError("autoscale", expected="an open loop: --rate, --traffic or --trace", found="users")
    require_policy(policy)
    bounds = bounds_of(plan, requests, duration_s, warmup)
    arrivals = arrivals_of(plan, picoseconds(pool.request_overhead_s), bounds)
    journal = Journal()
    fleet = _Elastic(pool, policy, arrivals, journal)
    fleet.run()
    played = journal.played()
    end_s = max(duration_s or 0.0, max((each.end_s for each in played.requests), default=0.0))
    return Scaled(played, fleet.spans(played, end_s))


def require_policy(policy: ScalingPolicy) -> None:
    """Refuse a policy that cannot be followed.

    Raises:
        InputError: a bound below 1 or above the other, a threshold or interval not above 0, a negative time.
    """
    if policy.minimum < 1:
        raise InputError("autoscale", expected="at least 1 replica", found=policy.minimum)
    if policy.maximum < policy.minimum:
        raise InputError("autoscale", expected=f"at most as many as {policy.minimum}", found=policy.maximum)
    for name in ("threshold", "interval_s"):
        if not 0 < getattr(policy, name) < math.inf:
            raise InputError(f"autoscale.{name}", expected="above 0", found=getattr(policy, name))
    for name in ("cold_start_s", "idle_s"):
        if not 0 <= getattr(policy, name) < math.inf:
            raise InputError(f"autoscale.{name}", expected="at least 0", found=getattr(policy, name))


class _Elastic:
    """The fleet: warm replicas behind the router, starting ones, and draining ones."""

    def __init__(self, pool: Pool, policy: ScalingPolicy, arrivals: Arrivals, journal: Journal) -> None:
        self._pool = pool
        self._policy = policy
        self._arrivals = arrivals
        self._journal = journal
        self._threshold = policy.threshold
        if policy.signal == "load" and policy.threshold < 1:
            self._threshold *= pool.engine.max_num_seqs
        self._warm: list[Replica] = []
        """By number. The router holds this very list."""
        self._starting: list[tuple[int, int]] = []
        """Heap of (warm at, number)."""
        self._draining: list[Replica] = []
        self._wanted: deque[tuple[int, int]] = deque()
        """(when, how many), falling: its first is the most of the last `idle_s`."""
        self._lives: list[list[int | None]] = []
        """By number: start, warm, drain."""
        for _ in range(policy.minimum):
            self._lives.append([0, 0, None])
            self._warm.append(self._replica(len(self._lives) - 1))
        self._route = route_of(pool.router, self._warm)
        self._routed = RoutedReplicas(arrivals, self._warm, journal, self._route)

    def run(self) -> None:
        """From arrival to arrival, with the policy's looks and the warm-ups in their time."""
        arrivals, warm, sees_loads = self._arrivals, self._warm, self._route.sees_loads
        interval_ps = picoseconds(self._policy.interval_s)
        fixed = self._policy.minimum == self._policy.maximum
        look_ps = NEVER if fixed else interval_ps
        while (now := arrivals.next_ps) != NEVER:
            while (event_ps := min(look_ps, self._next_warm_ps)) <= now:
                if event_ps == self._next_warm_ps:
                    self._warm_up()
                else:
                    self._look(event_ps)
                    look_ps += interval_ps
            if sees_loads:
                for replica in warm:
                    replica.run(now)
            self._routed.arrive(arrivals.pop(), now)
        for replica in (*warm, *self._draining):
            replica.run(NEVER)

    def spans(self, played: Played, end_s: float) -> tuple[ReplicaSpan, ...]:
        """The life of every replica; a drained one ends with its last request."""
        last: dict[int, float] = {}
        for each in played.requests:
            if each.replica is not None:
                last[each.replica] = max(each.end_s, last.get(each.replica, 0.0))
        spans: list[ReplicaSpan] = []
        for number, (start, ready, drain) in enumerate(self._lives):
            drain_s = None if drain is None else drain / PS_PER_S
            ends = end_s if drain_s is None else min(end_s, max(drain_s, last.get(number, 0.0)))
            spans.append(
                ReplicaSpan(
                    replica=number,
                    start_s=(start or 0) / PS_PER_S,
                    ready_s=(ready or 0) / PS_PER_S,
                    drain_s=drain_s,
                    end_s=ends,
                )
            )
        return tuple(spans)

    @property
    def _next_warm_ps(self) -> int:
        return self._starting[0][0] if self._starting else NEVER

    def _replica(self, number: int) -> Replica:
        pool = self._pool
        return Replica(
            number, pool.step_time, pool.engine, pool.kv_blocks, self._journal, self._arrivals.ended
        )

    def _warm_up(self) -> None:
        """A replica is warm: it takes its place behind the router."""
        _, number = heappop(self._starting)
        self._warm.append(self._replica(number))

    def _look(self, now: int) -> None:
        """What the policy sees, wants and does."""
        for replica in (*self._warm, *self._draining):
            replica.run(now)
        self._draining = [replica for replica in self._draining if replica.in_flight]
        there = len(self._warm) + len(self._starting)
        wanted = self._want(there)
        window = self._wanted
        while window and window[-1][1] <= wanted:
            window.pop()
        window.append((now, wanted))
        while window[0][0] < now - picoseconds(self._policy.idle_s):
            window.popleft()
        self._scale(there, max(wanted, min(there, window[0][1])), now)

    def _want(self, there: int) -> int:
        """Replicas for the signal: those that drain still serve theirs."""
        if self._policy.signal == "queue":
            signal = sum(len(replica.scheduler.waiting) for replica in self._warm)
        else:
            signal = sum(replica.in_flight for replica in self._warm)
        needed = signal / self._threshold
        if abs(needed - there) <= TOLERANCE * there:
            needed = there
        return max(self._policy.minimum, min(self._policy.maximum, math.ceil(needed)))

    def _scale(self, there: int, wanted: int, now: int) -> None:
        """Start or drain the difference; those that drain come back first, the newest go first."""
        for _ in range(wanted - there):
            if self._draining:
                replica = self._draining.pop()
                self._lives[replica.number][2] = None
                self._warm.append(replica)
                self._warm.sort(key=lambda each: each.number)
                continue
            ready_ps = now + picoseconds(self._policy.cold_start_s)
            self._lives.append([now, ready_ps, None])
            heappush(self._starting, (ready_ps, len(self._lives) - 1))
        for _ in range(there - wanted):
            if self._starting:
                self._cancel(now)
                continue
            replica = self._warm.pop()
            self._lives[replica.number][2] = now
            if replica.in_flight:
                self._draining.append(replica)

    def _cancel(self, now: int) -> None:
        """The replica that would be warm last is not started after all."""
        latest = max(self._starting)
        self._starting.remove(latest)
        self._starting.sort()
        self._lives[latest[1]][2] = now


def replica_seconds(spans: Sequence[ReplicaSpan]) -> float:
    """Seconds that replicas are paid for."""
    return sum(span.end_s - span.start_s for span in spans)
