"""Ready-made traffic: arrivals and lengths fitted to published traces."""

from __future__ import annotations

from servemark.domain.record import Record
from servemark.domain.workload import Rate, Workload
from servemark.errors import UnknownName


class Profile(Record, frozen=True, kw_only=True):
    """Arrivals and lengths of one kind of traffic."""

    name: str
    workload: Workload
    rate: Rate
    """At the recorded rate; scale `per_s` for another."""
    source: str
    date: str


PROFILES: dict[str, Profile] = {}


def find_profile(name: str, *, path: str = "traffic") -> Profile:
    """The profile of that name (case, spaces, `-` and `_` ignored)."""
    raise UnknownName(path, kind="a traffic profile", name=name, known=PROFILES)
