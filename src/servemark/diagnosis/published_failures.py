"""Published failure rates: whether they differ, and what fails without load."""

from __future__ import annotations

from servemark.diagnosis.observations import percent, wilson
from servemark.diagnosis.proportions import (
    difference_interval,
    possible_denominators,
    requests_to_tell,
    told_apart,
)
from servemark.diagnosis.published_case import (
    Case,
    at_users,
    deciding_command,
    reported,
    users_words,
    worked_out,
)
from servemark.domain.finding import Evidence, Finding
from servemark.domain.published_test import PublishedLevel

ITEMS_IF_UNKNOWN = 100
LARGEST = 40
"""More requests only narrow the intervals: so many of the largest possible denominators decide."""
FLAT_RATIO = 0.2
"""Two rates this close, the first of them this high, follow something else than load."""


def ends(case: Case) -> tuple[PublishedLevel, PublishedLevel] | None:
    """The lowest and the highest load with a failure rate."""
    known = sorted(
        (each for each in case.test.levels if each.failures_ratio is not None), key=lambda each: each.users
    )
    return (known[0], known[-1]) if len(known) > 1 else None


def denominators(level: PublishedLevel) -> list[int]:
    """Numbers of requests that the rate can stand for: at most every user asking every item."""
    if level.requests is not None:
        return [level.requests]
    return possible_denominators(
        level.failures_ratio or 0.0, level.users * (level.items or ITEMS_IF_UNKNOWN)
    )


def indistinguishable(case: Case) -> bool:
    """No pair of possible denominators tells the two rates apart."""
    pair = ends(case)
    if pair is None:
        return False
    low, high = pair
    first, second = low.failures_ratio or 0.0, high.failures_ratio or 0.0
    pairs = ((n, m) for n in denominators(low)[-LARGEST:] for m in denominators(high)[-LARGEST:])
    return told_apart(first, second, pairs) is None


def rates_indistinguishable(case: Case) -> Finding | None:
    """Two rates whose difference is within chance, whatever they are rates of."""
    pair = ends(case)
    if pair is None or not indistinguishable(case):
        return None
    low, high = pair
    first, second = low.failures_ratio or 0.0, high.failures_ratio or 0.0
    needed = requests_to_tell(first, second)
    return Finding(
        key="rates_indistinguishable",
        claim=f"{percent(first)} at {users_words(low.users)} and {percent(second)} at {users_words(high.users)} cannot "
        "be told apart at any number of requests that the test can have sent.",
        confidence="certain",
        weight=max(first, second),
        evidence=(*_interval_rows(case, low), *_interval_rows(case, high), _widest(low, high)),
        refuted_by="The number of requests behind each rate, if it were far larger than users x items.",
        next_step=f"State requests sent and failed at each load; to tell {percent(first)} from {percent(second)} takes "
        f"about {needed:,} requests at each (at 5 %, with a chance of 80 %)."
        if needed
        else deciding_command(case.test),
        consequence="Whoever plans for more load by these two figures plans by chance.",
    )  # fmt: skip


def _interval_rows(case: Case, level: PublishedLevel) -> list[Evidence]:
    """The rate, what it can stand for, and how little that says."""
    ratio, possible, index = level.failures_ratio or 0.0, denominators(level), at_users(case.test, level)
    least, most = possible[0], possible[-1]
    rows = [reported(f"{percent(ratio)} failed at {users_words(level.users)}", index)]
    if level.users not in possible and level.requests is None:
        rows.append(
            worked_out(f"with one request a user, {level.users} in all, {percent(ratio)} cannot occur")
        )
    spread = [f"{round(ratio * n)}/{n}: {_span(round(ratio * n), n)}" for n in dict.fromkeys((least, most))]
    rows.append(
        worked_out(
            f"95 % Wilson intervals from the fewest to the most requests possible: {'; '.join(spread)}"
        )
    )
    return rows


def _widest(low: PublishedLevel, high: PublishedLevel) -> Evidence:
    """The difference with as many requests as there can have been."""
    n, m = denominators(low)[-1], denominators(high)[-1]
    a, b = difference_interval(low.failures_ratio or 0.0, n, high.failures_ratio or 0.0, m)
    return worked_out(
        f"difference with the most requests possible ({n} and {m}): {100 * a:+.0f} to {100 * b:+.0f} points"
    )


def _span(hits: int, n: int) -> str:
    low, high = wilson(hits, n)
    return f"{percent(low)} to {percent(high)}"


def tool_schema_suspected(case: Case) -> Finding | None:
    """Failures as frequent at few users as at many, and words of a tool framework in the answers."""
    pair = ends(case)
    known = [each for each in case.test.quotations if each.known_from]
    if case.test.tools is False or pair is None:
        return None
    low, high = pair
    first, second = low.failures_ratio or 0.0, high.failures_ratio or 0.0
    flat = first >= FLAT_RATIO and abs(second - first) <= FLAT_RATIO and indistinguishable(case)
    if not flat:
        return None
    evidence = [
        reported(f"{percent(first)} failed at {users_words(low.users)} already", at_users(case.test, low))
    ]
    evidence += [
        reported(f"an answer holds '{each.words}': {each.known_from} ({each.source})") for each in known
    ]
    if case.test.retries is None:
        evidence.append(
            reported("retries are not disclosed; a framework that gives up on them counts as a failure")
        )
    return Finding(
        key="failures_flat_in_load",
        claim="Failures hardly follow the load; a tool-call schema that so small a model breaks is suspected "
        "behind them and behind the framework's words in answers."
        if known
        else "Failures hardly follow the load: a cause that is there with one user.",
        confidence="likely" if known else "possible",
        weight=first,
        evidence=tuple(evidence),
        refuted_by="The same prompts without tools and schema, one at a time: failures that stay are not the schema's.",
        next_step=f"Count failures at 1 user, with the tool and without it: {deciding_command(case.test)}",
        consequence="More GPUs would not make one of these requests succeed.",
    )
