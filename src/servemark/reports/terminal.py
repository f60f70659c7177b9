"""A report on a terminal: the sentence, the verdict strip, one table."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from servemark.domain.capacity import VerdictWord
from servemark.reports.page import MARKS, Cause, Cell, Column, Report, Table

_STYLES: dict[VerdictWord, str] = {"holds": "green", "breaks": "bold red", "undecided": "yellow"}
GUTTER = 3
"""Characters between two columns."""
WRAPPED = 20
"""Text longer than this may wrap."""


def render_terminal(report: Report, console: Console) -> None:
    """Prints the short form of a report; where there is no colour, nothing is lost."""
    for answer in report.answers:
        lead = Text(f"{answer.series.glyph} {answer.series.label}: ", style="bold")
        console.print(lead + Text(answer.sentence))
        for note in answer.notes:
            console.print(Text(f"  {note}", style="dim"))
    for key in ("verdicts", "findings", "quality", "elasticity", "levels"):
        section = report.section(key)
        if section is not None and section.causes:
            console.print()
            print_causes(section.causes, console)
        for table in section.tables if section else ():
            console.print()
            print_table(table, console)


def print_causes(causes: Sequence[Cause], console: Console) -> None:
    """Findings, numbered: claim, consequence, evidence and next step; `explain` says more."""
    for n, cause in enumerate(causes, 1):
        head = Text(f"{n}. {cause.claim}", style="bold")
        console.print(head + Text(f"  ({cause.confidence})", style="not bold dim"))
        if cause.consequence:
            console.print(Text(f"   {cause.consequence}"))
        for seen in cause.evidence:
            shown = ", ".join(label for label, _ in seen.links)
            console.print(Text(f"   - {seen.text}") + Text(f" [{shown}]" if shown else "", style="dim"))
        console.print(Text(f"   next: {cause.next_step}"))


def print_table(table: Table, console: Console) -> None:
    """One table, its essential columns only; what is too wide continues in a next one."""
    if table.title:
        console.print(Text(table.title, style="bold"))
    for n, shown in enumerate(_breadths(table, console.width) if table.rows else ()):
        if n:
            console.print()
        drawn = RichTable(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1))
        for i in shown:
            column = table.columns[i]
            drawn.add_column(
                Text(_head(column), style="dim"),
                justify="right" if column.numeric else "left",
                no_wrap=column.numeric or _room(table, i, console.width) == _length(table, i),
                overflow="fold",
            )
        for row in table.rows:
            drawn.add_row(*(_cell(row[i]) for i in shown))
        console.print(drawn)
    for note in table.notes:
        console.print(Text(note, style="dim"))


def _breadths(table: Table, width: int) -> list[list[int]]:
    """Columns that fit side by side, the first repeated."""
    shown = [i for i, column in enumerate(table.columns) if column.essential]
    room = {i: _room(table, i, width) + GUTTER for i in shown}
    groups: list[list[int]] = [[shown[0]]]
    for i in shown[1:]:
        if len(groups[-1]) > 1 and sum(room[k] for k in groups[-1]) + room[i] > width + GUTTER:
            groups.append([shown[0]])
        groups[-1].append(i)
    return groups


def _room(table: Table, i: int, width: int) -> int:
    """The least a column needs: a number all of it; long text wraps, the first column as late as it can."""
    length = _length(table, i)
    return length if table.columns[i].numeric else min(length, width // 2 if i == 0 else WRAPPED)


def _length(table: Table, i: int) -> int:
    return max(cell_len(line) for line in _lines(table, i))


def _lines(table: Table, i: int) -> list[str]:
    cells = [_cell(row[i]).plain for row in table.rows]
    return [line for text in (_head(table.columns[i]), *cells) for line in text.split("\n")]


def _head(column: Column) -> str:
    """Group above label above unit."""
    return "\n".join(line for line in (column.group, column.label, column.unit) if line)


def _cell(cell: Cell) -> Text:
    if cell.mark is None:
        text = Text(cell.text, style="dim" if cell.faint else "")
    else:
        text = Text(f"{MARKS[cell.mark]} {cell.text}", style=_STYLES[cell.mark])
    if cell.detail:
        text.append(f"\n{cell.detail}", style="dim")
    return text
