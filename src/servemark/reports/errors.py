"""How wrong the predictions are, as tables: errors by metric, by group, and the rows in none of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from servemark.domain.score import PROTOCOLS, Accuracy, Contradiction, ErrorTable, Score
from servemark.reports.page import ABSENT, Cell, Column, Table

SHOWN = 12
"""So many reasons or contradictions are shown; the JSON lists all."""
MOST_GROUPS = 60


def error_tables(accuracy: Accuracy) -> tuple[Table, ...]:
    """Everything that the command prints."""
    tables = [_overall(each, accuracy) for each in accuracy.tables]
    tables.append(_groups(accuracy.tables[0]))
    if accuracy.unpredicted:
        tables.append(_unpredicted(accuracy))
    if accuracy.contradictions:
        tables.append(_contradictions(accuracy.contradictions))
    return tuple(table for table in tables if table.rows)


def _overall(table: ErrorTable, accuracy: Accuracy) -> Table:
    noise = {floor.metric: floor.p90_ratio for floor in accuracy.noise}
    notes = (
        *(accuracy.notes if table is accuracy.tables[0] else ()),
        "Bias is the mean signed error. Band: share of the values inside their 80 % band. Noise: how far repeats "
        "of one setting differ, 90th percentile.",
    )
    return Table(
        title=f"Errors on {accuracy.data}: {PROTOCOLS[table.protocol]}",
        columns=(*_columns(()), Column(label="noise", unit="%")),
        rows=tuple((*_row(score), _percent(noise.get(score.metric))) for score in table.overall),
        notes=notes,
    )


def _groups(table: ErrorTable) -> Table:
    names = tuple(table.groups[0].group) if table.groups else ()
    shown = table.groups[:MOST_GROUPS] if names else ()
    more = len(table.groups) - len(shown)
    return Table(
        title=f"By {', '.join(names)}: {PROTOCOLS[table.protocol]}",
        columns=_columns(names),
        rows=tuple(_row(score) for score in shown),
        notes=(f"{more} more groups: --json lists them.",) if names and more else (),
    )


def _columns(names: Sequence[str]) -> tuple[Column, ...]:
    return (
        Column(label="metric", numeric=False),
        *(Column(label=name, numeric=False) for name in names),
        Column(label="rows"),
        Column(label="not predicted"),
        Column(label="MAPE", unit="%"),
        Column(label="median", unit="%"),
        Column(label="bias", unit="%"),
        Column(label="worst", unit="%"),
        Column(label="in band", unit="%"),
    )


def _row(score: Score) -> tuple[Cell, ...]:
    regime = f", {score.regime.replace('_', ' ')}" if score.regime else ""
    bias = score.bias_ratio
    return (
        Cell(text=score.metric + regime),
        *(Cell(text=value or ABSENT) for value in score.group.values()),
        Cell(text=f"{score.n:,}"),
        Cell(text=f"{score.n_unpredicted:,}"),
        _percent(score.mape_ratio),
        _percent(score.median_ape_ratio),
        Cell(text=ABSENT if bias is None else f"{100 * bias:+.1f}"),
        _percent(score.worst_ratio),
        _percent(score.coverage80_ratio),
    )


def _percent(ratio: float | None) -> Cell:
    return Cell(text=ABSENT if ratio is None else f"{100 * ratio:.1f}")


def _unpredicted(accuracy: Accuracy) -> Table:
    reasons = Counter(each.reason for each in accuracy.unpredicted)
    first = {each.reason: each.row.line for each in reversed(accuracy.unpredicted)}
    shown = reasons.most_common(SHOWN)
    more = len(reasons) - len(shown)
    return Table(
        title=f"Not predicted: {len(accuracy.unpredicted):,} rows",
        columns=(
            Column(label="reason", numeric=False),
            Column(label="rows"),
            Column(label="first line"),
        ),
        rows=tuple(
            (Cell(text=reason), Cell(text=f"{n:,}"), Cell(text=str(first[reason]))) for reason, n in shown
        ),
        notes=(f"{more} more reasons: --json lists every row.",) if more else (),
    )


def _contradictions(found: Sequence[Contradiction]) -> Table:
    rows = sum(len(each.rows) for each in found)
    shown = sorted(found, key=lambda each: -each.spread_ratio)[:SHOWN]
    more = len(found) - len(shown)
    return Table(
        title=f"Ambiguous: {rows:,} rows contradict each other, neither fitted nor scored",
        columns=(
            Column(label="setting", numeric=False),
            Column(label="metric", numeric=False),
            Column(label="lines", numeric=False),
            Column(label="values", numeric=False),
            Column(label="apart", unit="%"),
        ),
        rows=tuple(_contradiction(each) for each in shown),
        notes=(f"{more} more settings: --json lists every row.",) if more else (),
    )


def _contradiction(each: Contradiction) -> tuple[Cell, ...]:
    row = each.rows[0]
    setting = (
        f"{row['model']} {row['weight_dtype']} on {row['num_gpus']} x {row['gpu']}, {row['engine']}, "
        f"{row['isl']}/{row['osl']}, load {row['concurrency_or_batch']}"
    )
    return (
        Cell(text=setting),
        Cell(text=row["metric"]),
        Cell(text=", ".join(str(r.line) for r in each.rows)),
        Cell(text=", ".join(f"{r.value:.4g}" for r in each.rows) + f" {row['unit']}"),
        Cell(text=f"{100 * each.spread_ratio:.0f}"),
    )
