"""Loads, lengths and SLOs as people write them -> records."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, cast

from servemark.api.quantities import (
    DEFAULT_INPUT_TOKENS,
    DEFAULT_OUTPUT_TOKENS,
    parse_tokens,
)
from servemark.domain.workload import FixedLength, Load, Rate, Users, Workload
from servemark.errors import InputError, UnknownName
from servemark.units import parse

Numbers = str | int | float | Sequence[int] | Sequence[float]


def parse_users(users: Numbers) -> tuple[Users, ...]:
    """`"1,2,4"` or `[1, 2, 4]` -> closed-loop loads in rising order."""
    numbers = sorted({_user_count(part, i) for i, part in enumerate(_parts(users, "users"))})
    return tuple(Users(users=n) for n in numbers)


def parse_rates(rate: Numbers, process: str = "poisson", burstiness: float = 1.0) -> tuple[Rate, ...]:
    """`"1,2/s"` or `[1.0, 2.0]` -> open-loop loads in rising order."""
    known = ("constant", "poisson", "gamma", "day")
    if process not in known:
        raise UnknownName("arrivals", kind="an arrival process", name=process, known=known)
    numbers: set[float] = set()
    for i, part in enumerate(_parts(rate, "rate")):
        value = parse(part, "per_s", path=f"rate[{i}]", minimum=-math.inf)
        if value <= 0:
            raise InputError(f"rate[{i}]", expected="a rate above 0, such as 3/s", found=repr(part))
        numbers.add(value)
    return tuple(
        Rate(per_s=r, process=cast("Any", process), burstiness=burstiness) for r in sorted(numbers)
    )


def _parts(value: Numbers, path: str) -> list[str | int | float]:
    if isinstance(value, str):
        parts: list[str | int | float] = [p for p in (q.strip() for q in value.split(",")) if p]
    elif isinstance(value, Iterable):
        parts = list(value)
    else:
        parts = [value]
    if not parts:
        raise InputError(path, expected="one or more numbers, e.g. 1,2,4", found=repr(value))
    return parts


def _user_count(part: str | int | float, index: int) -> int:
    try:
        number = int(part)
        if number != part and not isinstance(part, str):
            number = 0
    except (TypeError, ValueError, OverflowError):
        number = 0
    if not 1 <= number <= 1_000_000:
        raise InputError(
            f"users[{index}]", expected="a whole number of users, 1 to 1,000,000", found=repr(part)
        )
    return number


def fixed_workload(input: int | str | None, output: int | str | None) -> Workload:
    """A workload whose requests all have the same lengths."""
    return Workload(
        input=FixedLength(tokens=parse_tokens(input, DEFAULT_INPUT_TOKENS, "input")),
        output=FixedLength(tokens=parse_tokens(output, DEFAULT_OUTPUT_TOKENS, "output")),
    )


def default_loads(loads: Sequence[Load]) -> tuple[Load, ...]:
    """The loads given, or 1 to 32 users."""
    return tuple(loads) or tuple(Users(users=n) for n in (1, 2, 4, 8, 16, 32))
