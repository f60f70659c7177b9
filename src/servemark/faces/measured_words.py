"""What `measure` answers with: a run, or with `--power` how many items a question needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from servemark.domain.run import Run
from servemark.errors import InputError
from servemark.faces.presenter import Presenter
from servemark.faces.run_presenters import RUN
from servemark.quality.power import PowerRow, PowerTable
from servemark.units import format_ratio


def power_document(table: PowerTable) -> dict[str, Any]:
    """`servemark.power/1`."""
    return {"schema": "servemark.power/1", **msgspec.to_builtins(table)}


def print_power(table: PowerTable, console: Console) -> None:
    """The table, and what it rests on."""
    console.print(Text(_heading(table), style="bold"))
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    grid.add_column("question")
    grid.add_column("items needed", justify="right")
    correlations = sorted({key for row in table.rows for key in row.items_by_correlation})
    for correlation in correlations:
        grid.add_column(f"at correlation {correlation}", justify="right")
    if table.items is not None:
        grid.add_column(f"with {table.items}", justify="right")
    grid.add_column("test")
    for row in table.rows:
        known = [_count(row.items_by_correlation.get(key)) for key in correlations]
        chance = [_with_items(row)] if table.items is not None else []
        grid.add_row(row.question, _count(row.items), *known, *chance, row.test)
    console.print(grid)
    for note in table.notes:
        console.print(Text(f"note: {note}"), soft_wrap=True)


def _heading(table: PowerTable) -> str:
    return (
        f"Items a question needs: power {format_ratio(table.power_ratio)}, alpha {format_ratio(table.alpha)}, "
        f"margin {format_ratio(table.margin_ratio)}, {table.blocks} blocks, {table.in_flight} in flight"
    )


def _count(items: int | None) -> str:
    return "-" if items is None else f"{items:,}"


def _with_items(row: PowerRow) -> str:
    parts = [f"power {format_ratio(row.power_ratio)}"] if row.power_ratio is not None else []
    parts += [format_ratio(row.bound_ratio)] if row.bound_ratio is not None else []
    return ", ".join(parts) or "-"


def _document(result: Run | PowerTable) -> dict[str, Any]:
    return RUN.document(result) if isinstance(result, Run) else power_document(result)


def _show(result: Run | PowerTable, console: Console) -> None:
    if isinstance(result, Run):
        RUN.show(result, console)
    else:
        print_power(result, console)


def _exit_code(result: Run | PowerTable, require: str | None) -> int:
    return RUN.exit_code(result, require) if isinstance(result, Run) else 0


def _write(result: Run | PowerTable, path: Path) -> None:
    if not isinstance(result, Run) or RUN.write is None:
        raise InputError("-o", expected="a measurement to write a page of", found="--power")
    RUN.write(result, path)


PRESENTERS = {"measure": Presenter(_document, _show, _exit_code, RUN.check_output, _write)}
