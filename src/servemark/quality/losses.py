"""H0 of the quality: answers that were useful at the lowest load stay useful under load."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from servemark.domain.quality import FamilyVerdict, FamilyWord
from servemark.quality.answer_table import AnswerTable, PairedLoss
from servemark.quality.needs import items_to_decide, points, ruled_out, span
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
    noise: float | None,
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
        and loss.difference > max(margin_ratio, noise or 0.0)
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
        sentence=_sentence(
            _Found(table, word, asked, column, losses, margin_ratio, noise, alpha), p_values
        ),
        test=TEST,
        p_value=max(p_values[asked, column], trend_p[asked]),
        effect=None if loss.difference is None else 100 * loss.difference,
        effect_unit="points",
        effect_interval=loss.interval and (100 * loss.interval[0], 100 * loss.interval[1]),
        worst_load=table.loads[column],
        margin=100 * margin_ratio,
        items_needed=items_to_decide(loss, margin_ratio, alpha) if word == "inconclusive" else None,
        would_change=_would_change(
            _Found(table, word, asked, column, losses, margin_ratio, noise, alpha), trend_p["useful"]
        ),
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


@dataclass(frozen=True)
class _Found:
    table: AnswerTable
    word: FamilyWord
    asked: Asked
    column: int
    losses: Losses
    margin_ratio: float
    noise: float | None
    alpha: float

    @property
    def loss(self) -> PairedLoss:
        return self.losses[self.asked, self.column]

    @property
    def useful(self) -> list[PairedLoss]:
        return [self.losses["useful", column] for column in range(1, len(self.table.loads))]

    @property
    def thin(self) -> tuple[int, int] | None:
        """The highest load at which too few items have a judged answer, and how many have."""
        fewest = FEW_PAIRS * len(self.table.blocks)
        few = [(at, each.pairs) for at, each in enumerate(self.useful, 1) if each.pairs < fewest]
        return few[-1] if few else None

    @property
    def within_noise(self) -> bool:
        difference = self.loss.difference
        return (
            difference is not None
            and self.noise is not None
            and self.margin_ratio < difference <= self.noise
        )


def _sentence(found: _Found, p_values: Mapping[tuple[Asked, int], float]) -> str:
    table, loss, margin = found.table, found.loss, points(found.margin_ratio)
    where, alone = table.label(found.column), table.alone
    alone += "," * ("," in alone)
    if not loss.pairs:
        return f"No item has a judged, complete answer both {alone} and at {where}: nothing can be said of quality."
    what = "lost a useful answer"
    if found.asked != "useful":
        what = f"failed the check for {found.asked.replace('_', ' ')}"
    counted = (
        f"Of {loss.pairs} item{'s' * (loss.pairs != 1)} complete both {alone} and at {where}, {loss.broke} {what} "
        f"under load and {loss.healed} did the reverse"
    )
    change = loss.difference or 0.0
    net = f"a net loss of {points(change)} (95 % interval {span(loss.interval)})"
    if change < 0:
        net = f"a net gain of {points(-change)} (95 % interval of the loss {span(loss.interval)})"
    if found.word == "harmed":
        noise = "; no load was repeated to tell how far two equal runs differ"
        if found.noise is not None:
            noise = f" and above the {points(found.noise)} by which two runs of one load differ"
        return f"{counted}: {net}, above the margin of {margin}{noise}."
    if found.word == "not harmed":
        bound = max((each.bound for each in found.useful if each.bound is not None), default=0.0)
        ruled = ruled_out("loss", bound, found.alpha, found.margin_ratio)
        if not any(each.broke or each.healed for each in found.useful):
            fewest = min(each.pairs for each in found.useful)
            return f"Not one of {fewest} items lost or gained a useful answer at any load; {ruled}."
        return f"{counted}, the worst of all loads: {net}; {ruled}."
    if found.thin:
        at, pairs = found.thin
        return (
            f"{counted}: {net}. At {table.label(at)} only {pairs} of {len(table.blocks)} items completed at both "
            "loads; they do not speak for the rest."
        )
    if found.within_noise:
        return f"{counted}: {net}. Two runs of one load differ by as much ({points(found.noise or 0.0)})."
    if loss.difference is not None and loss.difference > found.margin_ratio:
        why = "not beyond chance"
        if p_values[found.asked, found.column] <= found.alpha:
            why = "its blocks do not agree on a rise with load"
        return f"{counted}: {net}. That is above the margin of {margin}, but {why}."
    return f"{counted}: {net}. A loss above the margin of {margin} is neither shown nor ruled out."


def _would_change(found: _Found, trend_p: float) -> str:
    table, loss, margin = found.table, found.loss, points(found.margin_ratio)
    if found.word == "harmed":
        return "The same loss between two runs at the lowest load, or its absence in a repetition."
    if found.word == "not harmed":
        return f"A net loss of more than {margin} on other items, or at a higher load."
    if found.thin:
        judged = (~np.isnan(table.spoilt)).sum(axis=0)
        where = table.label(min(0, found.thin[0], key=lambda at: int(judged[at])))
        return f"Answers to most items at {where}: more items that fail there decide nothing."
    if found.within_noise:
        return "A second run of the highest load that agrees with the first, and the loss still there."
    if loss.pairs and loss.p_value <= found.alpha < trend_p:
        return (
            f"The loss falls into too few of the {table.block_count} blocks to be told from one bad moment: more "
            "blocks, not only more items."
        )
    return "More items, as many as the verdict says."
