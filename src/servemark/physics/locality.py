"""How far the user is: the network's round trip from the distance.

Light in fibre needs `distance * index / c` one way; cables do not follow the great circle, and routers add to
it: between cloud regions it takes some 1.3 to 2.2 times the shortest possible round trip. Dublin to Montreal,
4,760 km and so at least 47 ms, takes 79 ms (F. Charette, 2021-06-09), 1.7 times as long.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from servemark.domain.place import Place

EARTH_RADIUS_M: Final = 6_371_008.8
"""Mean radius (IUGG)."""
LIGHT_M_PER_S: Final = 299_792_458.0
FIBRE_INDEX: Final = 1.468
"""Group index of standard single-mode fibre at 1550 nm (Corning SMF-28 data sheet)."""
DETOUR: Final = (1.3, 1.5, 2.2)
"""Measured over shortest possible round trip: least, usual, most."""
LAST_MILE_S: Final = (0.001, 0.010, 0.040)
"""Round trip between the user and the nearest large city: fibre, cable, mobile. Judgement."""
NEW_CONNECTION_TRIPS: Final = 2
"""Round trips of a new connection before the request is sent: TCP, then TLS 1.3 (RFC 8446)."""


class RoundTrip(NamedTuple):
    """Round-trip time between two places, in seconds."""

    low_s: float
    time_s: float
    high_s: float


def distance_m(one: Place, other: Place) -> float:
    """Great-circle distance (haversine)."""
    (lat1, lon1), (lat2, lon2) = (map(math.radians, each.coordinates) for each in (one, other))
    h = math.sin((lat2 - lat1) / 2) ** 2
    h += math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * EARTH_RADIUS_M * math.asin(math.sqrt(h))


def round_trip(one: Place, other: Place) -> RoundTrip:
    """The round trip: light in fibre along the great circle, times a detour, plus the last mile.

    It adds once to TTFT on an open connection, and `NEW_CONNECTION_TRIPS` times more on a new one; TPOT is
    not touched.
    """
    shortest_s = 2 * distance_m(one, other) * FIBRE_INDEX / LIGHT_M_PER_S
    return RoundTrip(*(shortest_s * d + mile for d, mile in zip(DETOUR, LAST_MILE_S, strict=True)))
