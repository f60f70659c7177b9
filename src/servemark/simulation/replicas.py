"""A level of load on replicas behind a router.

At one moment steps end first, then requests arrive, then steps start: a router sees what has ended, and a
request that arrives at a step boundary is in the step that starts there.
"""

from __future__ import annotations

from collections.abc import Sequence

from servemark.domain.deployment import EngineConfig
from servemark.domain.step import StepTime
from servemark.domain.workload import ArrivalPlan
from servemark.errors import InputError
from servemark.simulation.arrivals import NEVER, Arrivals, ClosedLoop, arrivals_of, bounds_of, picoseconds
from servemark.simulation.engine import Replica
from servemark.simulation.journal import Journal, Played, Visit
from servemark.simulation.prefixes import prefix_of
from servemark.simulation.routing import Route, Router, route_of


def play(
    plan: ArrivalPlan,
    *,
    step_time: StepTime,
    engine: EngineConfig,
    kv_blocks: int,
    request_overhead_s: float = 0.0,
    replicas: int = 1,
    router: Router = "round-robin",
    requests: int | None = None,
    duration_s: float | None = None,
    warmup: int = 0,
) -> Played:
    """Play an arrival plan on simulated replicas, until every request has ended.

    Args:
        plan: the requests and the load. `Users`: a closed loop, requests in plan order, starting over;
            other loads: at their scheduled times.
        step_time: how long an engine step takes.
        engine: engine settings, of each replica.
        kv_blocks: blocks of each replica's KV pool.
        request_overhead_s: time from sending to arriving at the engine.
        replicas: engines behind the router.
        router: in turn, or to the one with the fewest requests in flight (of equals, the first).
        requests: send so many, after the warm-up; None = all of the plan (in a closed loop: until
            `duration_s`, if that is given).
        duration_s: send none from this time on, warm-up included.
        warmup: this many first requests are flagged as warm-up.

    Raises:
        InputError: an empty plan, an impossible setting, or a request without a time in an open loop.
        A request that can never fit is no error: it is recorded as refused.
    """
    if not plan.requests:
        raise InputError("requests", expected="at least one planned request", found="none")
    if replicas < 1:
        raise InputError("replicas", expected="at least 1", found=replicas)
    bounds = bounds_of(plan, requests, duration_s, warmup)
    journal = Journal()
    arrivals = arrivals_of(plan, picoseconds(request_overhead_s), bounds)
    engines = [
        Replica(number, step_time, engine, kv_blocks, journal, arrivals.ended) for number in range(replicas)
    ]
    RoutedReplicas(arrivals, engines, journal, route_of(router, engines)).run()
    return journal.played()


class RoutedReplicas:
    """Replicas, their router, and the clock they share.

    Args:
        arrivals: when requests reach the router.
        replicas: all of them.
        journal: where refused requests are written.
        route: picks the replica of a request.
    """

    def __init__(
        self, arrivals: Arrivals, replicas: Sequence[Replica], journal: Journal, route: Route
    ) -> None:
        self._arrivals = arrivals
        self._replicas = replicas
        self._journal = journal
        self._route = route

    def run(self) -> None:
        """Until every request has ended."""
        if isinstance(self._arrivals, ClosedLoop):
            self._run_closed()
        else:
            self._run_open()

    def arrive(self, visit: Visit, now: int) -> None:
        """Route a request to a replica, which queues or refuses it."""
        replica = self._route(visit)
        replica.run(now)
        policy = replica.scheduler.policy
        if refusal := policy.refusal(visit.input_tokens, visit.output_tokens):
            self._journal.refused(visit, replica.number, now, refusal)
            if visit.user is not None:
                self._arrivals.refused(visit.user, now)
            return
        if policy.cuts:
            visit.output_tokens = policy.granted(visit.input_tokens, visit.output_tokens)
        enter(replica, visit, now)

    def _run_open(self) -> None:
        """From arrival to arrival, which are all known."""
        arrivals, replicas, sees_loads = self._arrivals, self._replicas, self._route.sees_loads
        while (now := arrivals.next_ps) != NEVER:
            if sees_loads:
                for replica in replicas:
                    replica.run(now)
            self.arrive(arrivals.pop(), now)
        for replica in replicas:
            replica.run(NEVER)

    def _run_closed(self) -> None:
        """From event to event: the end of a request brings the next."""
        arrivals, replicas = self._arrivals, self._replicas
        now = 0
        while now != NEVER:
            for replica in replicas:
                if replica.ready_ps == now:
                    replica.start()
            now = min(arrivals.next_ps, *[replica.end_ps for replica in replicas])
            for replica in replicas:
                replica.run(now)
            while arrivals.next_ps == now != NEVER:
                self.arrive(arrivals.pop(), now)


def enter(replica: Replica, visit: Visit, now: int) -> None:
    """Queue a request at a replica, with what its prefix cache may know of the prompt."""
    policy, request = replica.scheduler.policy, visit.request
    if request.prefix_blocks and policy.caches:
        visit.prefix = prefix_of(
            request.prefix_blocks, request.prefix_block_tokens, policy.block_size, visit.input_tokens
        )
    replica.accept(visit, now)
