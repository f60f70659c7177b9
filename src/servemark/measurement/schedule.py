"""What is sent at each level: plans and extents, with the defaults of a measurement."""

from __future__ import annotations

from collections.abc import Sequence

from servemark.domain.workload import ArrivalPlan, Load, Replay, Users, Workload
from servemark.errors import InputError
from servemark.load.driver import Extent
from servemark.traffic.arrivals import arrival_plan
from servemark.traffic.traces import Trace, left_out

FEWEST_REQUESTS = 100
REQUESTS_PER_USER = 10


def plan_levels(
    loads: Sequence[Load],
    workload: Workload,
    *,
    seed: int,
    requests: int | None,
    duration_s: float | None,
    warmup: int | None,
    trace: Trace | None,
) -> list[tuple[ArrivalPlan, Extent]]:
    """One arrival plan and its extent per load.

    Raises:
        InputError: no load, or impossible quantities.
    """
    if not loads:
        raise InputError("loads", expected="at least one load", found="none")
    if requests is not None and requests < 1:
        raise InputError("requests", expected="at least 1", found=requests)
    if warmup is not None and warmup < 0:
        raise InputError("warmup", expected="at least 0", found=warmup)
    levels: list[tuple[ArrivalPlan, Extent]] = []
    for load in loads:
        extent = _extent(load, requests, duration_s, warmup, whole=trace is not None)
        plan = arrival_plan(
            load, workload, seed=seed, requests=extent.planned, duration_s=duration_s, trace=trace
        )
        levels.append((plan, extent))
    return levels


def default_remarks(requests: int | None, duration_s: float | None, trace: Trace | None) -> tuple[str, ...]:
    """Says how many requests a level has where nobody asked for a number."""
    if trace is not None:
        return left_out(trace)
    if requests is not None or duration_s is not None:
        return ()
    words = f"the larger of {FEWEST_REQUESTS} and {REQUESTS_PER_USER} per user"
    return (f"requests of each level: {words}, as no number was asked for",)


def _extent(
    load: Load, requests: int | None, duration_s: float | None, warmup: int | None, *, whole: bool
) -> Extent:
    users = load.users if isinstance(load, Users) else 1
    if warmup is None:
        warmup = 0 if isinstance(load, Replay) else users
    if requests is None and duration_s is None and not (whole and isinstance(load, Replay)):
        requests = max(FEWEST_REQUESTS, REQUESTS_PER_USER * users)
    return Extent(warmup=warmup, requests=requests, duration_s=duration_s)
