"""The search for the capacity over any probe, simulated or measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from msgspec.structs import replace

from servemark.capacity.answer import capacity_of
from servemark.domain.capacity import Capacity
from servemark.domain.run import Level
from servemark.domain.workload import Load, Rate, Replay, Users, load_value
from servemark.errors import InputError


class Search(NamedTuple):
    """Every level that was probed, in rising load, and the answer they give."""

    levels: tuple[Level, ...]
    capacity: Capacity


def search_capacity(
    probe: Callable[[Load], Level], *, lowest: Load, highest: Load, tolerance: float = 0.05
) -> Search:
    """The highest load that keeps every promise, by doubling from below and bisection after.

    The load doubles from `lowest` until a promise breaks or `highest` is reached; then the stretch
    between the highest load that held and the lowest above it that did not is halved. No load is
    probed twice. For P users or for a rate R, about 2 log2(P) or log2(R) + log2(1 / tolerance) probes.

    Undecided levels do not stop the doubling (a longer level above may decide), but bound the
    bisection from above like broken ones: the answer is the highest load that was *shown* to hold.

    Args:
        probe: plays one load and returns its level, judged.
        lowest: first load; where it breaks, nothing lower is tried.
        highest: last load, of the same kind as `lowest`.
        tolerance: a rate or time scale is narrowed to this share of itself; users to a single one.

    Raises:
        InputError: loads of two kinds, not above 0, or out of order; a tolerance not above 0.
    """
    _require_range(lowest, highest, tolerance)
    whole = isinstance(lowest, Users)
    levels: dict[float, Level] = {}

    def word(value: float) -> str:
        levels[value] = level = probe(load_like(lowest, value))
        return level.verdict.word if level.verdict else "undecided"

    value, last = load_value(lowest), load_value(highest)
    words = {value: word(value)}
    while words[value] != "breaks" and value < last:
        value = min(value * 2, last)
        words[value] = word(value)
    holding = [each for each, said in words.items() if said == "holds"]
    low = max(holding, default=None)
    high = min((each for each in words if low is not None and each > low), default=None)
    if low is not None and high is not None:
        narrowed(
            lambda load: word(load_value(load)) == "holds",
            lowest, low, high, tolerance=0 if whole else tolerance,
        )  # fmt: skip
    rising = tuple(levels[each] for each in sorted(levels))
    return Search(rising, capacity_of(rising))


def narrowed(
    holds: Callable[[Load], bool], like: Load, low: float, high: float, *, tolerance: float
) -> float:
    """The highest load between `low`, which holds, and `high`, which does not, by halving the stretch.

    Users are whole: the mean of both ends is tried; of rates and time scales the geometric one.

    Args:
        holds: whether a load does.
        like: a load of the kind that is tried.
        low: holds.
        high: does not.
        tolerance: share of the load within which the answer lies; users to a single one at most.
    """
    whole = isinstance(like, Users)
    while high > low * (1 + tolerance) and not (whole and high - low <= 1):
        middle = (low + high) // 2 if whole else (low * high) ** 0.5
        if holds(load_like(like, middle)):
            low = middle
        else:
            high = middle
    return low


def load_like(load: Load, value: float) -> Load:
    """The load of the same kind with that value on its axis."""
    match load:
        case Users():
            return replace(load, users=int(value))
        case Rate():
            return replace(load, per_s=value)
        case Replay():
            return replace(load, time_scale=value)


def _require_range(lowest: Load, highest: Load, tolerance: float) -> None:
    if type(lowest) is not type(highest):
        raise InputError(
            "highest", expected=f"the same kind of load as the lowest, {lowest}", found=highest
        )
    if not 0 < load_value(lowest) <= load_value(highest):
        raise InputError(
            "lowest",
            expected=f"a load above 0 and at most {load_value(highest):g}",
            found=f"{load_value(lowest):g}",
        )
    if not tolerance > 0:
        raise InputError("tolerance", expected="a share above 0", found=tolerance)
