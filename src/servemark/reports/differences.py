"""Predicted against measured, where both tried the same load: by how much, and within the band or not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from servemark.domain.metrics import METRICS
from servemark.domain.run import Distribution, Level, Run
from servemark.domain.workload import Workload, load_label, load_value
from servemark.reports.labels import axis_label, length_label, percent, short_load
from servemark.reports.page import ABSENT, Cell, Column, Section, Series, Table
from servemark.reports.tables import NO_WIDTH, load_head, without_interval

LATENCIES: Final = (
    ("ttft_s", "p50"), ("ttft_s", "p95"), ("tpot_s", "p50"), ("tpot_s", "p95"),
    ("e2e_s", "p50"), ("e2e_s", "p95"),
)  # fmt: skip
RATES: Final = (("output_tokens_per_s", "output"), ("requests_per_s", "requests"))
OUTSIDE: Final = "outside"


class Pair(NamedTuple):
    """A prediction and a measurement of the same subject, with the levels of the loads that both tried."""

    predicted: Run
    foreseen: Series
    measured: Run
    seen: Series
    levels: tuple[tuple[Level, Level], ...]


class Difference(NamedTuple):
    """One value, predicted and measured."""

    predicted: float | None
    measured: float | None
    band: tuple[float, float] | None = None
    faint: bool = False

    @property
    def is_inside(self) -> bool | None:
        """The measured value lies in the band of the predicted one.

        None where one of them is missing, and where the band has no width: the throughput of an open loop
        is what was asked for, and proves no prediction.
        """
        if self.band is None or not self.predicted or not self.measured:
            return None
        if self.band[1] < self.band[0] * NO_WIDTH:
            return None
        return self.band[0] <= self.measured <= self.band[1]


def difference_section(runs: Sequence[Run], series: Sequence[Series]) -> Section | None:
    """Predicted minus measured in percent of measured; marked where the measured value leaves the band."""
    pairs = list(_pairs(runs, series))
    if not pairs:
        return None
    text = (
        "How far the prediction lies above (+) or below (−) the measurement, in percent of the measurement."
    )
    if any(agreement(pair) for pair in pairs):
        text += f" “{OUTSIDE}”: the measured value lies outside the 80 % band of the prediction."
    tables = tuple(_table(pair) for pair in pairs)
    return Section(key="differences", title="Prediction against measurement", text=text, tables=tables)


def agreements(runs: Sequence[Run], series: Sequence[Series], measured: Series) -> tuple[str, ...]:
    """What the predictions of a report say of one of its measurements: a sentence each."""
    found = [pair for pair in _pairs(runs, series) if pair.seen is measured]
    told = [
        sentence
        for pair in found
        for sentence in (agreement(pair, named=len(found) > 1), _capacity_agreement(pair))
        if sentence is not None
    ]
    return tuple(dict.fromkeys(told))


def agreement(pair: Pair, *, named: bool = False) -> str | None:
    """`36 of 40 measured values lie in the 80 % band of the prediction.`; None without bands."""
    inside = [
        each.is_inside
        for levels in pair.levels
        for each in _differences(*levels)
        if each.is_inside is not None
    ]
    if not inside:
        return None
    whose = f" ({pair.foreseen.label})" if named else ""
    return f"{sum(inside)} of {len(inside)} measured values lie in the 80 % band of the prediction{whose}."


def _capacity_agreement(pair: Pair) -> str | None:
    """Whether the capacities are compatible, where their promises are the same: the measured one lies between
    the load that holds and the first that breaks.
    """
    predicted, measured = pair.predicted.capacity, pair.measured.capacity
    if predicted is None or predicted.band is None or measured is None or measured.load is None:
        return None
    if set(pair.predicted.slos) != set(pair.measured.slos):
        return None
    low, high = predicted.band
    highest = max(load_value(level.load) for level in pair.predicted.levels)
    above = load_value(measured.load) > high and high < highest
    below = measured.first_broken is not None and load_value(measured.first_broken) <= low
    word = "lies outside" if above or below else "agrees with"
    ends = f"{axis_label(low)} to {'at least ' * (high >= highest)}{axis_label(high)}"
    return f"Its capacity, {load_label(measured.load)}, {word} the 80 % band of the predicted one, {ends}."


def _pairs(runs: Sequence[Run], series: Sequence[Series]) -> Iterator[Pair]:
    drawn = list(zip(runs, series, strict=True))
    for measured, seen in drawn:
        for predicted, foreseen in drawn:
            if (measured.origin, predicted.origin) != ("measured", "predicted"):
                continue
            both = tuple(
                (mine, theirs)
                for theirs in sorted(measured.levels, key=lambda level: load_value(level.load))
                for mine in predicted.levels
                if mine.load == theirs.load
            )
            if both and seen.subject == foreseen.subject:
                yield Pair(predicted, foreseen, measured, seen, both)


def _table(pair: Pair) -> Table:
    heads = [Column(label=load_head(pair.levels[0][0]))]
    heads += [Column(label=p, group=METRICS[key].label, unit="%") for key, p in LATENCIES]
    heads += [Column(label=label, group="throughput", unit="%") for _, label in RATES]
    rows = tuple(
        (Cell(text=short_load(mine.load)), *map(_cell, _differences(mine, theirs)))
        for mine, theirs in pair.levels
    )
    kept = [i for i in range(len(heads)) if any(row[i].text != ABSENT for row in rows)]
    told = agreement(pair)
    return Table(
        title=f"{pair.foreseen.label} against {pair.seen.label}",
        columns=tuple(heads[i] for i in kept),
        rows=tuple(tuple(row[i] for i in kept) for row in rows),
        notes=(
            *((told,) if told else ()),
            *_unlike_requests(pair.predicted.workload, pair.measured.workload),
        ),
    )


def _unlike_requests(predicted: Workload, measured: Workload) -> tuple[str, ...]:
    """Says so where the two runs did not ask for the same lengths."""
    mine, theirs = (
        f"input {length_label(load.input)}, output {length_label(load.output)} tokens"
        for load in (predicted, measured)
    )
    if mine == theirs:
        return ()
    return (f"Not like against like: predicted for {mine}, measured with {theirs}.",)


def _differences(mine: Level, theirs: Level) -> list[Difference]:
    """Latencies, then rates, in the order of the columns."""
    found: list[Difference] = []
    for key, p in LATENCIES:
        here, there = (level.metrics.get(key, Distribution(n=0)) for level in (mine, theirs))
        faint = without_interval(there, p)
        found.append(Difference(getattr(here, p), getattr(there, p), here.band.get(p), faint))
    for key, _ in RATES:
        found.append(Difference(getattr(mine, key), getattr(theirs, key), mine.bands.get(key)))
    return found


def _cell(difference: Difference) -> Cell:
    predicted, measured, _, faint = difference
    if predicted is None or not measured:
        return Cell(text=ABSENT)
    share = predicted / measured - 1
    size = percent(share).removesuffix(" %")
    text = f"{share:+.0%}".removesuffix("%").replace("-", "−")
    detail = OUTSIDE if difference.is_inside is False else ""
    return Cell(text="0" if size in ("0", "under 1") else text, detail=detail, faint=faint)
