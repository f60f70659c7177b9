"""Where servers and users are."""

from __future__ import annotations

from servemark.domain.record import Record


class Place(Record, frozen=True, kw_only=True):
    """A region of a provider, or a city."""

    name: str
    provider: str = ""
    """Empty for a city."""
    place: str
    coordinates: tuple[float, float]
    """Latitude and longitude in degrees, north and east positive."""
