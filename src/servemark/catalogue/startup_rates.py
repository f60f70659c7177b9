"""The rates of a cold start: `data/startup.toml` -> `StartupRates`."""

from __future__ import annotations

import tomllib
from functools import cache

import msgspec

from servemark.catalogue.tables import DATA
from servemark.domain.startup import StartupRates


@cache
def startup_rates() -> StartupRates:
    """The shipped rates, each with its range, source and date."""
    table = tomllib.loads((DATA / "startup.toml").read_text(encoding="utf-8"))
    return msgspec.convert(table, StartupRates)
