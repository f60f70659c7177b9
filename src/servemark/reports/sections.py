"""Composes a report from runs: what is said, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from servemark.domain.memory import MemoryBudget
from servemark.domain.run import Run
from servemark.errors import InputError
from servemark.reports.answers import answer_of
from servemark.reports.bars import failure_charts, memory_charts
from servemark.reports.charts import interactivity_charts
from servemark.reports.differences import agreements, difference_section
from servemark.reports.elasticity import elasticity_section
from servemark.reports.findings import findings_section
from servemark.reports.latency import latency_charts, percentiles_shown
from servemark.reports.method import method_section
from servemark.reports.page import Report, Section, Series
from servemark.reports.quality import quality_section
from servemark.reports.redaction import without_secrets
from servemark.reports.series import series_of
from servemark.reports.strip import verdict_section
from servemark.reports.tables import level_section


def compose(runs: Sequence[Run], *, title: str | None = None) -> Report:
    """One report of one or more runs; nothing is read from outside them.

    Args:
        runs: predicted and measured alike, in the order they are to be drawn.
        title: of the page; what the runs are about where it is not given.

    Raises:
        InputError: no run was given.
    """
    if not runs:
        raise InputError("runs", expected="at least one run to report on", found="none")
    cleared = tuple(without_secrets(run) for run in runs)
    series = series_of(cleared)
    drawn = list(zip(cleared, series, strict=True))
    sections = (
        verdict_section(cleared, series),
        findings_section(cleared, series),
        quality_section(cleared, series),
        _throughput_section(drawn),
        _latency_section(drawn),
        _failure_section(drawn),
        difference_section(cleared, series),
        elasticity_section(cleared, series),
        level_section(cleared, series),
        method_section(cleared, series),
    )
    return Report(
        title=title or _title(cleared, series),
        subtitle=_subtitle(cleared),
        answers=tuple(answer_of(run, each, agreements(cleared, series, each)) for run, each in drawn),
        sections=tuple(section for section in sections if section is not None),
        runs=cleared,
    )


def _throughput_section(drawn: Sequence[tuple[Run, Series]]) -> Section | None:
    budgets = _budgets(drawn)
    wide = (*interactivity_charts(drawn), *memory_charts(budgets))
    narrow = len(wide) == 3
    found = (
        (*interactivity_charts(drawn, narrow=True), *memory_charts(budgets, narrow=True))
        if narrow
        else wide
    )
    title = "Throughput and memory" if budgets else "Throughput"
    return Section(key="throughput", title=title, charts=found) if found else None


def _latency_section(drawn: Sequence[tuple[Run, Series]]) -> Section | None:
    charts = latency_charts(drawn)
    if not charts:
        return None
    return Section(
        key="latency", title="Latency against load", text=percentiles_shown(drawn, charts), charts=charts
    )


def _budgets(drawn: Sequence[tuple[Run, Series]]) -> list[tuple[str, MemoryBudget]]:
    """One per distinct budget: a simulation and a closed form of one deployment share theirs."""
    found: dict[MemoryBudget, str] = {}
    for run, each in drawn:
        if run.memory is not None:
            found.setdefault(run.memory, each.name)
    return [(name, budget) for budget, name in found.items()]


def _failure_section(drawn: Sequence[tuple[Run, Series]]) -> Section | None:
    """Failures by kind, or the sentence that there were none."""
    played = [(run, each) for run, each in drawn if any(level.requests_sent for level in run.levels)]
    if not played:
        return None
    clean = [
        f"{each.label}: all {sum(level.requests_sent for level in run.levels):,} requests completed."
        for run, each in played
        if all(level.outcomes.get("complete", 0) == level.requests_sent for level in run.levels)
    ]
    return Section(key="failures", title="Failures", text=" ".join(clean), charts=failure_charts(played))


def _title(runs: Sequence[Run], series: Sequence[Series]) -> str:
    """What the runs are about; deployments of one model name it once, an endpoint goes by its model alone."""
    subjects = dict.fromkeys(each.subject for each in series)
    if len(subjects) == 1:
        return next(iter(subjects))
    deployed = {each.subject for run, each in zip(runs, series, strict=True) if run.deployment}
    names = {each.subject: each.name for each in series}
    models = {run.deployment.model.name for run in runs if run.deployment}
    if len(deployed) == len(subjects) and len(models) == 1:
        return f"{next(iter(models))}: {' · '.join(names[each] for each in subjects)}"
    return " · ".join(each if each in deployed else names[each] for each in subjects)


def _subtitle(runs: Sequence[Run]) -> str:
    """`Servemark 0.1.0, 20 November 2026; 1 predicted and 1 measured run`."""
    found = [(sum(run.origin == origin for run in runs), origin) for origin in ("predicted", "measured")]
    counts = [f"{n} {origin}" for n, origin in found if n]
    last = max(runs, key=lambda run: run.provenance.started).provenance
    runs_word = "run" if counts[-1].startswith("1 ") else "runs"
    return f"Servemark {last.servemark}, {_day(last.started)}; {' and '.join(counts)} {runs_word}"


def _day(started: str) -> str:
    try:
        at = datetime.fromisoformat(started)
    except ValueError:
        return started
    return f"{at.day} {at:%B %Y}"
