"""Published memory of training runs, and how far the formulas are from it."""

from __future__ import annotations

from typing import Literal

from servemark.domain.record import Record
from servemark.domain.training import Estimate, Layout, Recipe


class TrainingPoint(Record, frozen=True, kw_only=True):
    """One published figure with the settings that it was measured at."""

    model: str
    """Key of the catalogue."""
    recipe: Recipe
    layout: Layout
    sequence_tokens: int | None
    measured_bytes: float
    scope: Literal["one", "sum", "each"]
    """Of a single GPU; the sum over several; each of several."""
    counted: Literal["device", "allocator"]
    """What the figure counts: everything on the board, or what the framework allocated."""
    unused: str = ""
    """Why it is not scored; empty = it is."""
    note: str = ""
    source: str
    date: str
    licence: str


class TrainingPrediction(Record, frozen=True, kw_only=True):
    """One point beside what the formulas say."""

    point: TrainingPoint
    predicted_bytes: Estimate

    @property
    def error_ratio(self) -> float:
        """Predicted over measured, less one."""
        return self.predicted_bytes.value / self.point.measured_bytes - 1

    @property
    def inside(self) -> bool:
        """Whether the interval holds the figure, which is rounded to about half a percent."""
        measured = self.point.measured_bytes
        return self.predicted_bytes.low * 0.995 <= measured <= self.predicted_bytes.high * 1.005


class TrainingScore(Record, frozen=True, kw_only=True):
    """Errors over a group of points."""

    group: str
    points: int
    median_error_ratio: float
    mean_error_ratio: float
    bias_ratio: float
    worst_error_ratio: float
    inside_ratio: float
    """Share of the points inside the interval."""
