"""H0 of the latency: it stays within its promise, or within twice what it is at the lowest load."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from servemark.domain.metrics import METRICS, QUANTILES
from servemark.domain.quality import FamilyVerdict, FamilyWord, Interval
from servemark.domain.workload import Slo
from servemark.quality.answer_table import AnswerTable
from servemark.quality.needs import MOST_ITEMS, p_words
from servemark.stats.percentiles import mean_interval, quantile_interval
from servemark.stats.resampling import bootstrap_interval, quantile_replicates
from servemark.stats.summary import request_samples
from servemark.stats.trends import block_trend_p, growth_per_doubling, jonckheere_terpstra, page
from servemark.stats.verdicts import requests_needed
from servemark.units import format_seconds

FACTOR = 2.0
"""Without a promise: harmed is more than this many times the lowest load at p95."""
PAIRED_SHARE = 0.5
"""Share of the items that must be complete at every load for ranks inside items."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Promise:
    """A statistic at one load against its limit."""

    slo: Slo
    column: int
    n: int
    value: float | None
    """In seconds, or (`relative`) as a multiple of the lowest load."""
    interval: Interval | None
    limit: float
    relative: bool
    room: float | None
    """The limit as a multiple of the value at the lowest load."""
    words: str

    @property
    def label(self) -> str:
        """`TTFT p95`."""
        return f"{METRICS[self.slo.metric].label} {self.slo.statistic}"

    @property
    def breaks(self) -> bool:
        return self.interval is not None and self.interval[0] > self.limit

    @property
    def holds(self) -> bool:
        return self.interval is not None and self.interval[1] <= self.limit

    @property
    def strain(self) -> float:
        return math.inf if self.value is None else self.value / self.limit


def latency_verdict(table: AnswerTable, slos: Sequence[Slo], *, alpha: float) -> FamilyVerdict:
    """Harmed where a promise is broken beyond its interval and latency rises with load beyond chance; slower where
    it rises and every promise holds beyond its interval.
    """
    test, statistic, p_value = latency_trend(table)
    growth = growth_per_doubling(table.e2e_s, table.blocks, table.axis)
    promises = _promises(table, slos)
    rises = p_value <= alpha
    broken = [each for each in promises if each.breaks and rises]
    # what decides: the promise that breaks, else the one that is open
    open_yet = [each for each in promises if not each.holds]
    worst = max(broken or open_yet or promises, key=lambda each: each.strain)
    word: FamilyWord = "inconclusive"
    if broken:
        word = "harmed"
    elif all(each.holds for each in promises):
        word = "slower" if rises else "not harmed"
    return FamilyVerdict(
        family="latency",
        word=word,
        sentence=_sentence(table, word, worst, growth, p_value, alpha),
        test=test,
        statistic=statistic,
        p_value=p_value,
        effect=growth[0] if growth else None,
        effect_unit="factor per doubling",
        effect_interval=growth[1] if growth else None,
        worst_load=table.loads[worst.column],
        margin=_margin(table, worst),
        items_needed=_needed(worst)
        if word == "inconclusive" and not (worst.breaks and not rises)
        else None,
        would_change=_would_change(table, word, worst),
    )


def latency_trend(table: AnswerTable) -> tuple[str, float | None, float]:
    """Test, statistic and one-sided p-value of a rise of the end-to-end latency.

    Page's ranks inside items, or, where too few items are complete at every load, ranks inside blocks as in
    Jonckheere-Terpstra; the p-value permutes loads inside blocks.
    """
    whole = ~np.isnan(table.e2e_s).any(axis=1)
    order = np.unique(table.axis, return_inverse=True)[1].astype(np.float64)
    if whole.sum() >= max(2, PAIRED_SHARE * len(table.blocks)):
        times = table.e2e_s[whole]
        ranks = rankdata(times, axis=1)
        statistic = page(times)[0] if times.shape[1] > 2 else None
        p_value = block_trend_p(ranks, table.blocks[whole], order, table.seed)
        return "Page trend over items, loads permuted inside blocks", statistic, p_value
    ranks = np.full_like(table.e2e_s, np.nan)
    for block in range(table.block_count):
        inside = (table.blocks == block)[:, None] & ~np.isnan(table.e2e_s)
        ranks[inside] = rankdata(table.e2e_s[inside])
    cells = np.array([_centred_cells(table, ranks, block) for block in range(table.block_count)])
    columns = [column[~np.isnan(column)] for column in table.e2e_s.T]
    p_value = block_trend_p(cells, np.arange(table.block_count), order, table.seed)
    return (
        "Jonckheere-Terpstra trend, loads permuted inside blocks",
        jonckheere_terpstra(columns)[0],
        p_value,
    )


