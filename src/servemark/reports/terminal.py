"""A report on a terminal: the sentence, the verdict strip, one table."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from servemark.domain.capacity import VerdictWord
from servemark.reports.page import MARKS, Cell, Column, Report, Table

_STYLES: dict[VerdictWord, str] = {"holds": "green", "breaks": "bold red", "undecided": "yellow"}


def render_terminal(report: Report, console: Console) -> None:
    """Prints the short form of a report; where there is no colour, nothing is lost."""
    for answer in report.answers:
        lead = Text(f"{answer.series.glyph} {answer.series.label}: ", style="bold")
        console.print(lead + Text(answer.sentence))
        for note in answer.notes:
            console.print(Text(f"  {note}", style="dim"))
    for key in ("verdicts", "levels"):
        section = report.section(key)
        for table in section.tables if section else ():
            console.print()
            print_table(table, console)


def print_table(table: Table, console: Console) -> None:
    """One table, its essential columns only."""
    drawn = RichTable(
        box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1), header_style="dim",
        title=Text(table.title, style="bold") if table.title else None, title_justify="left",
    )  # fmt: skip
    shown = [i for i, column in enumerate(table.columns) if column.essential]
    for i in shown:
        column = table.columns[i]
        justify = "right" if column.numeric else "left"
        drawn.add_column(_head(column), justify=justify, no_wrap=column.numeric)
    for row in table.rows:
        drawn.add_row(*(_cell(row[i]) for i in shown))
    console.print(drawn)
    for note in table.notes:
        console.print(Text(note, style="dim"))


def _head(column: Column) -> Text:
    """Group above label above unit."""
    lines = [column.group, column.label, column.unit]
    return Text("\n".join(line for line in lines if line))


def _cell(cell: Cell) -> Text:
    if cell.mark is None:
        text = Text(cell.text, style="dim" if cell.faint else "")
    else:
        text = Text(f"{MARKS[cell.mark]} {cell.text}", style=_STYLES[cell.mark])
    if cell.detail:
        text.append(f"\n{cell.detail}", style="dim")
    return text
