"""Prefill and decode on replicas of their own.

A prefill replica computes the prompt and the first token, which goes out at once. Then the prompt's KV cache
crosses the link: one request after the other from each prefill replica, `latency + bytes / bandwidth`. On
arrival the request queues at a decode replica, needs blocks for the whole prompt there, and its next token is
computed as a prompt of one token on that cache. The gap from its first token to that one is no step's: it is
in `stalls_s`. A decode replica that must preempt it recomputes everything, the prompt too. The blocks on the
prefill replica are free once the first token is out: what waits for the link is not held against its pool.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush

from servemark.simulation.arrivals import NEVER, Arrivals, ClosedLoop
from servemark.simulation.engine import Replica
from servemark.simulation.journal import Journal, Visit
from servemark.simulation.replicas import enter
from servemark.simulation.routing import Route


class Handovers(Journal):
    """What prefill replicas write to: a prompt that is computed is on its way to a decode replica.

    Args:
        journal: of the level.
        arrivals: told of users whose requests have ended.
        token_ps: time to move the cache of one token.
        latency_ps: time before the first byte of a transfer.
    """

    def __init__(self, journal: Journal, arrivals: Arrivals, *, token_ps: int, latency_ps: int) -> None:
        self.requests = journal.requests
        self.steps = journal.steps
        self._journal = journal
        self._arrivals = arrivals
        self._token_ps = token_ps
        self._latency_ps = latency_ps
        self._free_ps: dict[int, int] = {}
        """When the link of each prefill replica is free."""
        self._under_way: list[tuple[int, int, Visit]] = []
        """Heap of (arrival, number, request)."""

    @property
    def next_ps(self) -> int:
        """When the next request reaches the decode pool."""
        return self._under_way[0][0] if self._under_way else NEVER

    def pop(self) -> Visit:
        """The next request, with its prompt's cache."""
        return heappop(self._under_way)[2]

    def ignored(self, user: int, now_ps: int) -> None:
        """The end of a prefill is no end of a request."""

    def answered(self, visit: Visit, replica: int, end_ps: int, *, broken: bool = False) -> None:
        """The first token is out: send the cache on, unless that was all."""
        visit.output_tokens = visit.request.output_tokens
        if visit.output_tokens == 1 or broken:
            self._journal.answered(visit, replica, end_ps, broken=broken)
            if visit.user is not None:
                self._arrivals.ended(visit.user, end_ps)
            return
        free_ps = max(end_ps, self._free_ps.get(replica, 0)) + visit.input_tokens * self._token_ps
        self._free_ps[replica] = free_ps
        visit.stalled_ps = end_ps
        visit.given, visit.computed, visit.held, visit.reserved, visit.prefix = (
            visit.input_tokens,
            0,
            0,
            0,
            None,
        )
        heappush(self._under_way, (free_ps + self._latency_ps, visit.number, visit))


class Disaggregated:
    """A prefill pool, a decode pool, and the clock they share."""

    def __init__(
        self,
        arrivals: Arrivals,
        handovers: Handovers,
        prefills: Sequence[Replica],
        decodes: Sequence[Replica],
        prefill_route: Route,
        decode_route: Route,
    ) -> None:
        self._arrivals = arrivals
        self._handovers = handovers
        self._prefills = prefills
        self._decodes = decodes
        self._prefill_route = prefill_route
        self._decode_route = decode_route

    def run(self) -> None:
        """Until every request has ended."""
        if isinstance(self._arrivals, ClosedLoop):
            self._run_closed()
        else:
            self._run_open()

    def _run_open(self) -> None:
        """Pool after pool: nothing flows back from decode to prefill."""
        arrivals, handovers = self._arrivals, self._handovers
        while (now := arrivals.next_ps) != NEVER:
            self._update(self._prefill_route, self._prefills, now)
            self._arrive(arrivals.pop(), now)
        for replica in self._prefills:
            replica.run(NEVER)
        while (now := handovers.next_ps) != NEVER:
            self._update(self._decode_route, self._decodes, now)
            self._take_over(handovers.pop(), now)
        for replica in self._decodes:
            replica.run(NEVER)

    def _run_closed(self) -> None:
        """From event to event over both pools."""
        arrivals, handovers = self._arrivals, self._handovers
        replicas = [*self._prefills, *self._decodes]
        now = 0
        while now != NEVER:
            for replica in replicas:
                if replica.ready_ps == now:
                    replica.start()
            now = min(arrivals.next_ps, handovers.next_ps, *[replica.end_ps for replica in replicas])
            for replica in replicas:
                replica.run(now)
            while arrivals.next_ps == now != NEVER:
                self._arrive(arrivals.pop(), now)
            while handovers.next_ps == now != NEVER:
                self._take_over(handovers.pop(), now)

    @staticmethod
    def _update(route: Route, replicas: Sequence[Replica], now: int) -> None:
        if route.sees_loads:
            for replica in replicas:
                replica.run(now)

    def _arrive(self, visit: Visit, now: int) -> None:
        """Send a request to a prefill replica, or refuse what either pool could not hold."""
        replica = self._prefill_route(visit)
        replica.run(now)
        decode = self._decodes[0].scheduler.policy
        refusal = replica.scheduler.policy.refusal(visit.input_tokens, 1)
        if refusal := refusal or decode.refusal(visit.input_tokens, visit.output_tokens):
            self._handovers.refused(visit, replica.number, now, refusal)
            if visit.user is not None:
                self._arrivals.refused(visit.user, now)
            return
        visit.output_tokens = 1
        enter(replica, visit, now)

    def _take_over(self, visit: Visit, now: int) -> None:
        replica = self._decode_route(visit)
        replica.run(now)
        replica.accept(visit, now)