def _centred_cells(table: AnswerTable, ranks: Floats, block: int) -> Floats:
    """Mean rank of each load in one block; NaN where nothing completed."""
    own = ranks[table.blocks == block]
    counts = (~np.isnan(own)).sum(axis=0)
    return np.where(counts > 0, np.nansum(own, axis=0) / np.maximum(counts, 1), np.nan)


def _promises(table: AnswerTable, slos: Sequence[Slo]) -> list[Promise]:
    """Every latency promise at every load above the lowest; twice the lowest load where there is none.

    A promise broken at the lowest load already cannot show what load does: it too becomes twice the lowest.
    """
    found: list[Promise] = []
    for slo in slos:
        if METRICS[slo.metric].unit == "s":
            lowest = _point(samples(table, slo.metric, 0)[0], slo.statistic)
            already = lowest is not None and lowest > slo.limit
            found += _relative(table, slo) if already else _absolute(table, slo, lowest)
    return found or _relative(table, Slo(metric="e2e_s", statistic="p95", limit=math.inf))


def _absolute(table: AnswerTable, slo: Slo, lowest: float | None) -> list[Promise]:
    found = []
    for column in range(1, len(table.loads)):
        values, blocks = samples(table, slo.metric, column)
        interval = _single(values, slo)
        value = _point(values, slo.statistic)
        # a percentile too high for this many requests has no interval, whatever the bootstrap says
        if interval is not None and value is not None:
            drawn = bootstrap_interval(_replicates(table, values, blocks, slo), len(np.unique(blocks)))
            low, high = drawn or interval
            interval = max(0.0, min(low, interval[0], value)), max(high, interval[1], value)
        found.append(
            Promise(
                slo=slo,
                column=column,
                n=len(values),
                value=value,
                interval=interval,
                limit=slo.limit,
                relative=False,
                room=slo.limit / lowest if lowest else None,
                words=f"the promised {format_seconds(slo.limit)}",
            )
        )
    return found


def _relative(table: AnswerTable, slo: Slo) -> list[Promise]:
    """The statistic of each load as a multiple of that at the lowest load."""
    columns = [samples(table, slo.metric, column) for column in range(len(table.loads))]
    drawn = [_replicates(table, values, blocks, slo) for values, blocks in columns]
    single = [_single(values, slo) for values, _ in columns]
    lowest = _point(columns[0][0], slo.statistic)
    found = []
    for column in range(1, len(table.loads)):
        value = _point(columns[column][0], slo.statistic)
        with np.errstate(invalid="ignore", divide="ignore"):
            interval = bootstrap_interval(drawn[column] / drawn[0], table.block_count)
        if interval is None and (one := single[column]) and (other := single[0]) and other[0] > 0:
            interval = one[0] / other[1], one[1] / other[0]
        ratio = value / lowest if value is not None and lowest else None
        if interval is not None:
            interval = None if ratio is None else (min(interval[0], ratio), max(interval[1], ratio))
        found.append(
            Promise(
                slo=slo,
                column=column,
                n=len(columns[column][0]),
                value=ratio,
                interval=interval,
                limit=FACTOR,
                relative=True,
                room=FACTOR,
                words=f"the {FACTOR:g} times that count as harm",
            )
        )
    return found


def samples(table: AnswerTable, metric: str, column: int) -> tuple[Floats, NDArray[np.intp]]:
    """Values of a latency metric at one load, and the block of each."""
    rows, blocks = table.complete(column)
    if metric == "itl_s":
        gaps = [np.diff(row.chunk_s) for row in rows]
        return np.concatenate([*gaps, np.empty(0)]), np.repeat(blocks, [len(each) for each in gaps])
    if metric == "stall_max_s":
        values = np.array([max(np.diff(row.chunk_s), default=np.nan) for row in rows], dtype=np.float64)
    else:
        values = request_samples(rows)[metric]
    seen = ~np.isnan(values)
    return values[seen], blocks[seen]


def _point(values: Floats, statistic: str) -> float | None:
    if not len(values):
        return None
    return float(values.mean() if statistic == "mean" else np.quantile(values, QUANTILES[statistic]))


def _single(values: Floats, slo: Slo) -> Interval | None:
    """The interval as if requests were independent."""
    if slo.statistic == "mean":
        return mean_interval(values)
    return quantile_interval(np.sort(values), QUANTILES[slo.statistic])


