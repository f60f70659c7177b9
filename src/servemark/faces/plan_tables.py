"""The tables of a plan: the alternatives, and why the others lost."""

from __future__ import annotations

from collections.abc import Sequence

from servemark.domain.plans import REASONS, Candidate, Plan, Reason, Rejection
from servemark.domain.workload import Users
from servemark.faces.plan_words import (
    axis_value,
    band_words,
    millions,
    money_words,
    row_words,
    short_words,
)
from servemark.planning.marks import BEYOND_WORDS
from servemark.planning.phrases import fleet_words
from servemark.reports.labels import value_label
from servemark.reports.page import ABSENT, Cell, Column, Table

BEYOND = "°"
"""Behind a band that is wider because nothing of the kind was measured."""
SHOWN = 9
"""Alternatives on a terminal; the file has them all."""
REASON_WORDS: dict[Reason, str] = {
    "unsupported": "cannot run",
    "does_not_fit": "does not fit",
    "slo": "breaks a promise",
    "budget": "beyond the budget",
    "dominated": "holds, but no better in anything",
}


def plan_tables(plan: Plan) -> tuple[Table, ...]:
    """Choice and alternatives; the losers by reason."""
    tables = [losers_table(plan)]
    if plan.choice is not None:
        tables.insert(0, finalists_table(plan, plan.choice))
    return tuple(tables)


def finalists_table(plan: Plan, choice: Candidate) -> Table:
    """The choice and the alternatives that differ most from it, cheapest first within each kind."""
    shown = shown_alternatives(plan)
    unit = "users" if isinstance(plan.requirements.load, Users) else "req/s"
    columns = (
        Column(label="deployment", numeric=False),
        Column(label="a month", unit="$"),
        Column(label="per 1M", group="output", unit="$"),
        Column(label="carries (80 % band)", unit=unit),
        Column(label="TTFT", unit="p95"),
        Column(label="TPOT", unit="p95"),
        Column(label="price", numeric=False),
    )
    rows = tuple(_row(plan, each, chosen=each is choice) for each in (choice, *shown))
    more = len(plan.alternatives) - len(shown)
    unpriced = [each for each in plan.alternatives if each.bill is None]
    notes = source_notes((choice, *shown))
    if any(map(_is_beyond, (choice, *shown))):
        notes.insert(0, f"{BEYOND} {BEYOND_WORDS}: the band is wider for it.")
    if more - len(unpriced) > 0:
        notes.append(
            f"{more - len(unpriced)} more alternatives stand in the file (--json, or -o plan.json)."
        )
    if unpriced:
        names = ", ".join(f"{each.gpus} x {each.deployment.node.gpu.key}" for each in _few(unpriced))
        notes.append(f"Without a price in the catalogue, they hold as well: {names}.")
    return Table(title="The choice and the alternatives", columns=columns, rows=rows, notes=tuple(notes))


def source_notes(candidates: Sequence[Candidate]) -> list[str]:
    """Where each price comes from, each source once."""
    by_source: dict[str, list[str]] = {}
    for each in candidates:
        if each.bill is not None:
            offer = each.bill.offer
            where = f"{offer.provider} {offer.observed}"
            if where not in by_source.setdefault(offer.source, []):
                by_source[offer.source].append(where)
    lines = [f"{', '.join(places)}: {source}" for source, places in by_source.items()]
    return [f"Prices: {'; '.join(lines)}."] if lines else []


def _few(unpriced: Sequence[Candidate]) -> list[Candidate]:
    """The smallest of each GPU, at most six of them."""
    by_gpu: dict[str, Candidate] = {}
    for each in sorted(unpriced, key=lambda each: each.gpus):
        by_gpu.setdefault(each.deployment.node.gpu.key, each)
    return list(by_gpu.values())[:6]


