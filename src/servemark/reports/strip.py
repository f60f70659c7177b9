"""The verdict strip: every SLO at every load, as marks along the load axis."""

from __future__ import annotations

from collections.abc import Sequence

from servemark.domain.capacity import SloVerdict
from servemark.domain.run import Run
from servemark.domain.workload import Load, Slo, load_label, load_value
from servemark.reports.labels import (
    and_list,
    band_label,
    level_at,
    load_axis,
    loads_label,
    margin_label,
    metric_label,
    reason_label,
    slo_label,
    value_label,
)
from servemark.reports.page import ABSENT, Cell, Column, Section, Series, Table

LOADS_PER_TABLE = 10
"""More loads than these continue in the next table, so that a printed page is wide enough."""

CROSSING = (
    "A range below a predicted value is its 80 % band where that crosses the limit: "
    "the mark is the likelier side."
)


def verdict_section(runs: Sequence[Run], series: Sequence[Series]) -> Section | None:
    """One row per run and SLO, one mark per load; None where no run has an SLO."""
    pairs = [(run, each) for run, each in zip(runs, series, strict=True) if run.slos and run.levels]
    axes = list(dict.fromkeys(load_axis(run.levels[0].load) for run, _ in pairs))
    tables: list[Table] = []
    for axis in axes:
        alike = [(run, each) for run, each in pairs if load_axis(run.levels[0].load) == axis]
        loads = {load_value(lv.load): lv.load for run, _ in alike for lv in run.levels}
        ordered = [loads[value] for value in sorted(loads)]
        for start in range(0, len(ordered), LOADS_PER_TABLE):
            tables.append(_strip_table(alike, ordered[start : start + LOADS_PER_TABLE]))
    if not tables:
        return None
    return Section(key="verdicts", title="Promises at each load", tables=tuple(tables))


def _strip_table(pairs: Sequence[tuple[Run, Series]], loads: Sequence[Load]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    notes: list[str] = []
    for run, each in pairs:
        for i, slo in enumerate(run.slos):
            name = each.label if len(pairs) > 1 and i == 0 else ""
            head = Cell(text=f"{each.glyph} {slo_label(slo)}", detail=name, colour=each.colour)
            rows.append((head, *(_strip_cell(run, slo, load) for load in loads)))
        whose = f"{each.label}, " if len(pairs) > 1 else ""
        notes += [whose + note for note in _reasons(run, loads)]
    if any(_is_open(run, slo, load) for run, _ in pairs for slo in run.slos for load in loads):
        notes.append(CROSSING)
    columns = [Column(label=load_label(load)) for load in loads]
    head = Column(label="promise", numeric=False)
    return Table(title="", columns=(head, *columns), rows=tuple(rows), notes=tuple(notes))


def _reasons(run: Run, loads: Sequence[Load]) -> list[str]:
    """Why promises stay undecided; loads and promises with the same reason share a line."""
    by_reason: dict[tuple[tuple[str, ...], str], list[Load]] = {}
    for load in loads:
        promises: dict[str, list[str]] = {}
        for slo in run.slos:
            verdict = slo_verdict(run, slo, load)
            if verdict is not None and (reason := reason_label(verdict)):
                promises.setdefault(reason, []).append(metric_label(slo))
        for reason, names in promises.items():
            named = tuple(names) if len(promises) > 1 else ()
            by_reason.setdefault((named, reason), []).append(load)
    return [
        f"{', '.join(filter(None, (loads_label(some), and_list(names) if names else '')))}: {reason}."
        for (names, reason), some in by_reason.items()
    ]


def _is_open(run: Run, slo: Slo, load: Load) -> bool:
    verdict = slo_verdict(run, slo, load)
    return verdict is not None and verdict.is_within_error


def slo_verdict(run: Run, slo: Slo, load: Load) -> SloVerdict | None:
    """The verdict on one SLO at one load, where that load was tried."""
    level = level_at(run, load)
    found = level.verdict.slos if level is not None and level.verdict is not None else ()
    return next((each for each in found if each.slo == slo), None)


def _strip_cell(run: Run, slo: Slo, load: Load) -> Cell:
    verdict = slo_verdict(run, slo, load)
    if verdict is None:
        return Cell(text=ABSENT, faint=True)
    detail = margin_label(slo.metric, verdict.margin)
    if verdict.band is not None and verdict.is_within_error:
        detail = band_label(slo.metric, verdict.band, between="–")
    return Cell(
        text=value_label(slo.metric, verdict.value),
        detail=detail,
        mark=verdict.verdict,
        faint=verdict.verdict == "undecided",
    )
