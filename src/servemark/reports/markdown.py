"""A report as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from servemark.reports.page import MARKS, Cause, Cell, Column, Report, Section, Table

_SPECIAL = str.maketrans({c: f"\\{c}" for c in r"\`*_[]<>|#~$"})


def render_markdown(report: Report) -> str:
    """The report as GitHub-flavoured Markdown; a chart becomes what it says in words."""
    lines = [f"# {_text(report.title)}", "", _text(report.subtitle), ""]
    for answer in report.answers:
        series = answer.series
        lines += [f"**{series.glyph} {_text(series.label)}:** {_text(answer.sentence)}", ""]
        lines += [line for note in answer.notes for line in (_text(note), "")]
    for section in report.sections:
        lines += _section(section)
    return "\n".join(lines).rstrip() + "\n"


def markdown_table(table: Table) -> str:
    """One table; a group's name and the unit stand in every head."""
    lines = [f"**{_text(table.title)}**", ""] if table.title else []
    lines.append(_line([_head(column) for column in table.columns]))
    lines.append(_line(["---:" if column.numeric else ":---" for column in table.columns]))
    lines += [_line([_cell(cell) for cell in row]) for row in table.rows]
    for note in table.notes:
        lines += ["", _text(note)]
    return "\n".join(lines)


def _section(section: Section) -> list[str]:
    lines = [f"## {_text(section.title)}", ""]
    if section.text:
        lines += [_text(section.text), ""]
    for n, cause in enumerate(section.causes, 1):
        lines += [*cause_lines(n, cause), ""]
    for chart in section.charts:
        lines += [f"**{_text(chart.title)}.** {_text(chart.text)} {_text(chart.caption)}".rstrip(), ""]
    for table in section.tables:
        lines += [markdown_table(table), ""]
    return lines


def cause_lines(number: int, cause: Cause) -> list[str]:
    """One finding as a numbered item, its evidence below it."""
    lines = [f"{number}. **{_text(cause.claim)}** ({cause.confidence})"]
    lines += [f"   {_text(cause.consequence)}"] if cause.consequence else []
    lines += [f"   - {_text(each.text)} ({each.source})" for each in cause.evidence]
    lines += [
        f"   - Next: {_text(cause.next_step)}",
        f"   - What would refute it: {_text(cause.refuted_by)}",
    ]
    for pair in cause.pairs:
        lines.append(f"   - {_text(pair.title)}")
        lines += [
            f"     > alone: {_text(pair.alone)}",
            "     >",
            f"     > under load: {_text(pair.under_load)}",
        ]
    return lines


def _head(column: Column) -> str:
    words = [word for word in (column.group, column.label) if word]
    return _text(" ".join(words)) + (f" ({_text(column.unit)})" if column.unit else "")


def _cell(cell: Cell) -> str:
    mark = f"{MARKS[cell.mark]} " if cell.mark else ""
    # lines below each other elsewhere
    lines = "; ".join(cell.detail.splitlines())
    detail = f" ({_text(lines)})" if lines else ""
    text = f"*{_text(cell.text)}*" if cell.faint and not cell.mark else _text(cell.text)
    return f"{mark}{text}{detail}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _text(text: str) -> str:
    """One line of text in which nothing is markup."""
    return " ".join(text.split()).translate(_SPECIAL)
