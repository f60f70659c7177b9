"""What the answers of each load came to: useful or not, check by check, against the same items alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from servemark.domain.exchange import Check
from servemark.domain.quality import CheckRate, Interval, LevelQuality
from servemark.quality.answer_table import AnswerTable, PairedLoss, paired_loss, share_interval
from servemark.stats.multiplicity import holm_mcnemar
from servemark.stats.percentiles import ratio_interval

Asked = Check | Literal["useful"]
Floats = NDArray[np.float64]


def questions(table: AnswerTable) -> dict[Asked, Floats]:
    """By question, `useful` first: units by loads, 1 where the answer is bad."""
    return {"useful": table.spoilt, **table.defects}


def paired_losses(table: AnswerTable, alpha: float) -> dict[tuple[Asked, int], PairedLoss]:
    """Every question at every load above the lowest."""
    return {
        (asked, column): paired_loss(table, values, column, alpha)
        for asked, values in questions(table).items()
        for column in range(1, len(table.loads))
    }


def adjusted(losses: Mapping[tuple[Asked, int], PairedLoss]) -> dict[tuple[Asked, int], float]:
    """One-sided exact McNemar, adjusted by Holm over checks and loads together."""
    found = holm_mcnemar(
        [each.broke for each in losses.values()], [each.healed for each in losses.values()]
    )
    return dict(zip(losses, found.tolist(), strict=True))


def level_qualities(
    table: AnswerTable,
    losses: Mapping[tuple[Asked, int], PairedLoss],
    p_values: Mapping[tuple[Asked, int], float],
    floors: Mapping[Asked, float],
) -> tuple[LevelQuality, ...]:
    """One per load of the table, in the order of the levels it was made of."""
    found = [_level_quality(table, column, losses, p_values, floors) for column in range(len(table.loads))]
    ordered: list[LevelQuality] = [found[0]] * len(found)
    for place, each in zip(table.positions, found, strict=True):
        ordered[place] = each
    return tuple(ordered)


def _level_quality(
    table: AnswerTable,
    column: int,
    losses: Mapping[tuple[Asked, int], PairedLoss],
    p_values: Mapping[tuple[Asked, int], float],
    floors: Mapping[Asked, float],
) -> LevelQuality:
    failed, spoilt = table.failed[:, column], table.spoilt[:, column]
    asked, complete = int((~np.isnan(failed)).sum()), int((failed == 0).sum())
    judged = int((~np.isnan(spoilt)).sum())
    useful = int((spoilt == 0).sum())
    reached = np.where(np.isnan(failed) | ((failed == 0) & np.isnan(spoilt)), np.nan, spoilt == 0)
    loss = losses.get(("useful", column))
    return LevelQuality(
        asked=asked,
        complete=complete,
        useful=useful,
        accuracy_ratio=useful / judged if judged else None,
        accuracy_interval=share_interval(table, 1 - spoilt, ratio_interval(useful, judged)),
        useful_ratio=_mean(reached) if judged else None,
        useful_interval=_share(table, reached) if judged else None,
        changed_ratio=_changed(table, column),
        loss_ratio=loss.difference if loss else None,
        loss_interval=loss.interval if loss else None,
        loss_bound_ratio=loss.bound if loss else None,
        rates=tuple(
            _check_rate(table, asked, values[:, column], losses.get((asked, column)), p_values.get((asked, column)),
                        floors.get(asked))
            for asked, values in questions(table).items()
        ),
    )  # fmt: skip


def _check_rate(
    table: AnswerTable,
    asked: Asked,
    values: Floats,
    loss: PairedLoss | None,
    p_value: float | None,
    floor: float | None,
) -> CheckRate:
    return CheckRate(
        check=asked,
        n=int((~np.isnan(values)).sum()),
        failed=int((values == 1).sum()),
        ratio=_mean(values),
        interval=_share(table, values),
        pairs=loss.pairs if loss else 0,
        broke=loss.broke if loss else 0,
        healed=loss.healed if loss else 0,
        difference=loss.difference if loss else None,
        difference_interval=loss.interval if loss else None,
        p_value=p_value,
        floor_ratio=floor,
    )


def _share(table: AnswerTable, values: Floats) -> Interval | None:
    hits, n = int((values == 1).sum()), int((~np.isnan(values)).sum())
    return share_interval(table, values, ratio_interval(hits, n))


def _mean(values: Floats) -> float | None:
    seen = values[~np.isnan(values)]
    return float(seen.mean()) if len(seen) else None


def _changed(table: AnswerTable, column: int) -> float | None:
    """Share of complete answers whose text is not that of the same unit at the lowest load."""
    return changed_share(table.rows[0], table.rows[column]) if column else None


def changed_share(before: Sequence, after: Sequence) -> float | None:
    """Share of texts that differ, among the units complete in both."""
    pairs = [
        (one.text, other.text)
        for one, other in zip(before, after, strict=True)
        if one and other and one.outcome == other.outcome == "complete"
    ]
    return sum(one != other for one, other in pairs) / len(pairs) if pairs else None
