"""Repeats within a measured table: which contradict each other, and how much honest repeats differ.

The key of a row is everything but its value and how the engine's version was written: two rows of one key
claim to have measured the same. Where they lie more than 5 % apart something that is no column differed
(the expert-parallel degree, a speculative draft), and neither can be trusted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Final

import numpy as np

from servemark.calibration.rows import COLUMNS
from servemark.calibration.settings import engine_version
from servemark.domain.score import AMBIGUOUS_FROM, Contradiction, MeasuredRow, NoiseFloor

_CURVE: Final = tuple(
    c for c in COLUMNS if c not in ("source_version", "concurrency_or_batch", "metric", "unit", "value")
)
COPY_WITHIN = 1e-4
"""Values nearer than this are one measurement listed twice, not a repeat."""


def curve_key(row: MeasuredRow) -> tuple[str, ...]:
    """What was measured on: every column but version as written, load, metric, unit and value."""
    return (engine_version(row.cells) or "", *(row[c].casefold() for c in _CURVE))


def setting_key(row: MeasuredRow) -> tuple[str, ...]:
    """The same at one load."""
    return (*curve_key(row), row["concurrency_or_batch"].casefold())


def contradictions(rows: Iterable[MeasuredRow]) -> tuple[Contradiction, ...]:
    """Groups of rows of one key whose values lie more than 5 % apart, in order of the file."""
    groups: dict[tuple[str, ...], list[MeasuredRow]] = defaultdict(list)
    for row in rows:
        groups[*setting_key(row), row["metric"], row["unit"]].append(row)
    found: list[Contradiction] = []
    for group in groups.values():
        values = [row.value for row in group]
        spread = max(values) / min(values) - 1
        if spread > AMBIGUOUS_FROM + COPY_WITHIN:
            found.append(Contradiction(rows=tuple(group), spread_ratio=spread))
    return tuple(found)


def noise_floor(rows: Iterable[MeasuredRow]) -> tuple[NoiseFloor, ...]:
    """How far repeats differ, by metric: |a - b| / mean over all pairs of one setting.

    Only settings whose speed agrees within 5 % are repeats: where it does not, something that is no
    column differed. Speed is TPOT where the setting has it, else the metric itself. Copies are left out.
    """
    settings: dict[tuple[str, ...], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        settings[setting_key(row)][row["metric"]].append(row.value)
    differences: dict[str, list[float]] = defaultdict(list)
    for metrics in settings.values():
        for metric, values in metrics.items():
            if _agree(_speed(metrics, metric)):
                differences[metric] += _differences(values)
    return tuple(_floor(metric, found) for metric, found in sorted(differences.items()) if found)


def _speed(metrics: Mapping[str, Sequence[float]], metric: str) -> Sequence[float]:
    return next((v for name, v in metrics.items() if name.startswith("tpot")), metrics[metric])


def _agree(values: Sequence[float]) -> bool:
    return max(values) / min(values) - 1 <= AMBIGUOUS_FROM


def _differences(values: Sequence[float]) -> list[float]:
    pairs = (abs(a - b) / ((a + b) / 2) for a, b in combinations(values, 2))
    return [each for each in pairs if each > COPY_WITHIN]


def _floor(metric: str, differences: Sequence[float]) -> NoiseFloor:
    p50, p90 = np.quantile(differences, (0.5, 0.9))
    return NoiseFloor(metric=metric, pairs=len(differences), p50_ratio=float(p50), p90_ratio=float(p90))
