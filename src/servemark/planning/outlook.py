"""The choice under more load than was asked for: how much it carries, what breaks first, what twice the
peak does.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from servemark.capacity.search import search_capacity
from servemark.catalogue.places import find_place
from servemark.domain.bill import Bill
from servemark.domain.capacity import Capacity
from servemark.domain.place import Place
from servemark.domain.plans import Outlook, Requirements
from servemark.domain.run import Level
from servemark.domain.workload import Load, Users, load_value
from servemark.physics.locality import round_trip
from servemark.planning.contest import holds
from servemark.planning.loads import scaled
from servemark.planning.prospects import Prospect

REACH: Final = 8.0
"""The capacity is looked for up to so many times the peak."""
FEW_USERS: Final = 64
"""And at least up to so many users."""
TOLERANCE: Final = 0.03
GROWTH_TRIALS: Final = 3

Probe = Callable[[Load], Level]
PlayAt = Callable[[Prospect, Load], Level]


def capacity_and_outlook(
    probe: Probe, level: Level, asked: Requirements, replicas_for: Callable[[Load, Capacity], int | None]
) -> tuple[Capacity, Outlook]:
    """The simulated capacity of the choice, and what lies beyond it.

    Args:
        probe: simulates the choice at a load.
        level: it at the load that has to be held.
        asked: what was asked.
        replicas_for: replicas that carry a load, given the capacity found; None = not found.
    """
    known: dict[float, Level] = {}

    def once(load: Load) -> Level:
        value = load_value(load)
        if value not in known:
            known[value] = probe(load)
        return known[value]

    lowest = scaled(asked.load, 1 + asked.headroom_ratio)
    known[load_value(lowest)] = level
    reach = REACH
    if isinstance(lowest, Users):
        reach = max(REACH, FEW_USERS / lowest.users)
    found = search_capacity(
        once, lowest=lowest, highest=scaled(lowest, reach), tolerance=TOLERANCE
    ).capacity
    doubled = scaled(asked.load, 2)
    outlook = Outlook(
        at_peak=once(asked.load),
        doubled=once(doubled),
        doubled_holds_with=replicas_for(doubled, found),
        at_break=None if found.first_broken is None else known[load_value(found.first_broken)],
    )
    return found, outlook


def working_replicas(
    prospect: Prospect, load: Load, play: PlayAt, found: Capacity, asked: Requirements
) -> int | None:
    """Replicas that hold the load when simulated; tried from what the capacity found says."""
    working = prospect.replicas - prospect.spare
    each = load_value(found.load or asked.load) / working
    first = math.ceil(load_value(load) / each - 1e-9)
    for count in range(first, first + GROWTH_TRIALS):
        grown = prospect._replace(replicas=count + prospect.spare)
        if holds(play(grown, load)):
            return count
    return None


def trip_to(bill: Bill | None, users_in: Place | None) -> tuple[float, float, float] | None:
    """Round trip between the users and the region of the offer; None where either is not known."""
    if bill is None or users_in is None or bill.offer.region == "unstated":
        return None
    trip = round_trip(users_in, find_place(bill.offer.region))
    return trip.low_s, trip.time_s, trip.high_s