def shown_alternatives(plan: Plan) -> list[Candidate]:
    """The first alternative of each GPU in each precision, priced ones only."""
    seen: set[tuple[str, bool]] = set()
    if plan.choice is not None:
        seen.add((plan.choice.deployment.node.gpu.key, plan.choice.keeps_precision))
    shown: list[Candidate] = []
    for each in plan.alternatives:
        key = (each.deployment.node.gpu.key, each.keeps_precision)
        if each.bill is not None and key not in seen:
            seen.add(key)
            shown.append(each)
    return sorted(shown[:SHOWN], key=lambda each: each.usd_per_month or 0.0)


def losers_table(plan: Plan) -> Table:
    """One row per reason: how many, and which of them came nearest."""
    rows: list[tuple[Cell, ...]] = []
    for reason in REASONS:
        lost = [each for each in plan.rejected if each.reason == reason]
        if lost:
            nearest = min(lost, key=lambda each: _distance(plan, each))
            words = (
                nearest.detail if nearest.fleet else f"{short_words(nearest.deployment)}: {nearest.detail}"
            )
            rows.append(_texts(REASON_WORDS[reason], f"{len(lost):,}", words))
    columns = (
        Column(label="why the others lost", numeric=False),
        Column(label="deployments"),
        Column(label="the nearest of them", numeric=False),
    )
    simulated = sum(each.method == "simulation" for each in (*plan.alternatives, *plan.rejected))
    simulated += plan.choice is not None and plan.choice.method == "simulation"
    looked = f"{plan.candidates_evaluated:,} deployments looked at in {plan.elapsed_s:.1f} s"
    note = f"{looked}, {simulated} of them simulated."
    return Table(title="", columns=columns, rows=tuple(rows), notes=(note,))


def _row(plan: Plan, each: Candidate, *, chosen: bool) -> tuple[Cell, ...]:
    price = each.output_token_usd
    where = ABSENT
    if each.bill is not None:
        offer = each.bill.offer
        where = f"{offer.provider} {offer.observed}"
    return (
        Cell(
            text=fleet_words(each.fleet) if each.fleet else row_words(each.deployment),
            mark="holds" if chosen else None,
        ),
        *_texts(
            money_words(each.usd_per_month).removeprefix("$"),
            ABSENT if price is None else millions(price.point_usd).removeprefix("$"),
            f"{_carried(plan, each)} ({band_words(each, plan.requirements)})" + BEYOND * _is_beyond(each),
            value_label("ttft_s", each.ttft_p95_s),
            value_label("tpot_s", each.tpot_p95_s),
        ),
        Cell(text=where, detail="; ".join(_remarks(each))),
    )


def _carried(plan: Plan, each: Candidate) -> str:
    load = each.capacity.load
    if load is None:
        return ABSENT
    value = axis_value(load, plan.requirements)
    return f"{value:,.0f}" if isinstance(load, Users) else f"{value:.3g}"


def _remarks(each: Candidate) -> Sequence[str]:
    """The marks in short; that the answers may change is seen from the format, what is extrapolated from `BEYOND`."""
    apart = ("answers may change", BEYOND_WORDS)
    words = [mark.split(":")[0] for mark in each.marks if not any(word in mark for word in apart)]
    return [*words, *(["closed form"] if each.method == "closed form" else [])]


def _is_beyond(each: Candidate) -> bool:
    return any(BEYOND_WORDS in mark for mark in each.marks)


def _distance(plan: Plan, rejection: Rejection) -> tuple[bool, bool, bool, float]:
    """What could be the choice comes first: priced, no dearer than the choice, no unasked consumer card; then the
    smallest excess.
    """
    usd, choice = rejection.usd_per_month, plan.choice
    top = choice.usd_per_month if choice is not None else None
    dearer = usd is not None and top is not None and usd > top
    consumer = rejection.deployment.node.gpu.tier == "consumer" and not plan.requirements.consumer
    excess = float("inf") if rejection.excess_ratio is None else rejection.excess_ratio
    return usd is None and rejection.reason != "does_not_fit", consumer, dearer, excess


def _texts(*texts: str) -> tuple[Cell, ...]:
    return tuple(Cell(text=text or ABSENT) for text in texts)
