"""H0 of the failures: the share of requests that do not complete does not rise with load."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from servemark.domain.quality import FamilyVerdict, FamilyWord, Interval
from servemark.quality.answer_table import AnswerTable, PairedLoss, paired_loss, share_interval
from servemark.quality.needs import items_to_decide, p_words, percent, points, ruled_out, span
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
    exceeded = [
        at
        for at in range(1, len(table.loads))
        if promised_ratio is not None
        and (interval := _share(table, at)) is not None
        and interval[0] > promised_ratio
    ]
    word = _word(losses, loss, p_value, margin_ratio, alpha, broken=bool(exceeded))
    before, after = (float(failed[i] / asked[i]) if asked[i] else 0.0 for i in (0, column))
    return FamilyVerdict(
        family="failures",
        word=word,
        sentence=_sentence(
            _Found(table, word, losses, column, before, after, p_value, margin_ratio, alpha),
            None if column not in exceeded else promised_ratio,
        ),
        test=TEST,
        statistic=z,
        p_value=p_value,
        effect=None if loss.difference is None else 100 * loss.difference,
        effect_unit="points",
        effect_interval=loss.interval and (100 * loss.interval[0], 100 * loss.interval[1]),
        worst_load=table.loads[column],
        margin=100 * margin_ratio,
        items_needed=None
        if word != "inconclusive" or (_apart(loss) and p_value > alpha)
        else items_to_decide(loss, margin_ratio, alpha),
        would_change=_would_change(table, word, loss, margin_ratio),
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


@dataclass(frozen=True)
class _Found:
    table: AnswerTable
    word: FamilyWord
    losses: list[PairedLoss]
    column: int
    before: float
    after: float
    p_value: float
    margin_ratio: float
    alpha: float

    @property
    def ruled_out(self) -> str:
        bound = max((each.bound for each in self.losses if each.bound is not None), default=0.0)
        return ruled_out("rise", bound, self.alpha, self.margin_ratio)


def _sentence(found: _Found, promised_ratio: float | None) -> str:
    table, loss = found.table, found.losses[found.column - 1]
    if not loss.pairs:
        return f"No request was sent both {table.alone} and at a higher load."
    change = loss.difference or 0.0
    seen = (
        f"{percent(found.after)} of the requests fail at {table.label(found.column)}, {percent(found.before)} "
        f"{table.alone}: {points(abs(change))} {'more' if change >= 0 else 'fewer'} (95 % interval of the rise "
        f"{span(loss.interval)})"
    )
    p_value, margin = p_words(found.p_value), points(found.margin_ratio)
    if found.word == "harmed":
        limit = "" if promised_ratio is None else f" More than the promised {percent(promised_ratio)} fail."
        if promised_ratio is None and change <= found.margin_ratio:
            limit = f" A rise above the margin of {margin} is not ruled out."
        return f"{seen}; over all loads the rise is beyond chance ({p_value}).{limit}"
    if found.word == "not harmed" and not any(each.broke or each.healed for each in found.losses):
        return (
            f"{percent(found.before)} of the requests fail {table.alone}, and not one more or fewer at any load; "
            f"{found.ruled_out}."
        )
    if found.word == "not harmed":
        return f"At worst {seen}; {found.ruled_out}."
    if found.p_value <= found.alpha:
        return f"{seen}. They rise over the loads ({p_value}), but by how much cannot be said."
    if _apart(loss):
        return f"{seen}. The blocks show no rise over all loads, though ({p_value} of the trend)."
    return f"{seen}. Neither a rise nor its absence can be shown ({p_value} of the trend)."


def _apart(loss: PairedLoss) -> bool:
    """The load differs by its interval: it is blocks that are missing, not items."""
    return loss.interval is not None and loss.interval[0] > 0


def _would_change(table: AnswerTable, word: FamilyWord, loss: PairedLoss, margin_ratio: float) -> str:
    if word == "harmed":
        return (
            "Failures as frequent at the lowest load, in a repetition with the order of loads drawn anew."
        )
    if word == "not harmed":
        return f"A rise by more than {points(margin_ratio)} at one of these loads, or at a higher one."
    blocks = f"more than {table.block_count} block{'s' * (table.block_count != 1)}"
    return f"{blocks.capitalize()}." if _apart(loss) else f"More items, or {blocks}."
