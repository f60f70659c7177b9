"""Routers: which replica a request goes to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, get_args

from servemark.errors import UnknownName
from servemark.simulation.engine import Replica
from servemark.simulation.journal import Visit

Router = Literal["round-robin", "least-loaded"]


class Route(Protocol):
    """Picks the replica of a request."""

    sees_loads: bool
    """Whether it looks at the requests in flight: then every replica is brought up to date first."""

    def __call__(self, visit: Visit) -> Replica:
        """The replica."""
        ...


class InTurn:
    """One after the other; the replicas may come and go."""

    sees_loads = False

    def __init__(self, replicas: Sequence[Replica]) -> None:
        self._replicas = replicas
        self._routed = 0

    def __call__(self, visit: Visit) -> Replica:
        replicas, routed = self._replicas, self._routed
        self._routed = routed + 1
        return replicas[routed % len(replicas)]


class LeastLoaded:
    """The one with the fewest requests in flight; of equals, the first."""

    sees_loads = True

    def __init__(self, replicas: Sequence[Replica]) -> None:
        self._replicas = replicas

    def __call__(self, visit: Visit) -> Replica:
        replicas = self._replicas
        loads = [replica.in_flight for replica in replicas]
        return replicas[loads.index(min(loads))]


class Weighted:
    """The one that would have the fewest requests in flight for its weight; of equals, the first."""

    sees_loads = True

    def __init__(self, replicas: Sequence[Replica], weights: Sequence[float]) -> None:
        self._replicas = replicas
        self._weights = weights

    def __call__(self, visit: Visit) -> Replica:
        replicas = self._replicas
        loads = [
            (each.in_flight + 1) / weight for each, weight in zip(replicas, self._weights, strict=True)
        ]
        return replicas[loads.index(min(loads))]


class ByLength:
    """Prompts of at most `threshold_tokens` by one router, the others by the other."""

    def __init__(self, short: Route, long: Route, threshold_tokens: int) -> None:
        self._short = short
        self._long = long
        self._threshold_tokens = threshold_tokens
        self.sees_loads = short.sees_loads or long.sees_loads

    def __call__(self, visit: Visit) -> Replica:
        short = visit.input_tokens <= self._threshold_tokens
        return self._short(visit) if short else self._long(visit)


def route_of(router: str, replicas: Sequence[Replica]) -> InTurn | LeastLoaded:
    """The router of that name.

    Raises:
        UnknownName: there is none.
    """
    if router not in get_args(Router):
        raise UnknownName("router", kind="a router", name=router, known=get_args(Router))
    return LeastLoaded(replicas) if router == "least-loaded" else InTurn(replicas)