def _replicates(table: AnswerTable, values: Floats, blocks: NDArray[np.intp], slo: Slo) -> Floats:
    """The statistic in every draw of blocks."""
    if slo.statistic != "mean":
        return quantile_replicates(values, blocks, QUANTILES[slo.statistic], table.weights)
    totals = np.bincount(blocks, weights=values, minlength=table.block_count)
    counts = np.bincount(blocks, minlength=table.block_count)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (table.weights @ totals) / (table.weights @ counts)


def _margin(table: AnswerTable, worst: Promise) -> float | None:
    """The growth per doubling that would just reach the limit at the worst load."""
    doublings = float(table.scores[worst.column] - table.scores[0])
    return None if worst.room is None or doublings <= 0 else worst.room ** (1 / doublings)


def _needed(worst: Promise) -> int | None:
    """Items with which the interval of the worst promise would just clear its limit."""
    if worst.value is None:
        return None
    if worst.interval is None:
        return requests_needed(worst.slo.statistic)
    n = max(worst.n, requests_needed(worst.slo.statistic))
    low, high = worst.interval
    reach = high - worst.value if worst.value <= worst.limit else worst.value - low
    distance = abs(worst.value - worst.limit)
    if distance <= 0:
        return MOST_ITEMS
    return min(MOST_ITEMS, max(n + 1, math.ceil(n * (reach / distance) ** 2)))


def _sentence(
    table: AnswerTable,
    word: FamilyWord,
    worst: Promise,
    growth: tuple[float, Interval | None] | None,
    p_value: float,
    alpha: float,
) -> str:
    where, p_value_words = table.label(worst.column), p_words(p_value)
    if worst.value is None:
        if table.complete(worst.column)[0]:
            label = _capital(METRICS[worst.slo.metric].label)
            return f"{label} cannot be told at {where}: no complete request shows it."
        return f"No request completed at {where}: nothing can be said of its latency."
    rise = _rise(growth, p_value if word in ("harmed", "slower") else None)
    limit = f"{worst.label} at {where} is {_figures(table, worst)}"
    if word == "harmed":
        return f"{limit}: beyond {worst.words}.{rise and f' {_capital(rise)}.'}"
    if word == "slower":
        return f"{_capital(rise)}; still, at worst {limit}, within {worst.words}."
    if word == "not harmed":
        seen = f"No rise over the loads is seen ({p_value_words}){rise and f': {rise}'}"
        return f"{seen}. At worst {limit}, within {worst.words}."
    if p_value > alpha and worst.breaks:
        return f"{limit}: beyond {worst.words}, but no rise over the loads is seen ({p_value_words})."
    few = f" ({worst.n} requests, too few for an interval)" if worst.interval is None else ""
    return f"{limit}{few}: whether within {worst.words} cannot be said.{rise and f' {_capital(rise)}.'}"


def _rise(growth: tuple[float, Interval | None] | None, p_value: float | None) -> str:
    """The growth in words; where ranks rise beyond chance and the interval of the mean does not tell, both."""
    if growth is None:
        return ""
    slope, interval = growth
    around = "" if interval is None else f" (95 % interval {interval[0]:.3g} to {interval[1]:.3g})"
    words = f"each doubling of the load multiplies the end-to-end latency by {slope:.3g}{around}"
    if p_value is None or interval is None or not interval[0] <= 1.0 <= interval[1]:
        return words
    return f"item by item, latency rises with load beyond chance ({p_words(p_value)}); on average {words}"


def _figures(table: AnswerTable, worst: Promise) -> str:
    show = (lambda x: f"{x:.3g}") if worst.relative else format_seconds
    unit = ""
    if worst.relative:
        unit = f" times as long as {table.alone}"
    if worst.value is None or worst.interval is None:
        return f"{show(worst.value or 0.0)}{unit}"
    return (
        f"{show(worst.value)}{unit} (95 % interval {show(worst.interval[0])} to {show(worst.interval[1])})"
    )


def _would_change(table: AnswerTable, word: FamilyWord, worst: Promise) -> str:
    if word == "harmed":
        return f"A repetition whose interval lies within {worst.words}, or a looser promise."
    if worst.value is None:
        return f"Complete answers at {table.label(worst.column)}."
    if word == "inconclusive" and worst.breaks:
        return f"More than {table.block_count} block{'s' * (table.block_count != 1)}."
    if word == "inconclusive":
        return "More items, or more blocks where whole blocks differ."
    return f"{worst.label} beyond {worst.words} at one of these loads, or at a higher one."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
