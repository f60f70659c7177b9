"""A level of load on replicas behind a router.

At one moment steps end first, then requests arrive, then steps start: a router sees what has ended, and a
request that arrives at a step boundary is in the step that starts there.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Literal, get_args

from servemark.domain.deployment import EngineConfig
from servemark.domain.step import StepTime
from servemark.domain.workload import ArrivalPlan
from servemark.errors import InputError, UnknownName
from servemark.simulation.arrivals import NEVER, Arrivals, Bounds, ClosedLoop, arrivals_of, picoseconds
from servemark.simulation.engine import Replica
from servemark.simulation.journal import Journal, Played, Visit
from servemark.simulation.prefixes import prefix_of

Router = Literal["round-robin", "least-loaded"]


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
    if router not in get_args(Router):
        raise UnknownName("router", kind="a router", name=router, known=get_args(Router))
    if requests is None and duration_s is None:
        requests = max(0, len(plan.requests) - warmup)
    bounds = Bounds(requests, NEVER if duration_s is None else picoseconds(duration_s), warmup)
    journal = Journal()
    arrivals = arrivals_of(plan, picoseconds(request_overhead_s), bounds)
    engines = [
        Replica(number, step_time, engine, kv_blocks, journal, arrivals.ended) for number in range(replicas)
    ]
    fleet = _Fleet(arrivals, engines, journal, router)
    if isinstance(arrivals, ClosedLoop):
        fleet.run_closed()
    else:
        fleet.run_open()
    return Played(
        requests=tuple(sorted(journal.requests, key=attrgetter("index"))),
        steps=tuple(sorted(journal.steps, key=attrgetter("start_s"))),
    )


class _Fleet:
    """Replicas, their router, and the clock they share."""

    def __init__(
        self, arrivals: Arrivals, replicas: list[Replica], journal: Journal, router: Router
    ) -> None:
        self.arrivals = arrivals
        self.replicas = replicas
        self.journal = journal
        self._least_loaded = router == "least-loaded"
        self._routed = 0

    def run_open(self) -> None:
        """From arrival to arrival, which are all known."""
        arrivals, replicas = self.arrivals, self.replicas
        while (now := arrivals.next_ps) != NEVER:
            if self._least_loaded:
                for replica in replicas:
                    replica.run(now)
            self._arrive(arrivals.pop(), now)
        for replica in replicas:
            replica.run(NEVER)

    def run_closed(self) -> None:
        """From event to event: the end of a request brings the next."""
        arrivals, replicas = self.arrivals, self.replicas
        now = 0
        while now != NEVER:
            for replica in replicas:
                if replica.ready_ps == now:
                    replica.start()
            now = min(arrivals.next_ps, *[replica.end_ps for replica in replicas])
            for replica in replicas:
                replica.run(now)
            while arrivals.next_ps == now != NEVER:
                self._arrive(arrivals.pop(), now)

    def _arrive(self, visit: Visit, now: int) -> None:
        """Route a request to a replica, which queues or refuses it."""
        replicas = self.replicas
        number = self._routed % len(replicas)
        if self._least_loaded:
            loads = [replica.in_flight for replica in replicas]
            number = loads.index(min(loads))
        self._routed += 1
        replica = replicas[number]
        replica.run(now)
        policy, request = replica.scheduler.policy, visit.request
        if refusal := policy.refusal(visit.input_tokens, visit.output_tokens):
            self.journal.refused(visit, number, now, refusal)
            if visit.user is not None:
                self.arrivals.refused(visit.user, now)
            return
        if policy.cuts:
            visit.output_tokens = policy.granted(visit.input_tokens, visit.output_tokens)
        if request.prefix_blocks and policy.caches:
            visit.prefix = prefix_of(
                request.prefix_blocks, request.prefix_block_tokens, policy.block_size, visit.input_tokens
            )
        replica.accept(visit, now)
