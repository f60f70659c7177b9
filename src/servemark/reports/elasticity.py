"""Autoscaled fleets beside static ones: what each lost, and what it cost."""

from __future__ import annotations

from collections.abc import Sequence

from servemark.domain.elasticity import Elasticity, FleetDay
from servemark.domain.run import Level, Run
from servemark.domain.workload import load_label
from servemark.reports.page import ABSENT, Cell, Column, Section, Series, Table
from servemark.units import HOUR_S, format_seconds

_COLUMNS = (
    Column(label="fleet", numeric=False),
    Column(label="mean", group="replicas"),
    Column(label="most", group="replicas"),
    Column(label="lost", group="minutes"),
    Column(label="of", group="minutes"),
    Column(label="replica-hours", essential=False),
    Column(label="$"),
)


def elasticity_section(runs: Sequence[Run], series: Sequence[Series]) -> Section | None:
    """One table per autoscaled level; None without any."""
    tables = tuple(
        _table(each, level, level.elasticity)
        for run, each in zip(runs, series, strict=True)
        for level in run.levels
        if level.elasticity is not None
    )
    if not tables:
        return None
    text = "A minute is lost when its requests break a promise. Dollars are for whole instances, by the second."
    return Section(key="elasticity", title="Autoscaling", text=text, tables=tables)


def _table(series: Series, level: Level, found: Elasticity) -> Table:
    policy = found.policy
    rule = (
        f"{policy.signal} > {policy.threshold:g} per replica, {policy.minimum} to {policy.maximum} replicas"
    )
    offer, cold = found.offer, found.cold_start
    price = "No price is known for this GPU."
    if offer is not None:
        price = f"Price: {offer.title}, ${offer.price_usd_per_hour:g}/h, {offer.observed}, {offer.source}."
    return Table(
        title=f"{series.glyph} {series.label}, {load_label(level.load)}: {rule}",
        columns=_COLUMNS,
        rows=tuple(_row(fleet) for fleet in (found.autoscaled, *found.static)),
        notes=tuple(filter(None, (f"{cold[:1].upper()}{cold[1:]}.", price, _lasts(found), _spare(found)))),
        colour=series.colour,
    )


def _row(fleet: FleetDay) -> tuple[Cell, ...]:
    return (
        Cell(text=fleet.name),
        Cell(text=f"{fleet.mean_replicas:.2f}"),
        Cell(text=f"{fleet.most_replicas}"),
        Cell(text=f"{fleet.lost_minutes:,}", mark="breaks" if fleet.lost_minutes else "holds"),
        Cell(text=f"{fleet.minutes:,}"),
        Cell(text=f"{fleet.replica_s / HOUR_S:.1f}"),
        Cell(text=ABSENT if fleet.paid_usd is None else f"{fleet.paid_usd:,.2f}"),
    )


def _lasts(found: Elasticity) -> str:
    words = f"Over {format_seconds(found.duration_s)}: {found.cold_starts} replicas started cold. {found.traffic}"
    return words.strip()


def _spare(found: Elasticity) -> str:
    """What a warm replica more would cost against the cold starts; nothing where that is not known."""
    if found.spare_usd_per_avoided_s is None or found.spare_usd_per_hour is None:
        return ""
    return (
        f"One warm spare more costs ${24 * found.spare_usd_per_hour:,.2f} a day, "
        f"${60 * found.spare_usd_per_avoided_s:,.2f} per minute of cold start that it avoids."
    )
