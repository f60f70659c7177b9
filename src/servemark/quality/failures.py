"""H0 of the failures: the share of requests that do not complete does not rise with load."""

from __future__ import annotations

import numpy as np

from servemark.domain.quality import FamilyVerdict, FamilyWord, Interval
from servemark.quality.answer_table import AnswerTable, PairedLoss, paired_loss, share_interval
from servemark.quality.needs import items_to_decide, percent, points, span
from servemark.stats.percentiles import ratio_interval
from servemark.stats.trends import block_trend_p, cochran_armitage

TEST = "Cochran-Armitage trend, loads permuted inside blocks"


def failure_verdict(
    table: AnswerTable, *, margin_ratio: float, alpha: float, promised_ratio: float | None = None
) -> FamilyVerdict:
    """Harmed where the trend is beyond chance and either a rise above the margin is not ruled out, or a
    promised share is exceeded by its whole interval.
    """
    losses = [paired_loss(table, table.failed, column, alpha) for column in range(1, len(table.loads))]
    seen = ~np.isnan(table.failed)
    failed, asked = np.nansum(table.failed, axis=0), seen.sum(axis=0)
    z, _ = cochran_armitage(failed, asked, table.scores)
    p_value = block_trend_p(table.failed, table.blocks, table.scores, table.seed)
    worst = max(range(len(losses)), key=lambda i: losses[i].difference or 0.0)
    loss, column = losses[worst], worst + 1
    broken = promised_ratio is not None and any(
        (interval := _share(table, at)) is not None and interval[0] > promised_ratio
        for at in range(1, len(table.loads))
    )
    word = _word(losses, loss, p_value, margin_ratio, alpha, broken=broken)
    before, after = (float(failed[i] / asked[i]) if asked[i] else 0.0 for i in (0, column))
    return FamilyVerdict(
        family="failures",
        word=word,
        sentence=_sentence(table, word, loss, column, before, after, p_value, margin_ratio),
        test=TEST,
        statistic=z,
        p_value=p_value,
        effect=None if loss.difference is None else 100 * loss.difference,
        effect_unit="points",
        effect_interval=loss.interval and (100 * loss.interval[0], 100 * loss.interval[1]),
        worst_load=table.loads[column],
        margin=100 * margin_ratio,
        items_needed=items_to_decide(loss, margin_ratio, alpha) if word == "inconclusive" else None,
        would_change=_would_change(table, word, margin_ratio),
    )


def _word(
    losses: list[PairedLoss],
    worst: PairedLoss,
    p_value: float,
    margin_ratio: float,
    alpha: float,
    *,
    broken: bool,
) -> FamilyWord:
    within = all(each.bound is not None and each.bound <= margin_ratio for each in losses)
    rises = p_value <= alpha and (worst.difference or 0.0) > 0
    if rises and (broken or not within):
        return "harmed"
    return "not harmed" if within else "inconclusive"


def _share(table: AnswerTable, column: int) -> Interval | None:
    """Interval of the share of failures at a load."""
    failed = table.failed[:, column]
    return share_interval(
        table, failed, ratio_interval(int(np.nansum(failed)), int((~np.isnan(failed)).sum()))
    )


def _sentence(
    table: AnswerTable,
    word: FamilyWord,
    loss: PairedLoss,
    column: int,
    before: float,
    after: float,
    p_value: float,
    margin_ratio: float,
) -> str:
    where, alone = table.label(column), table.alone
    if not loss.pairs:
        return f"No request was sent both {alone} and at a higher load."
    seen = f"{percent(after)} of the requests fail at {where}, {percent(before)} {alone}"
    rise = f"{points(loss.difference or 0.0)} more (95 % interval {span(loss.interval)})"
    if word == "harmed":
        return f"{seen}: {rise}, and the rise over the loads is beyond chance (p = {p_value:.2g})."
    if word == "not harmed" and not (loss.broke or loss.healed):
        return (
            f"{percent(before)} of the requests fail {alone}, and not one more or fewer at any load: a rise "
            f"above {points(margin_ratio)} is ruled out."
        )
    if word == "not harmed":
        return f"At worst {seen}: {rise}. A rise above {points(margin_ratio)} is ruled out."
    if p_value <= 0.05:
        return f"{seen}: {rise}. They rise over the loads, but by how much cannot be said."
    return f"{seen}: {rise}. Neither a rise nor its absence can be shown (p = {p_value:.2g} of the trend)."


def _would_change(table: AnswerTable, word: FamilyWord, margin_ratio: float) -> str:
    if word == "harmed":
        return (
            "Failures as frequent at the lowest load, in a repetition with the order of loads drawn anew."
        )
    if word == "not harmed":
        return f"A rise by more than {points(margin_ratio)} at one of these loads, or at a higher one."
    return f"More items, or more than {table.block_count} block{'s' * (table.block_count != 1)}."
