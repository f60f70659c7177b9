"""The question of a run: what is asked, how hard it comes, and the recorded trace where one is given."""

from __future__ import annotations

from pathlib import Path

from servemark.api.loads import Numbers, default_loads, fixed_workload, parse_rates, parse_users
from servemark.api.quantities import existing_file, parse_factor
from servemark.domain.workload import Load, Replay, Workload
from servemark.errors import InputError
from servemark.traffic.profiles import find_profile
from servemark.traffic.traces import Trace, read_trace


def workload_and_loads(
    *,
    users: Numbers | None,
    rate: Numbers | None,
    arrivals: str = "poisson",
    input: int | str | None,
    output: int | str | None,
    traffic: str | None,
    trace: Path | None = None,
    time_scale: float = 1.0,
) -> tuple[Workload, tuple[Load, ...], Trace | None]:
    """What is asked, how hard it comes, and the recorded trace where one is given.

    A trace or a profile brings its own arrivals; with `users` or `rate` it gives only the lengths.

    Raises:
        InputError: options that exclude each other, impossible quantities, a malformed trace row.
    """
    if users is not None and rate is not None:
        raise InputError("rate", expected="either --users or --rate", found="both")
    if traffic is not None and trace is not None:
        raise InputError("trace", expected="either --traffic or --trace", found="both")
    for name, given in (("traffic", traffic), ("trace", trace)):
        if given is not None and (input is not None or output is not None):
            raise InputError(
                name, expected=f"lengths from --{name} or from --input and --output", found="both"
            )
    time_scale = parse_factor(time_scale, "time_scale")
    loads: tuple[Load, ...] = ()
    if users is not None:
        loads = parse_users(users)
    elif rate is not None:
        loads = parse_rates(rate, arrivals)
    if trace is not None:
        recorded = read_trace(existing_file(trace, "trace"))
        replay = Replay(name=recorded.name, time_scale=time_scale)
        return Workload(profile=recorded.name), loads or (replay,), recorded
    if traffic is not None:
        profile = find_profile(traffic, path="traffic")
        return profile.workload, loads or (Replay(name=profile.name, time_scale=time_scale),), None
    return fixed_workload(input, output), default_loads(loads), None
