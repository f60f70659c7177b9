"""Loads, lengths and SLOs as people write them -> records."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, cast

from servemark.domain.metrics import METRICS, STATISTICS
from servemark.domain.workload import FixedLength, Load, Rate, Replay, Slo, Users, Workload
from servemark.errors import InputError, UnknownName
from servemark.traffic.profiles import find_profile
from servemark.traffic.traces import Trace, read_trace
from servemark.units import parse

Numbers = str | int | float | Sequence[int] | Sequence[float]

DEFAULT_INPUT_TOKENS = 512
DEFAULT_OUTPUT_TOKENS = 128


def parse_users(users: Numbers) -> tuple[Users, ...]:
    """`"1,2,4"` or `[1, 2, 4]` -> closed-loop loads in rising order."""
    numbers = sorted({_user_count(part, i) for i, part in enumerate(_parts(users, "users"))})
    return tuple(Users(users=n) for n in numbers)


def parse_rates(rate: Numbers, process: str = "poisson", burstiness: float = 1.0) -> tuple[Rate, ...]:
    """`"1,2/s"` or `[1.0, 2.0]` -> open-loop loads in rising order."""
    if process not in ("constant", "poisson", "gamma"):
        raise UnknownName(
            "arrivals", kind="an arrival process", name=process, known=("constant", "poisson", "gamma")
        )
    numbers: set[float] = set()
    for i, part in enumerate(_parts(rate, "rate")):
        value = parse(part, "per_s", path=f"rate[{i}]")
        if value <= 0:
            raise InputError(f"rate[{i}]", expected="a rate above 0, such as 3/s", found=part)
        numbers.add(value)
    return tuple(
        Rate(per_s=r, process=cast("Any", process), burstiness=burstiness) for r in sorted(numbers)
    )


def _parts(value: Numbers, path: str) -> list[str | int | float]:
    if isinstance(value, str):
        parts: list[str | int | float] = [p for p in (q.strip() for q in value.split(",")) if p]
    elif isinstance(value, Sequence):
        parts = list(value)
    else:
        parts = [value]
    if not parts:
        raise InputError(path, expected="one or more numbers, e.g. 1,2,4", found=repr(value))
    return parts


def _user_count(part: str | int | float, index: int) -> int:
    try:
        number = int(part) if not isinstance(part, float) or part.is_integer() else 0
    except ValueError:
        number = 0
    if not 1 <= number <= 1_000_000:
        raise InputError(
            f"users[{index}]", expected="a whole number of users, at least 1", found=repr(part)
        )
    return number


def parse_tokens(value: int | str | None, default: int, path: str) -> int:
    """A token count of at least 1."""
    if value is None:
        return default
    number = parse(value, "tokens", path=path)
    if number < 1 or number != int(number):
        raise InputError(path, expected="a whole number of tokens, at least 1", found=repr(value))
    return int(number)


def fixed_workload(input: int | str | None, output: int | str | None) -> Workload:
    """A workload whose requests all have the same lengths."""
    return Workload(
        input=FixedLength(tokens=parse_tokens(input, DEFAULT_INPUT_TOKENS, "input")),
        output=FixedLength(tokens=parse_tokens(output, DEFAULT_OUTPUT_TOKENS, "output")),
    )


_SLO = re.compile(r"^([a-z0-9_]+?)(?:_(mean|p50|p95|p99))?$")


def parse_slos(slo: str | Iterable[Slo] | None) -> tuple[Slo, ...]:
    """`"ttft_p95=2s,failures=1%"` -> SLOs. A latency without a statistic means its p95.

    Raises:
        InputError: no metric of that name, no such statistic, or an impossible limit.
    """
    if slo is None:
        return ()
    if not isinstance(slo, str):
        return tuple(slo)
    return tuple(_parse_slo(part) for part in (p.strip() for p in slo.split(",")) if part)


def _parse_slo(text: str) -> Slo:
    name, equals, limit = (p.strip() for p in text.partition("="))
    by_slo = {m.slo: m for m in METRICS.values()}
    statistic, metric = "", by_slo.get(name.lower())
    if metric is None and (match := _SLO.match(name.lower())):
        metric, statistic = by_slo.get(match.group(1)), match.group(2) or ""
    if metric is None or (metric.scope == "level" and statistic):
        raise UnknownName(
            f"slo.{name}", kind="a metric (with _mean, _p50, _p95 or _p99)", name=name, known=_slo_names()
        )
    if not equals or not limit:
        raise InputError(f"slo.{name}", expected="NAME=LIMIT, e.g. ttft_p95=2s", found=repr(text))
    dimension = {"s": "s", "ratio": "ratio", "per_s": "per_s", "tokens_per_s": "tokens"}[metric.unit]
    value = parse(limit, dimension, path=f"slo.{name}")
    if metric.unit == "ratio" and value > 1:
        raise InputError(f"slo.{name}", expected="a share of at most 100 %", found=repr(limit))
    if metric.unit == "s" and value == 0:
        raise InputError(f"slo.{name}", expected="a time above 0", found=repr(limit))
    word = "value" if metric.scope == "level" else statistic or "p95"
    return Slo(metric=metric.key, statistic=cast("Any", word), limit=value)


def _slo_names() -> list[str]:
    names = [m.slo for m in METRICS.values() if m.scope == "level"]
    return names + [f"{m.slo}_{s}" for m in METRICS.values() if m.scope != "level" for s in STATISTICS]


def parse_duration(value: float | str | None, path: str = "duration") -> float | None:
    """Seconds above 0, or None."""
    if value is None:
        return None
    seconds = parse(value, "s", path=path)
    if seconds <= 0:
        raise InputError(path, expected="a time above 0, e.g. 30s", found=repr(value))
    return seconds


def parse_amount(value: int | None, path: str, *, minimum: int) -> int | None:
    """A whole number of at least `minimum`, or None."""
    if value is not None and (isinstance(value, bool) or value < minimum):
        raise InputError(path, expected=f"a whole number, at least {minimum}", found=value)
    return value


def default_loads(loads: Sequence[Load]) -> tuple[Load, ...]:
    """The loads given, or 1 to 32 users."""
    return tuple(loads) or tuple(Users(users=n) for n in (1, 2, 4, 8, 16, 32))


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
    if not (math.isfinite(time_scale) and time_scale > 0):
        raise InputError("time_scale", expected="a factor above 0", found=time_scale)
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


def existing_file(path: str | Path, field: str) -> Path:
    """A path that names a readable file."""
    file = Path(path)
    if not file.is_file():
        raise InputError(field, expected="an existing file", found=str(path))
    return file
