"""Answers under load: the verdict on H0 by family, each check's rate against alone, and the controls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from servemark.domain.capacity import VerdictWord
from servemark.domain.quality import (
    CheckRate,
    Control,
    FamilyVerdict,
    FamilyWord,
    LevelQuality,
    QualityVerdict,
)
from servemark.domain.run import Level, Run
from servemark.domain.workload import load_label
from servemark.reports.labels import percent
from servemark.reports.outcomes import (
    interval_label,
    judged_levels,
    loss_chart,
    outcome_chart,
    points_label,
)
from servemark.reports.page import ABSENT, Cell, Chart, Column, Section, Series, Table
from servemark.units import format_seconds

FAMILY_MARKS: Final[dict[FamilyWord, VerdictWord]] = {
    "harmed": "breaks", "slower": "holds", "not harmed": "holds", "inconclusive": "undecided",
}  # fmt: skip
FAMILY_WORDS: Final[dict[FamilyWord, str]] = {
    "harmed": "harmed", "slower": "slower, within its limit", "not harmed": "not harmed",
    "inconclusive": "inconclusive",
}  # fmt: skip
CHECK_WORDS: Final = {
    "useful": "any defect above minor",
    "truncated_cap": "cut at max_tokens",
    "truncated_window": "cut at the end of the context",
    "truncated_stream": "stream broke off",
    "cross_talk": "cross-talk",
    "self_contradiction": "self-contradiction",
    "system_prompt_leak": "system-prompt leak",
}
CONTROL_WORDS: Final = {"drift": "first against last block", "noise": "all items twice"}

Judged = list[tuple[Level, LevelQuality]]


def quality_section(runs: Sequence[Run], series: Sequence[Series]) -> Section | None:
    """One set of charts and tables per run with answers to a suite; None without any."""
    charts: list[Chart] = []
    tables: list[Table] = []
    leads: list[str] = []
    for i, (run, each) in enumerate(zip(runs, series, strict=True), 1):
        judged = judged_levels(run)
        if run.quality is None or not judged:
            continue
        leads += [_lead(run.quality, judged), _clean_note(judged)]
        charts.append(outcome_chart(run, each, f"outcomes-{i}"))
        if (loss := loss_chart(run, each, f"loss-{i}")) is not None:
            charts.append(loss)
        tables.append(family_table(run.quality, each))
        tables += check_tables(judged, each, run.quality.alpha)
        if run.quality.controls:
            tables.append(control_table(run.quality.controls, each))
    if not tables:
        return None
    return Section(
        key="quality",
        title="Answers under load",
        text=" ".join(filter(None, dict.fromkeys(leads))),
        charts=tuple(charts),
        tables=tuple(tables),
    )


def _lead(verdict: QualityVerdict, judged: Judged) -> str:
    alone = load_label(judged[0][0].load)
    blocks = f"{verdict.blocks} randomised blocks" if verdict.blocks > 1 else "one block"
    return (
        f"Suite {verdict.suite}: {verdict.items:,} items, the same ones at every load, in {blocks}; temperature 0, "
        f"seed sent. Each is compared with itself at {alone}. H0: more concurrent requests have no harmful effect."
    )


def family_table(verdict: QualityVerdict, series: Series) -> Table:
    """H0 by family: the verdict, its figures, and what would change it."""
    columns = (
        Column(label="H0: load does no harm to", numeric=False),
        Column(label="verdict", numeric=False),
        Column(label="effect", numeric=False),
        Column(label="p", numeric=False),
        Column(label="what was found", numeric=False),
        Column(label="what would change the verdict", numeric=False, essential=False),
    )
    return Table(
        title=f"{series.glyph} {series.label}: the verdict by family",
        columns=columns,
        rows=tuple(_family_row(each) for each in verdict.families),
        notes=(
            f"Tests at {percent(verdict.alpha)}; more than {100 * verdict.margin_ratio:g} points of failures gained "
            "or of useful answers lost count as harm. Effects with 95 % intervals.",
            *_homogeneity(verdict),
            *verdict.notes,
        ),
        colour=series.colour,
    )


def _homogeneity(verdict: QualityVerdict) -> tuple[str, ...]:
    if verdict.homogeneity_p is None:
        return ()
    return (
        f"Cochran's Q, useful answers at all loads together: p {p_words(verdict.homogeneity_p)} (items taken as "
        "independent).",
    )


def p_words(value: float) -> str:
    """Behind a `p`: `= 0.034`, `< 0.001`."""
    label = p_label(value)
    return label if label[0] in "<>" else f"= {label}"


def _family_row(each: FamilyVerdict) -> tuple[Cell, ...]:
    needed = f"{each.items_needed:,} items needed" if each.items_needed else ""
    return (
        Cell(text={"failures": "failure rate", "quality": "answer quality"}.get(each.family, each.family)),
        Cell(text=FAMILY_WORDS[each.word], mark=FAMILY_MARKS[each.word], detail=needed),
        Cell(text=effect_label(each), detail=_effect_interval(each)),
        Cell(text=p_label(each.p_value), detail=each.test),
        Cell(text=each.sentence),
        Cell(text=each.would_change or ABSENT),
    )


def effect_label(verdict: FamilyVerdict) -> str:
    """`+2.5 points per doubling`, `x 1.42 per doubling`."""
    return ABSENT if verdict.effect is None else _effect(verdict, verdict.effect)


def _effect_interval(verdict: FamilyVerdict) -> str:
    if verdict.effect_interval is None:
        return ""
    if verdict.effect_unit.startswith("factor"):
        return f"{verdict.effect_interval[0]:.2f} to {verdict.effect_interval[1]:.2f}"
    low, high = verdict.effect_interval
    return interval_label((low / 100, high / 100))


def _effect(verdict: FamilyVerdict, value: float) -> str:
    unit = verdict.effect_unit
    if unit.startswith("factor"):
        return f"x {value:.2f} {unit.removeprefix('factor').strip()}".rstrip()
    return f"{points_label(value / 100)} {unit.removeprefix('points').strip()}".rstrip()


def p_label(value: float | None) -> str:
    """`0.034`, `< 0.001`, `> 0.99`."""
    if value is None:
        return ABSENT
    if value > 0.99:
        return "> 0.99"
    return "< 0.001" if value < 0.001 else f"{value:.2g}"


def check_tables(judged: Judged, series: Series, alpha: float) -> tuple[Table, ...]:
    """Every check that found something: its rate at each load, and the paired difference to alone."""
    names = list(dict.fromkeys(rate.check for _, quality in judged for rate in quality.rates))
    found = [name for name in names if any(_rate(quality, name).failed for _, quality in judged)]
    lead = f"{series.glyph} {series.label}"
    if not found:
        return ()
    loads = [load_label(level.load) for level, _ in judged]
    head = Column(label="check", numeric=False)
    rates = Table(
        title=f"{lead}: what the checks found, as a share of complete answers",
        columns=(head, *(Column(label=label) for label in loads)),
        rows=tuple(
            (Cell(text=_words(name)), *(_rate_cell(_rate(quality, name)) for _, quality in judged))
            for name in found
        ),
        notes=("Below a rate: its 95 % interval.",),
        colour=series.colour,
    )
    if len(judged) < 2:
        return (rates,)
    differences = Table(
        title=f"{lead}: paired difference to {loads[0]}, in points",
        columns=(head, *(Column(label=label) for label in loads[1:]), Column(label="A/A floor")),
        rows=tuple(
            (
                Cell(text=_words(name)),
                *(_difference_cell(_rate(quality, name), alpha) for _, quality in judged[1:]),
                _floor_cell([_rate(quality, name) for _, quality in judged]),
            )
            for name in found
        ),
        notes=(
            "Below a difference: its 95 % interval, then the items that broke and that healed. "
            "✗: beyond chance after Holm's correction, and by the interval. A/A floor: what two runs of one load "
            "differ by.",
        ),
        colour=series.colour,
    )
    return rates, differences


def _clean_note(judged: Judged) -> str:
    """The checks that found nothing, and in how many answers they looked."""
    answers = sum(quality.complete for _, quality in judged)
    clean: list[str] = []
    for name in dict.fromkeys(rate.check for _, quality in judged for rate in quality.rates):
        rates = [_rate(quality, name) for _, quality in judged]
        # a complete answer did not break off, and `useful` is all checks together
        if name not in ("useful", "truncated_stream") and not any(each.failed for each in rates):
            looked = sum(each.n for each in rates)
            clean.append(
                _words(name) + (f" (in {looked:,} that it applies to)" if looked < answers else "")
            )
    return f"In {answers:,} complete answers no case of: {', '.join(clean)}." if clean else ""


def _words(name: str) -> str:
    return CHECK_WORDS.get(name, name.replace("_", " "))


_NOTHING = CheckRate(check="useful", n=0, failed=0)


def _rate(quality: LevelQuality, name: str) -> CheckRate:
    return next((each for each in quality.rates if each.check == name), _NOTHING)


def _rate_cell(rate: CheckRate) -> Cell:
    if rate.ratio is None:
        return Cell(text=ABSENT, faint=True)
    interval = f"{100 * rate.interval[0]:.1f}–{100 * rate.interval[1]:.1f}" if rate.interval else ""
    return Cell(text=f"{100 * rate.ratio:.1f} %", detail=interval)


def _difference_cell(rate: CheckRate, alpha: float) -> Cell:
    if rate.difference is None:
        return Cell(text=ABSENT, faint=True)
    interval = f"{interval_label(rate.difference_interval)}\n" if rate.difference_interval else ""
    # McNemar takes items as independent, the interval knows of blocks: both have to say so
    apart = rate.difference_interval is None or rate.difference_interval[0] > 0
    harmed = rate.p_value is not None and rate.p_value <= alpha and rate.difference > 0 and apart
    return Cell(
        text=f"{100 * rate.difference:+.1f}",
        detail=f"{interval}{rate.broke} broke, {rate.healed} healed",
        mark="breaks" if harmed else None,
    )


def _floor_cell(rates: Sequence[CheckRate]) -> Cell:
    floors = [each.floor_ratio for each in rates if each.floor_ratio is not None]
    return Cell(text=f"{100 * max(floors):.1f}") if floors else Cell(text=ABSENT, faint=True)


def control_table(controls: Sequence[Control], series: Series) -> Table:
    """A/A: what differs where the load does not."""
    columns = (
        Column(label="load measured twice", numeric=False),
        Column(label="pairs"),
        Column(label="other text"),
        Column(label="broke / healed"),
        Column(label="difference", numeric=False),
        Column(label="p"),
        Column(label="failed", unit="%"),
        Column(label="E2E p50", numeric=False),
    )
    return Table(
        title=f"{series.glyph} {series.label}: controls (A/A)",
        columns=columns,
        rows=tuple(map(_control_row, controls)),
        colour=series.colour,
    )


def _control_row(each: Control) -> tuple[Cell, ...]:
    failures = ABSENT
    if each.failures is not None:
        failures = " → ".join(f"{100 * share:.1f}" for share in each.failures)
    latencies = " → ".join(map(format_seconds, each.e2e_p50_s)) if each.e2e_p50_s else ABSENT
    return (
        Cell(text=load_label(each.load), detail=CONTROL_WORDS[each.kind]),
        Cell(text=f"{each.pairs:,}"),
        Cell(text=f"{each.changed_text:,}"),
        Cell(text=f"{each.broke} / {each.healed}"),
        Cell(
            text=ABSENT if each.difference is None else points_label(each.difference),
            detail=interval_label(each.difference_interval) if each.difference_interval else "",
        ),
        Cell(text=p_label(each.p_value)),
        Cell(text=failures),
        Cell(text=latencies),
    )
