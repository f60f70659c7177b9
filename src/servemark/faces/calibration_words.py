"""A calibration in words: the sentence, load points before and after, what became of the coefficients."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec
from rich.console import Console

from servemark.domain.calibration import Calibration, CalibrationPoint
from servemark.domain.coefficients import Fitted
from servemark.domain.metrics import METRICS
from servemark.domain.workload import load_label
from servemark.faces.presenter import Presenter
from servemark.reports.labels import percent, value_label
from servemark.reports.method import COEFFICIENTS, fitted_label
from servemark.reports.page import ABSENT, Cell, Column, Table
from servemark.reports.terminal import print_table

PROMISE_BROKEN = 3
NOTEWORTHY = 0.05


def calibration_document(calibration: Calibration) -> dict[str, Any]:
    """The file itself."""
    return msgspec.to_builtins(calibration)


def calibration_exit_code(calibration: Calibration, require: str | None = None) -> int:
    """3 where validation loads were measured and are predicted no better; a noisy machine decides nothing."""
    validated = any(each.role == "validation" for each in calibration.points)
    return PROMISE_BROKEN if validated and calibration.outcome == "not improved" else 0


def print_calibration(calibration: Calibration, console: Console) -> None:
    """Sentence, tables, notes."""
    console.print(sentence(calibration), soft_wrap=True)
    for table in (
        point_table(calibration.points),
        error_table(calibration),
        coefficient_table(calibration),
    ):
        if table.rows:
            console.print()
            print_table(table, console)
    for note in calibration.notes:
        console.print(f"note: {note}", soft_wrap=True)
    console.print(f"kept as {calibration.id}; next: {next_step(calibration)}", soft_wrap=True)


def next_step(calibration: Calibration) -> str:
    """The prediction that uses it: `last` where it was numbered, else its own file."""
    reference = "last" if re.match(r"\d{4,}-", calibration.id) else "FILE"
    model = "" if calibration.deployment else "MODEL "
    return f"servemark predict {model}--calibration {reference}"


def sentence(calibration: Calibration) -> str:
    """`Improved: ... 39 % -> 5 % on loads that the fit has not seen`, or why nothing can be said."""
    own = calibration.coefficients[0]
    what = f"{calibration.device.name}, {' and '.join(each.dtype for each in calibration.coefficients)}, {own.engine}"
    if calibration.method == "kernels":
        return f"Calibrated to the kernels of {what}."
    error = [each for each in calibration.errors if each.metric == "all"][-1]
    after = error.after_ratio if error.role == "validation" else error.held_out_ratio
    if after is None or calibration.outcome is None:
        return f"Calibrated: {what}. Too few loads to leave one out: how well others are predicted is not known."
    loads = "validation loads" if error.role == "validation" else "loads left out in turn"
    change = f"{percent(error.before_ratio)} before, {percent(after)} after"
    said = f"{calibration.outcome.capitalize()}: {what}. Mean error on {loads}: {change}."
    if calibration.noise_ratio is not None:
        said += f" The same load measured twice differs by {percent(calibration.noise_ratio)}."
    return said


def point_table(points: Sequence[CalibrationPoint]) -> Table:
    """One row per load and metric; what was measured twice is averaged."""
    groups: dict[tuple[str, ...], list[CalibrationPoint]] = {}
    several = len({each.model for each in points}) > 1
    for each in points:
        load = f"{load_label(each.load)}, {each.model}" if several else load_label(each.load)
        lengths = f"{each.input_tokens:,.0f} + {each.output_tokens:,.0f}"
        groups.setdefault((load, lengths, each.role, each.metric), []).append(each)
    rows: list[tuple[Cell, ...]] = []
    for (load, lengths, role, metric), found in groups.items():
        measured = sum(each.measured for each in found) / len(found)
        values = (found[0].before, found[0].after, found[0].held_out)
        texts = (load, lengths, role, METRICS[metric].label, value_label(metric, measured))
        rows.append(
            (
                *(Cell(text=text) for text in texts),
                *(_predicted(metric, value, measured) for value in values),
            )
        )
    words = ("load", "tokens", "role", "metric")
    predictions = (Column(label=name, group="predicted") for name in ("before", "after", "unseen"))
    return Table(
        title="Load points",
        columns=(
            *(Column(label=name, numeric=False) for name in words),
            Column(label="measured"),
            *predictions,
        ),
        rows=tuple(rows),
        notes=("unseen: predicted by a fit that left this load out.",),
    )


def error_table(calibration: Calibration) -> Table:
    """Mean absolute relative errors."""
    heads = [Column(label=name, numeric=False) for name in ("points", "metric")]
    heads += [Column(label=name) for name in ("values", "before", "after", "unseen")]
    rows = tuple(
        (
            Cell(text=each.role),
            Cell(text="all" if each.metric == "all" else METRICS[each.metric].label),
            Cell(text=str(each.points)),
            Cell(text=percent(each.before_ratio)),
            Cell(text=percent(each.after_ratio)),
            Cell(text=ABSENT if each.held_out_ratio is None else percent(each.held_out_ratio)),
        )
        for each in calibration.errors
    )
    return Table(title="Mean absolute error", columns=tuple(heads), rows=rows)


def coefficient_table(calibration: Calibration) -> Table:
    """What moved by `NOTEWORTHY` or more, before and after, with standard errors."""
    heads = [Column(label="", numeric=False)]
    for own in calibration.coefficients:
        heads += [Column(label=name, group=own.dtype) for name in ("before", "after")]
    pairs = tuple(zip(calibration.prior, calibration.coefficients, strict=True))
    rows = tuple(
        (
            Cell(text=words),
            *(Cell(text=fitted_label(name, getattr(each, name))) for pair in pairs for each in pair),
        )
        for name, words in COEFFICIENTS
        if any(_moved(getattr(before, name), getattr(after, name)) for before, after in pairs)
    )
    still = f"{len(COEFFICIENTS) - len(rows)} others moved by less than {percent(NOTEWORTHY)}."
    return Table(
        title="Coefficients, with their standard error", columns=tuple(heads), rows=rows, notes=(still,)
    )


def _moved(before: Fitted, after: Fitted) -> bool:
    """Whether value or error changed by a noteworthy share."""
    pairs = ((before.value, after.value), (before.relative_error, after.relative_error))
    return any(abs(now - was) > NOTEWORTHY * was for was, now in pairs)


def _predicted(metric: str, value: float | None, measured: float) -> Cell:
    if value is None:
        return Cell(text=ABSENT)
    return Cell(text=f"{value_label(metric, value)}  {value / measured - 1:+.0%}".replace("%", " %"))


PRESENTERS = {"calibrate": Presenter(calibration_document, print_calibration, calibration_exit_code)}
