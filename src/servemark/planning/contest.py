"""The prospects against each other: simulated, cheapest first, until the choice is proven."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heappush
from typing import Final, NamedTuple

import numpy as np

from servemark.domain.plans import Rejection, Requirements
from servemark.domain.run import Level
from servemark.domain.workload import Rate, Users, load_value
from servemark.planning.frontier import frontier
from servemark.planning.phrases import dominated_detail, verdict_detail, worst_excess
from servemark.planning.prospects import (
    Prospect,
    Prospects,
    Stock,
    over_limits,
    prospect_of,
    slo_rejection,
)
from servemark.planning.sieve import Forms, figured

CHOICE_TRIALS: Final = 80
"""Most simulations until there is a choice; then the closed form decides alone."""
FRONT_TRIALS: Final = 30
"""Most simulations of alternatives."""

Play = Callable[[Prospect], Level]


class Contest(NamedTuple):
    """Who won, who is worth a look, who lost."""

    choice: Prospect | None
    alternatives: tuple[Prospect, ...]
    """In order of rank."""
    rejected: tuple[Rejection, ...]
    levels: dict[tuple[int, int], Level]
    """Simulated levels by row and replicas."""


class Grower(NamedTuple):
    """Adds a replica to a prospect that the simulator found too slow."""

    forms: Forms
    asked: Requirements
    load: Users | Rate
    stock: Stock

    def grown(self, prospect: Prospect) -> Prospect:
        """The same with one replica more."""
        working = prospect.replicas - prospect.spare + 1
        demand = load_value(self.load) * (1 + self.asked.headroom_ratio)
        form = self.forms.of([prospect.row])
        found = figured(form, self.asked.slos, self.load, np.array([demand / working]))
        each = prospect.most / (working - 1)
        return prospect_of(
            prospect.row, prospect.shape, working, found, each, demand, self.asked, self.stock, at=0
        )


def contest(prospects: Prospects, grower: Grower, play: Play | None) -> Contest:
    """Choose, and say why the others lost.

    Args:
        prospects: from the sieve.
        grower: makes the next larger one where the simulator breaks what the closed form let pass.
        play: simulates one; None = the closed form decides.
    """
    levels: dict[tuple[int, int], Level] = {}
    rejected: list[Rejection] = []
    if play is None:
        rejected += [slo_rejection(each) for each in prospects.doubtful]
        queue = sorted(prospects.holding, key=lambda each: each.rank)
        choice, rest = (queue[0], queue[1:]) if queue else (None, [])
    else:
        choice, rest = _first_to_hold(prospects, grower, play, levels, rejected)
    alternatives = _worth_a_look(choice, rest, play, levels, rejected)
    return Contest(choice, alternatives, tuple(rejected), levels)


def _first_to_hold(
    prospects: Prospects,
    grower: Grower,
    play: Play,
    levels: dict[tuple[int, int], Level],
    rejected: list[Rejection],
) -> tuple[Prospect | None, list[Prospect]]:
    """The first in order of rank that holds when simulated, and those not tried."""
    doubtful = {(each.row, each.replicas) for each in prospects.doubtful}
    heap = [(each.rank, each) for each in (*prospects.holding, *prospects.doubtful)]
    heapify(heap)
    choice = None
    while heap and choice is None:
        _, each = heappop(heap)
        key = (each.row, each.replicas)
        if len(levels) >= CHOICE_TRIALS:
            # the closed form decides: what it doubts is left out
            if key in doubtful:
                rejected.append(slo_rejection(each))
                continue
            choice = each
            break
        levels[key] = level = play(each)
        if holds(level):
            choice = each
            continue
        rejected.append(simulated_rejection(each, level))
        if key in doubtful:
            continue
        larger = grower.grown(each)
        lost = over_limits(larger, grower.asked, grower.stock)
        if lost is None:
            heappush(heap, (larger.rank, larger))
        else:
            rejected.append(lost)
    rest = [each for _, each in heap]
    rejected += [slo_rejection(each) for each in rest if (each.row, each.replicas) in doubtful]
    return choice, [each for each in rest if (each.row, each.replicas) not in doubtful]


def _worth_a_look(
    choice: Prospect | None,
    rest: Sequence[Prospect],
    play: Play | None,
    levels: dict[tuple[int, int], Level],
    rejected: list[Rejection],
) -> tuple[Prospect, ...]:
    """What nothing dominates, simulated as far as the trials go; the dominated are rejected."""
    if choice is None:
        return ()
    left = [choice, *sorted(rest, key=lambda each: each.rank)]
    most = len(levels) + FRONT_TRIALS
    while True:
        front = frontier([each.merits for each in left])
        if play is None:
            break
        open_ones = [
            i
            for i, by in front.items()
            if i and by is None and (left[i].row, left[i].replicas) not in levels
        ]
        broken: set[int] = set()
        for i in sorted(open_ones)[: max(0, most - len(levels))]:
            each = left[i]
            levels[each.row, each.replicas] = level = play(each)
            if not holds(level):
                broken.add(i)
                rejected.append(simulated_rejection(each, level))
        if not broken:
            break
        left = [each for i, each in enumerate(left) if i not in broken]
    kept: list[Prospect] = []
    for i, each in enumerate(left[1:], start=1):
        by = front[i]
        if by is None:
            kept.append(each)
        else:
            rejected.append(_dominated(each, choice, left[by]))
    return tuple(kept)


def holds(level: Level) -> bool:
    """Whether every promise was kept."""
    return level.verdict is None or level.verdict.word == "holds"


def simulated_rejection(prospect: Prospect, level: Level) -> Rejection:
    """The rejection of what breaks a promise when simulated."""
    assert level.verdict is not None
    return Rejection(
        deployment=prospect.deployment,
        reason="slo",
        detail=verdict_detail(level.verdict),
        excess_ratio=worst_excess(level.verdict.slos),
        usd_per_month=prospect.usd_per_month,
        verdicts=level.verdict.slos,
        method="simulation",
    )


def _dominated(prospect: Prospect, choice: Prospect, by: Prospect) -> Rejection:
    usd, choice_usd = prospect.usd_per_month, choice.usd_per_month
    excess = usd / choice_usd - 1 if usd is not None and choice_usd else None
    return Rejection(
        deployment=prospect.deployment,
        reason="dominated",
        detail=dominated_detail(usd, choice_usd, None if by is choice else by.deployment),
        excess_ratio=excess,
        usd_per_month=usd,
        method="closed form",
    )
