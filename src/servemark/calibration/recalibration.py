"""The closed loop as one figure: a few points of each measured curve recalibrate, the others are predicted.

A curve is one setting (source, GPU, model, engine and version, lengths, parallelism) under rising load.
Of its loads the lowest, the highest and those most evenly between (in the logarithm) recalibrate, with all
that was measured at them; what was measured at the other loads is predicted.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from servemark.calibration.ambiguity import curve_key
from servemark.calibration.predictions import Case, scored_rows
from servemark.calibration.updating import refitted
from servemark.domain.coefficients import Coefficients
from servemark.domain.score import ScoredRow, Unpredicted


class Recalibration(NamedTuple):
    """Predictions for the rows that recalibrated nothing."""

    after: list[ScoredRow | Unpredicted]
    before: list[ScoredRow | Unpredicted]
    """The same rows with the coefficients as they were."""
    notes: tuple[str, ...]


def recalibrated(
    cases: Sequence[Case],
    coefficients: Sequence[Coefficients],
    *,
    points: int,
    say: Callable[[str], None],
) -> Recalibration:
    """Each curve predicted by coefficients refitted from `points` of its loads."""
    curves = curves_of(cases)
    rest: list[Case] = []
    old: list[Coefficients] = []
    new: list[Coefficients] = []
    short: list[Unpredicted] = []
    used = fitting = 0
    for number, members in enumerate(curves, 1):
        chosen = chosen_loads([load_of(cases[i]) for i in members], points)
        if not chosen:
            reason = f"its curve has no load beyond the {points} that recalibrate"
            short += [Unpredicted(row=cases[i].row, reason=reason) for i in members]
            continue
        say(f"recalibrating: curve {number} of {len(curves)}")
        inside = [cases[i].observation for i in members if load_of(cases[i]) in chosen]
        others = [i for i in members if load_of(cases[i]) not in chosen]
        update = refitted(coefficients[members[0]], inside)
        rest += [cases[i] for i in others]
        old += [coefficients[i] for i in others]
        new += [update] * len(others)
        used, fitting = used + 1, fitting + len(inside)
    notes = (
        f"{used} curves of {len(curves)}: {fitting} rows at {points} loads of each recalibrate, {len(rest)} are "
        "predicted; the rows of shorter curves are listed as not predicted",
    )
    return Recalibration([*scored_rows(rest, new), *short], scored_rows(rest, old), notes)


def curves_of(cases: Sequence[Case]) -> list[list[int]]:
    """Indices of the rows of each curve."""
    curves: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for i, case in enumerate(cases):
        curves[*curve_key(case.row), case.observation.kind].append(i)
    return list(curves.values())


def load_of(case: Case) -> float:
    """The load of a row: users, batch, requests per second; infinite where saturated."""
    found = case.observation
    return math.inf if found.kind == "max" else found.rate_per_s or found.sequences


def chosen_loads(loads: Sequence[float], points: int) -> set[float]:
    """The loads that recalibrate; none where the curve has no others."""
    rising = sorted(set(loads))
    if len(rising) <= points:
        return set()
    if points == 1:
        return {rising[len(rising) // 2]}
    return {rising[round(k * (len(rising) - 1) / (points - 1))] for k in range(points)}
