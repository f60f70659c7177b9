"""Ready-made traffic: arrivals and lengths fitted to published traces, in `data/profiles.toml`."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import Any

import msgspec

from servemark.domain.record import Record
from servemark.domain.workload import Rate, Workload
from servemark.errors import UnknownName, fold_name


class Profile(Record, frozen=True, kw_only=True):
    """Arrivals and lengths of one kind of traffic."""

    name: str
    workload: Workload
    rate: Rate
    """As recorded; scale `per_s` for another load."""
    source: str
    """Where the figures come from, and what of them is assumed."""
    date: str
    """When the traffic was recorded or its figures were published."""


def _shipped() -> dict[str, Profile]:
    text = files("servemark.traffic").joinpath("data/profiles.toml").read_text(encoding="utf-8")
    tables: list[dict[str, Any]] = tomllib.loads(text)["profile"]
    for table in tables:
        table["rate"]["type"] = "rate"
    return {each.name: each for each in msgspec.convert(tables, list[Profile])}


PROFILES = _shipped()


def find_profile(name: str, *, path: str = "traffic") -> Profile:
    """The profile of that name (case, spaces, `-` and `_` ignored).

    Raises:
        UnknownName: there is none; carries the nearest.
    """
    for profile in PROFILES.values():
        if fold_name(profile.name) == fold_name(name):
            return profile
    raise UnknownName(path, kind="a traffic profile", name=name, known=PROFILES)
