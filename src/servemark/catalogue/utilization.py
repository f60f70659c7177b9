"""How much of its FLOP/s a GPU reaches in long work: `data/utilization.toml` -> `Utilization`."""

from __future__ import annotations

import tomllib
from functools import cache
from typing import Literal

import msgspec

from servemark.catalogue.tables import DATA
from servemark.domain.gpu import Gpu
from servemark.domain.record import Record
from servemark.domain.training import Estimate, Utilization
from servemark.units import parse


class _Class(Record, frozen=True, kw_only=True):
    """One row; an empty list matches every GPU."""

    key: str
    architectures: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    linked: bool | None = None
    servers: Literal["one", "several", "any"] = "any"
    low: str
    value: str
    high: str
    source: str
    date: str
    assumed: bool = False

    def matches(self, gpu: Gpu, servers: int) -> bool:
        linked = gpu.link is not None and not gpu.link.optional
        return (
            (not self.architectures or gpu.architecture in self.architectures)
            and (not self.capabilities or gpu.compute_capability in self.capabilities)
            and (not self.tiers or gpu.tier in self.tiers)
            and (self.linked is None or self.linked == linked)
            and (self.servers == "any" or (self.servers == "several") == (servers > 1))
        )


def find_utilization(gpu: Gpu, *, servers: int = 1) -> Utilization:
    """The utilization of the first class that a GPU, alone or over several servers, belongs to."""
    return next(found for row, found in _classes() if row.matches(gpu, servers))


def utilizations() -> tuple[Utilization, ...]:
    """All classes, in the order in which they are tried."""
    return tuple(found for _, found in _classes())


@cache
def _classes() -> tuple[tuple[_Class, Utilization], ...]:
    text = (DATA / "utilization.toml").read_text(encoding="utf-8")
    return tuple(
        (row, _utilization(row)) for row in msgspec.convert(tomllib.loads(text)["class"], list[_Class])
    )


def _utilization(row: _Class) -> Utilization:
    share = {name: parse(getattr(row, name), "ratio", path=f"utilization.toml: {row.key}.{name}")
             for name in ("low", "value", "high")}  # fmt: skip
    return Utilization(
        key=row.key, share=Estimate(**share), source=row.source, date=row.date, assumed=row.assumed
    )
