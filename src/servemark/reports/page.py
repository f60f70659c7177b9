"""What a report holds, before anything decides how it looks.

Every renderer draws the same records. Text here is plain: each renderer escapes for itself.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from servemark.domain.capacity import VerdictWord
from servemark.domain.record import Record
from servemark.domain.run import Run

MARKS: Final[dict[VerdictWord, str]] = {"holds": "✓", "breaks": "✗", "undecided": "?"}
ABSENT: Final = "–"
"""Stands in a cell where there is no number."""


class Series(Record, frozen=True, kw_only=True):
    """How one run is told apart, on every chart and before every sentence."""

    label: str
    """Short and unique in the report: `predicted`, `measured`, `measured, H100 SXM`."""
    subject: str
    """What the run is about; runs of one subject share a panel."""
    name: str
    """The subject in short: only what tells it from the others."""
    colour: str
    filled: bool
    """Measured marks are filled, predicted ones hollow."""
    shape: Literal["circle", "diamond"]
    glyph: str
    """The same mark as one character."""


class Cell(Record, frozen=True, kw_only=True):
    """One cell: its text, and what it means."""

    text: str
    detail: str = ""
    """Second line, smaller."""
    faint: bool = False
    """Greyed: a percentile that has no interval at this many requests, a figure nobody verified."""
    mark: VerdictWord | None = None
    colour: str = ""
    """The run's colour, where the text begins with its glyph."""


class Column(Record, frozen=True, kw_only=True):
    """One column. Columns next to each other with the same `group` share a heading."""

    label: str
    group: str = ""
    unit: str = ""
    numeric: bool = True
    essential: bool = True
    """Shown where room is short, too (the terminal)."""
    colour: str = ""
    """As in `Cell`."""


class Table(Record, frozen=True, kw_only=True):
    """Rows of cells under columns; the first column heads its row."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    colour: str = ""
    """As in `Cell`, for the title."""


class Chart(Record, frozen=True, kw_only=True):
    """One chart: a Vega-Lite v6 specification with its data inline."""

    key: str
    title: str
    caption: str
    """What the marks mean."""
    text: str
    """What the chart shows, in words and numbers, where it cannot be drawn."""
    spec: dict[str, Any]


class Answer(Record, frozen=True, kw_only=True):
    """The answer of one run in one sentence."""

    series: Series
    sentence: str
    notes: tuple[str, ...] = ()


class Seen(Record, frozen=True, kw_only=True):
    """One row of evidence, with the requests that show it."""

    text: str
    source: str
    links: tuple[tuple[str, str], ...] = ()
    """Label and anchor of each `Case`."""


class Pair(Record, frozen=True, kw_only=True):
    """One item answered alone and under load."""

    title: str
    alone: str
    under_load: str


class Cause(Record, frozen=True, kw_only=True):
    """One finding, as it is shown."""

    claim: str
    confidence: str
    evidence: tuple[Seen, ...]
    refuted_by: str
    next_step: str
    consequence: str = ""
    pairs: tuple[Pair, ...] = ()


class Case(Record, frozen=True, kw_only=True):
    """One request that the evidence points at."""

    anchor: str
    title: str
    facts: str
    asked: str = ""
    answer: str = ""
    defects: tuple[str, ...] = ()


class Section(Record, frozen=True, kw_only=True):
    """A part of the page: a heading, then text, charts, tables, causes and the requests behind them."""

    key: Literal[
        "verdicts", "quality", "findings", "throughput", "latency", "failures", "differences", "elasticity",
        "levels", "method",
    ]  # fmt: skip
    title: str
    text: str = ""
    charts: tuple[Chart, ...] = ()
    tables: tuple[Table, ...] = ()
    causes: tuple[Cause, ...] = ()
    cases: tuple[Case, ...] = ()


class Report(Record, frozen=True, kw_only=True):
    """A composed report. The same runs always give the same report."""

    title: str
    subtitle: str
    answers: tuple[Answer, ...]
    sections: tuple[Section, ...]
    runs: tuple[Run, ...]
    """The runs behind it, cleared of secrets."""

    def section(self, key: str) -> Section | None:
        """The section of that key, where the report has one."""
        return next((each for each in self.sections if each.key == key), None)
