"""The tables of numbers: every level of every run."""

from __future__ import annotations

from collections.abc import Sequence

from servemark.domain.metrics import METRICS
from servemark.domain.run import Distribution, Level, Run
from servemark.domain.workload import load_label, load_value
from servemark.reports.figures import Scale, plain_scale, seconds_scale
from servemark.reports.labels import load_axis, short_load, subject_title
from servemark.reports.page import Cell, Column, Section, Series, Table

LATENCIES = ("ttft_s", "itl_s", "tpot_s", "e2e_s")
PERCENTILES = ("p50", "p95", "p99")
ESSENTIAL = {("ttft_s", "p50"), ("ttft_s", "p95"), ("tpot_s", "p50"), ("tpot_s", "p95"), ("e2e_s", "p50")}
BANDED = {("ttft_s", "p95"), ("tpot_s", "p95"), ("e2e_s", "p95")}
"""Percentiles below which the band of a prediction stands; the others have theirs in the JSON."""
NO_WIDTH = 1.02
"""A band whose ends differ by less than this factor has none: load alone decides the value."""

_Drawn = tuple[Column, list[Cell]]


def level_section(runs: Sequence[Run], series: Sequence[Series]) -> Section | None:
    """One table per run, one row per level."""
    tables = tuple(
        _level_table(run, each) for run, each in zip(runs, series, strict=True) if run.levels
    )  # fmt: skip
    if not tables:
        return None
    text = "Latencies are of complete requests. A percentile in grey has no 95 % interval at this many requests."
    return Section(key="levels", title="Levels", text=text, tables=tables)


def _level_table(run: Run, series: Series) -> Table:
    levels = sorted(run.levels, key=lambda level: load_value(level.load))
    drawn: list[_Drawn] = [
        (Column(label=load_head(levels[0])), [Cell(text=short_load(level.load)) for level in levels])
    ]
    if any(level.requests_sent for level in levels):
        drawn += _request_columns(levels)
    for key in LATENCIES:
        drawn += _latency_columns(levels, key)
    drawn += _rate_columns(levels)
    drawn += _instrument_columns(levels)
    columns, cells = zip(*drawn, strict=True)
    notes = [f"{load_label(level.load)}: {note.rstrip('.')}." for level in levels for note in level.notes]
    if any(level.bands for level in levels):
        notes.insert(0, "Below a p95 and a throughput: its 80 % band.")
    return Table(
        title=f"{series.glyph} {series.label}: {subject_title(run)}",
        columns=tuple(columns),
        rows=tuple(zip(*cells, strict=True)),
        notes=tuple(notes),
        colour=series.colour,
    )


def load_head(level: Level) -> str:
    """Head of a column of loads."""
    return {"concurrent users": "users", "requests per second": "rate"}.get(load_axis(level.load), "trace")


def _request_columns(levels: Sequence[Level]) -> list[_Drawn]:
    complete = [level.outcomes.get("complete", 0) for level in levels]
    failed = [level.requests_sent - n for level, n in zip(levels, complete, strict=True)]
    counts = {"sent": [level.requests_sent for level in levels], "complete": complete}
    if any(failed):
        counts["failed"] = failed
    return [
        (
            Column(label=label, group="requests", essential=label == "sent" or any(failed)),
            [Cell(text=f"{n:,}") for n in column],
        )
        for label, column in counts.items()
    ]


def _latency_columns(levels: Sequence[Level], key: str) -> list[_Drawn]:
    found = [level.metrics.get(key, Distribution(n=0)) for level in levels]
    scale = seconds_scale(getattr(each, p) for each in found for p in PERCENTILES)
    if all(each.p50 is None for each in found):
        return []
    return [
        (
            Column(label=p, group=METRICS[key].label, unit=scale.unit, essential=(key, p) in ESSENTIAL),
            [
                Cell(
                    text=scale.write(getattr(each, p)),
                    detail=_range(each.band.get(p), scale) if (key, p) in BANDED else "",
                    faint=without_interval(each, p),
                )
                for each in found
            ],
        )
        for p in PERCENTILES
    ]  # fmt: skip


def without_interval(found: Distribution, percentile: str) -> bool:
    """True for a sample percentile without an interval; a formula (n = 0) has no sample at all."""
    return found.n > 0 and found.ci.get(percentile) is None


def _rate_columns(levels: Sequence[Level]) -> list[_Drawn]:
    drawn: list[_Drawn] = []
    for label, key in (("tok/s", "output_tokens_per_s"), ("req/s", "requests_per_s")):
        values = [getattr(level, key) for level in levels]
        head = Column(label=label, group="throughput", essential=label == "tok/s")
        bands = [level.bands.get(key) if head.essential else None for level in levels]
        drawn += _column(head, values, plain_scale(values), bands)
    return drawn


def _instrument_columns(levels: Sequence[Level]) -> list[_Drawn]:
    lag = [level.lag.total_s if level.lag else None for level in levels]
    client = [level.cpu.client_cores if level.cpu else None for level in levels]
    engine = [level.cpu.engine_cores if level.cpu else None for level in levels]
    scale = seconds_scale(lag)
    drawn = _column(Column(label="p99", group="lag", unit=scale.unit, essential=False), lag, scale)
    for label, values in (("client", client), ("engine", engine)):
        head = Column(label=label, group="CPU", unit="cores", essential=False)
        drawn += _column(head, values, Scale(decimals=2))
    return drawn


def _column(
    head: Column, values: Sequence[float | None], scale: Scale,
    bands: Sequence[tuple[float, float] | None] = (),
) -> list[_Drawn]:  # fmt: skip
    """The column, or nothing where no level has a value."""
    if all(value is None for value in values):
        return []
    details = [_range(each, scale) for each in bands] or [""] * len(values)
    return [
        (head, [Cell(text=scale.write(v), detail=d) for v, d in zip(values, details, strict=True)])
    ]  # fmt: skip


def _range(band: tuple[float, float] | None, scale: Scale) -> str:
    """`31.0–44.2`; nothing where there is no band, or it has no width."""
    if band is None or band[1] < NO_WIDTH * band[0]:
        return ""
    return "–".join(scale.write(end) for end in band)
