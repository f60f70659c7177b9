"""The tables of numbers: every level of every run, and predicted against measured."""

from __future__ import annotations

from collections.abc import Sequence

from servemark.domain.metrics import METRICS
from servemark.domain.run import Distribution, Level, Run
from servemark.domain.workload import Workload, load_label, load_value
from servemark.reports.figures import Scale, plain_scale, seconds_scale
from servemark.reports.labels import length_label, load_axis, percent, short_load, subject_title
from servemark.reports.page import ABSENT, Cell, Column, Section, Series, Table

LATENCIES = ("ttft_s", "itl_s", "tpot_s", "e2e_s")
PERCENTILES = ("p50", "p95", "p99")
ESSENTIAL = {("ttft_s", "p50"), ("ttft_s", "p95"), ("tpot_s", "p50"), ("tpot_s", "p95"), ("e2e_s", "p50")}
DIFFERENCES = (
    ("ttft_s", "p50"), ("ttft_s", "p95"), ("tpot_s", "p50"), ("tpot_s", "p95"),
    ("e2e_s", "p50"), ("e2e_s", "p95"),
)  # fmt: skip

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
        (Column(label=_load_head(levels[0])), [Cell(text=short_load(level.load)) for level in levels])
    ]
    if any(level.requests_sent for level in levels):
        drawn += _request_columns(levels)
    for key in LATENCIES:
        drawn += _latency_columns(levels, key)
    drawn += _rate_columns(levels)
    drawn += _instrument_columns(levels)
    columns, cells = zip(*drawn, strict=True)
    notes = tuple(
        f"{load_label(level.load)}: {note.rstrip('.')}." for level in levels for note in level.notes
    )
    return Table(
        title=f"{series.glyph} {series.label}: {subject_title(run)}",
        columns=tuple(columns),
        rows=tuple(zip(*cells, strict=True)),
        notes=notes,
        colour=series.colour,
    )


def _load_head(level: Level) -> str:
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
                Cell(text=scale.write(getattr(each, p)), faint=without_interval(each, p))
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
    for label, values in (
        ("tok/s", [level.output_tokens_per_s for level in levels]),
        ("req/s", [level.requests_per_s for level in levels]),
    ):
        head = Column(label=label, group="throughput", essential=label == "tok/s")
        drawn += _column(head, values, plain_scale(values))
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


def _column(head: Column, values: Sequence[float | None], scale: Scale) -> list[_Drawn]:
    """The column, or nothing where no level has a value."""
    if all(value is None for value in values):
        return []
    return [(head, [Cell(text=scale.write(value)) for value in values])]


def difference_section(runs: Sequence[Run], series: Sequence[Series]) -> Section | None:
    """Predicted minus measured in percent of measured, where both tried the same load."""
    pairs = list(zip(runs, series, strict=True))
    tables = [
        table
        for measured, seen in pairs
        if measured.origin == "measured"
        for predicted, foreseen in pairs
        if predicted.origin == "predicted" and seen.subject == foreseen.subject
        if (table := _difference_table(predicted, foreseen, measured, seen)) is not None
    ]
    if not tables:
        return None
    text = (
        "How far the prediction lies above (+) or below (−) the measurement, in percent of the measurement."
    )
    return Section(
        key="differences", title="Prediction against measurement", text=text, tables=tuple(tables)
    )


def _difference_table(predicted: Run, foreseen: Series, measured: Run, seen: Series) -> Table | None:
    both = [
        (mine, theirs)
        for theirs in sorted(measured.levels, key=lambda level: load_value(level.load))
        for mine in predicted.levels
        if mine.load == theirs.load
    ]
    if not both:
        return None
    heads = [Column(label=_load_head(both[0][0]))]
    heads += [Column(label=p, group=METRICS[key].label, unit="%") for key, p in DIFFERENCES]
    heads += [Column(label="output", group="throughput", unit="%")]
    heads += [Column(label="requests", group="throughput", unit="%")]
    rows = tuple(
        (Cell(text=short_load(mine.load)), *_difference_cells(mine, theirs)) for mine, theirs in both
    )
    kept = [i for i in range(len(heads)) if any(row[i].text != ABSENT for row in rows)]
    return Table(
        title=f"{foreseen.label} against {seen.label}",
        columns=tuple(heads[i] for i in kept),
        rows=tuple(tuple(row[i] for i in kept) for row in rows),
        notes=_unlike_requests(predicted.workload, measured.workload),
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


def _difference_cells(mine: Level, theirs: Level) -> list[Cell]:
    nothing = Distribution(n=0)
    cells = [
        _difference(
            getattr(mine.metrics.get(key, nothing), p),
            getattr(theirs.metrics.get(key, nothing), p),
            faint=without_interval(theirs.metrics.get(key, nothing), p),
        )
        for key, p in DIFFERENCES
    ]
    cells.append(_difference(mine.output_tokens_per_s, theirs.output_tokens_per_s))
    cells.append(_difference(mine.requests_per_s, theirs.requests_per_s))
    return cells


def _difference(predicted: float | None, measured: float | None, *, faint: bool = False) -> Cell:
    if predicted is None or not measured:
        return Cell(text=ABSENT)
    share = predicted / measured - 1
    size = percent(share).removesuffix(" %")
    text = f"{share:+.0%}".removesuffix("%").replace("-", "−")
    return Cell(text="0" if size in ("0", "under 1") else text, faint=faint)
