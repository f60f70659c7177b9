"""How wrong predictions were: measured rows, what was predicted for them, and the error table.

An error is `predicted / measured - 1`, a fraction; errors and coverage are fractions throughout.
"""

from __future__ import annotations

from typing import Final, Literal

from servemark.domain.record import Record

ACCURACY_SCHEMA = "servemark.accuracy/1"

Regime = Literal["below_saturation", "saturated"]
SATURATED_FROM = 0.8
"""Predicted utilisation from which a row counts as saturated."""
AMBIGUOUS_FROM = 0.05
"""Repeats of one key further apart than this are ambiguous."""


class MeasuredRow(Record, frozen=True, kw_only=True):
    """One row of a measured table; `cells` holds every column as written."""

    line: int
    """Line in the file, the header being line 1."""
    cells: dict[str, str]
    value: float
    """In the row's own unit."""

    def __getitem__(self, column: str) -> str:
        return self.cells[column]


class Contradiction(Record, frozen=True, kw_only=True):
    """Rows of one key whose values lie more than 5 % apart: none of them is fitted or scored."""

    rows: tuple[MeasuredRow, ...]
    spread_ratio: float
    """Largest over smallest value, minus 1."""


class Unpredicted(Record, frozen=True, kw_only=True):
    """A row that cannot be predicted, and why."""

    row: MeasuredRow
    reason: str


class ScoredRow(Record, frozen=True, kw_only=True):
    """A row beside its prediction, in the row's own unit."""

    row: MeasuredRow
    value: float
    """As predicted."""
    band: tuple[float, float] | None = None
    """80 % band."""
    utilization_ratio: float | None = None
    """Predicted, of a TTFT row: see `calibration/saturation.py`."""

    @property
    def error_ratio(self) -> float:
        """Predicted over measured, minus 1."""
        return self.value / self.row.value - 1

    @property
    def covered(self) -> bool | None:
        """Whether the measured value lies inside the band."""
        return None if self.band is None else self.band[0] <= self.row.value <= self.band[1]

    @property
    def regime(self) -> Regime | None:
        """Of a TTFT row; None for other metrics."""
        return regime_of(self.row, self.utilization_ratio)


class Score(Record, frozen=True, kw_only=True):
    """Errors of a group of rows; None where the group has no predicted row."""

    metric: str
    regime: Regime | None = None
    group: dict[str, str] = {}
    """What the rows share besides: `gpu`, `engine`, `model`, ..."""
    n: int
    n_unpredicted: int
    mape_ratio: float | None = None
    """Mean of the absolute errors."""
    median_ape_ratio: float | None = None
    bias_ratio: float | None = None
    """Mean of the signed errors."""
    worst_ratio: float | None = None
    """Largest absolute error."""
    coverage80_ratio: float | None = None
    """Share of the measured values inside their 80 % bands."""


Protocol = Literal[
    "shipped", "in_sample", "unseen_curve", "unseen_model", "unseen_gpu", "unseen_version", "recalibrated"
]  # fmt: skip
PROTOCOLS: Final[dict[str, str]] = {
    "shipped": "the shipped coefficients",
    "in_sample": "fitted on all rows",
    "unseen_curve": "leave a fifth of the curves out",
    "unseen_model": "leave one model out",
    "unseen_gpu": "leave one GPU out",
    "unseen_version": "leave one engine version out",
    "recalibrated": "after a few points of each curve",
}


class ErrorTable(Record, frozen=True, kw_only=True):
    """The errors under one protocol."""

    protocol: Protocol
    groups: tuple[Score, ...]
    overall: tuple[Score, ...]
    """One per metric and regime."""


class NoiseFloor(Record, frozen=True, kw_only=True):
    """How far repeats of one measurement differ: no prediction can be better."""

    metric: str
    pairs: int
    p50_ratio: float
    p90_ratio: float


class Accuracy(Record, frozen=True, kw_only=True):
    """The whole answer: error tables, and the rows that stand in none of them."""

    data: str
    """File name, or `shipped rows`."""
    rows: int
    tables: tuple[ErrorTable, ...]
    """The first is the main one."""
    noise: tuple[NoiseFloor, ...]
    contradictions: tuple[Contradiction, ...]
    unpredicted: tuple[Unpredicted, ...]
    scored: tuple[ScoredRow, ...] = ()
    """Rows behind the first table."""
    notes: tuple[str, ...] = ()


def regime_of(row: MeasuredRow, utilization_ratio: float | None) -> Regime | None:
    """Regime of a TTFT row: saturated unless a utilisation below 0.8 was predicted."""
    if not row["metric"].startswith("ttft"):
        return None
    below = utilization_ratio is not None and utilization_ratio < SATURATED_FROM
    return "below_saturation" if below else "saturated"
