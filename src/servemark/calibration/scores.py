"""Predictions beside measurements -> errors by group."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import numpy as np

from servemark.calibration.settings import engine_version
from servemark.domain.score import (
    ErrorTable,
    MeasuredRow,
    Protocol,
    Regime,
    Score,
    ScoredRow,
    Unpredicted,
    regime_of,
)

GROUPINGS: Final = ("gpu", "engine", "model", "metric", "dtype", "version", "source")
"""What errors can be grouped by. They are by metric and regime always: errors of different metrics do not mix."""


def error_table(
    protocol: Protocol, results: Sequence[ScoredRow | Unpredicted], by: Sequence[str]
) -> ErrorTable:
    """Errors by group, and overall by metric and regime."""
    return ErrorTable(protocol=protocol, groups=scores(results, by), overall=scores(results, ()))


def scores(results: Sequence[ScoredRow | Unpredicted], by: Sequence[str]) -> tuple[Score, ...]:
    """One score per metric, regime and value of `by`, in that order.

    A TTFT row without a prediction has no predicted utilisation below 0.8 and so counts as saturated.
    """
    groups: dict[tuple[str, ...], list[ScoredRow | Unpredicted]] = defaultdict(list)
    for result in results:
        row = result.row
        regime = result.regime if isinstance(result, ScoredRow) else regime_of(row, None)
        groups[row["metric"], regime or "", *(label(row, name) for name in by if name != "metric")].append(
            result
        )
    names = [name for name in by if name != "metric"]
    return tuple(_score(key, names, groups[key]) for key in sorted(groups))


def label(row: MeasuredRow, name: str) -> str:
    """What a row belongs to, as written in the table."""
    match name:
        case "dtype":
            return row["weight_dtype"]
        case "version":
            return engine_version(row.cells) or ""
        case _:
            return row[name]


def _score(key: tuple[str, ...], names: Sequence[str], results: Sequence[ScoredRow | Unpredicted]) -> Score:
    metric, regime, *values = key
    scored = [each for each in results if isinstance(each, ScoredRow)]
    score = Score(
        metric=metric,
        regime=_REGIMES.get(regime),
        group=dict(zip(names, values, strict=True)),
        n=len(scored),
        n_unpredicted=len(results) - len(scored),
    )
    if not scored:
        return score
    errors = np.array([each.error_ratio for each in scored])
    covered = [each.covered for each in scored if each.covered is not None]
    return Score(
        metric=score.metric,
        regime=score.regime,
        group=score.group,
        n=score.n,
        n_unpredicted=score.n_unpredicted,
        mape_ratio=float(abs(errors).mean()),
        median_ape_ratio=float(np.median(abs(errors))),
        bias_ratio=float(errors.mean()),
        worst_ratio=float(abs(errors).max()),
        coverage80_ratio=sum(covered) / len(covered) if covered else None,
    )


_REGIMES: dict[str, Regime] = {"below_saturation": "below_saturation", "saturated": "saturated"}
