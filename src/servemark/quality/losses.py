"""H0 of the quality: answers that were useful at the lowest load stay useful under load."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from servemark.domain.quality import FamilyVerdict, FamilyWord
from servemark.quality.answer_table import AnswerTable, PairedLoss
from servemark.quality.needs import items_to_decide, points, span
from servemark.quality.rates import Asked, questions
from servemark.stats.pairs import cochran_q
from servemark.stats.trends import block_trend_p

TEST = "exact McNemar against the lowest load with Holm over checks and loads; trend, loads permuted inside blocks"
FEW_PAIRS = 0.5
"""Share of the items below which those that completed at both loads no longer speak for all."""
Losses = Mapping[tuple[Asked, int], PairedLoss]


def quality_verdict(
    table: AnswerTable,
    losses: Losses,
    p_values: Mapping[tuple[Asked, int], float],
    *,
    noise: float,
    margin_ratio: float,
    alpha: float,
) -> FamilyVerdict:
    """Harmed where some check at some load passes four hurdles: McNemar adjusted by Holm, a trend over the
    loads that permuting inside blocks does not explain, a net loss above the margin, and above the A/A noise.
    """
    useful = {column: losses["useful", column] for column in range(1, len(table.loads))}
    trend_p = {
        asked: block_trend_p(values, table.blocks, table.scores, table.seed)
        for asked, values in questions(table).items()
        if asked == "useful" or any(p_values[asked, column] <= alpha for column in useful)
    }
    serious: set[Asked] = {"useful", *losses_above_minor(table)}
    guilty: list[tuple[Asked, int]] = [
        (asked, column)
        for (asked, column), loss in losses.items()
        if asked in serious
        and p_values[asked, column] <= alpha
        and trend_p[asked] <= alpha
        and loss.difference is not None
        and loss.difference > max(margin_ratio, noise)
    ]
    asked: Asked = "useful"
    column = max(useful, key=lambda at: useful[at].difference or 0.0)
    if guilty:
        asked, column = max(guilty, key=lambda at: (at[0] == "useful", losses[at].difference or 0.0))
    loss = losses[asked, column]
    word: FamilyWord = "harmed" if guilty else "inconclusive"
    if not guilty and all(_ruled_out(table, each, margin_ratio) for each in useful.values()):
        word = "not harmed"
    return FamilyVerdict(
        family="quality",
        word=word,
        sentence=_sentence(table, word, asked, column, loss, margin_ratio, noise),
        test=TEST,
        p_value=max(p_values[asked, column], trend_p[asked]),
        effect=None if loss.difference is None else 100 * loss.difference,
        effect_unit="points",
        effect_interval=loss.interval and (100 * loss.interval[0], 100 * loss.interval[1]),
        worst_load=table.loads[column],
        margin=100 * margin_ratio,
        items_needed=items_to_decide(loss, margin_ratio, alpha) if word == "inconclusive" else None,
        would_change=_would_change(table, word, loss, trend_p["useful"], alpha, margin_ratio),
    )


def losses_above_minor(table: AnswerTable) -> set[Asked]:
    """Checks most of whose findings are worse than minor."""
    found: dict[Asked, list[bool]] = {}
    for column in table.rows:
        for row in column:
            for finding in row.judgement.findings if row and row.judgement else ():
                found.setdefault(finding.check, []).append(finding.severity != "minor")
    return {check for check, worse in found.items() if 2 * sum(worse) > len(worse)}


def homogeneity(table: AnswerTable) -> float | None:
    """p-value of Cochran's Q on the items with a judged answer at every load; None below two of them."""
    whole = table.spoilt[~np.isnan(table.spoilt).any(axis=1)]
    return cochran_q(whole)[1] if len(whole) >= 2 and whole.shape[1] > 1 else None


def _ruled_out(table: AnswerTable, loss: PairedLoss, margin_ratio: float) -> bool:
    enough = loss.pairs >= FEW_PAIRS * len(table.blocks)
    return enough and loss.bound is not None and loss.bound <= margin_ratio


def _sentence(
    table: AnswerTable,
    word: FamilyWord,
    asked: Asked,
    column: int,
    loss: PairedLoss,
    margin_ratio: float,
    noise: float,
) -> str:
    where, alone = table.label(column), table.alone
    if not loss.pairs:
        return f"No item has a judged, complete answer both {alone} and at {where}: nothing can be said of quality."
    what = "lost a useful answer" if asked == "useful" else f"failed {asked.replace('_', ' ')}"
    counted = (
        f"Of {loss.pairs} items complete both {alone} and at {where}, {loss.broke} {what} under load and "
        f"{loss.healed} did the reverse"
    )
    net = f"a net loss of {points(loss.difference or 0.0)} (95 % interval {span(loss.interval)})"
    if word == "harmed":
        return (
            f"{counted}: {net}, above the margin of {points(margin_ratio)} and above the {points(noise)} by which "
            "two runs of one load differ."
        )
    if word == "not harmed":
        ruled = f"A loss above {points(margin_ratio)} is ruled out at every load."
        return f"{counted}, the worst of all loads: {net}. {ruled}"
    thin = [
        (at, pairs)
        for at, pairs in enumerate((~np.isnan(table.spoilt - table.spoilt[:, :1])).sum(axis=0))
        if at and pairs < FEW_PAIRS * len(table.blocks)
    ]
    if thin:
        at, pairs = thin[-1]
        return (
            f"{counted}: {net}. At {table.label(at)} only {pairs} of {len(table.blocks)} items completed at both "
            "loads; they do not speak for the rest."
        )
    if loss.difference is not None and loss.difference > margin_ratio:
        return (
            f"{counted}: {net}. That is above the margin of {points(margin_ratio)}, but not beyond chance."
        )
    return f"{counted}: {net}. A loss above the margin of {points(margin_ratio)} is neither shown nor ruled out."


def _would_change(
    table: AnswerTable,
    word: FamilyWord,
    loss: PairedLoss,
    trend_p: float,
    alpha: float,
    margin_ratio: float,
) -> str:
    if word == "harmed":
        return "The same loss between two runs at the lowest load, or its absence in a repetition."
    if word == "not harmed":
        return f"A net loss of more than {points(margin_ratio)} on other items, or at a higher load."
    if loss.pairs and loss.p_value <= alpha < trend_p:
        return (
            f"The loss falls into too few of the {table.block_count} blocks to be told from one bad moment: more "
            "blocks, not only more items."
        )
    return "More items: see items needed."
