"""The guide as tables on the terminal, and as JSON."""

from __future__ import annotations

from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text

from servemark.domain.guidance import Guide, GuideSection, Heading, Style, Value
from servemark.domain.training import Estimate
from servemark.faces.presenter import Presenter
from servemark.reports.page import ABSENT, Cell, Column, Table
from servemark.reports.terminal import print_table


def print_guide(guide: Guide, console: Console) -> None:
    """The sentence, then each section: its finding, its table, its formula and what it leaves out."""
    console.print(Text(guide.sentence, style="bold"))
    for section in guide.sections:
        console.print()
        if section.brief:
            console.print(Text(_title(section), style="bold"))
        else:
            print_table(section_table(section), console)
    brief = [topic for topic in guide.question.topics if topic in guide.question.brief]
    if brief:
        console.print(Text(f"The numbers: servemark guide --for {','.join(brief)}", style="dim"))
    for note in guide.notes:
        console.print(Text(note, style="dim"))


def section_table(section: GuideSection) -> Table:
    """One section as a table with its finding as title."""
    shown = [i for i, each in enumerate(section.headings) if not each.appended]
    columns = tuple(_column(section.headings[i]) for i in shown)
    rows = tuple(tuple(_joined(section, row, i) for i in shown) for row in section.rows)
    notes = [f"{section.formula}." if section.formula else ""]
    if section.sources:
        notes.append(f"sources: {'; '.join(section.sources)}.")
    if section.not_modelled:
        notes.append(f"not modelled: {section.not_modelled}.")
    return Table(title=_title(section), columns=columns, rows=rows, notes=tuple(filter(None, notes)))


def _title(section: GuideSection) -> str:
    return f"{section.title[0].upper()}{section.title[1:]}. {section.finding}"


def _column(heading: Heading) -> Column:
    return Column(label=heading.label, unit=heading.unit, numeric=heading.style != "text")


def _joined(section: GuideSection, row: tuple[Value, ...], i: int) -> Cell:
    """The cell with what is appended to it."""
    parts = [_words(row[i], section.headings[i])]
    for k in range(i + 1, len(row)):
        heading, value = section.headings[k], row[k]
        if not heading.appended:
            break
        # a bare yes or no says no more than the figure, or the dash, before it
        if value is not None and value not in ("yes", "no"):
            label = heading.label if section.headings[i].style == "text" else ""
            words = f"{_words(value, heading)} {label}".strip()
            parts.append(words.removesuffix("s") if value == 1 else words)
    return Cell(text=", ".join(parts))


def _words(value: Value, heading: Heading) -> str:
    match value:
        case None:
            return ABSENT
        case str():
            return value
        case Estimate(low=low, value=usual, high=high):
            return f"{_figure(usual, heading.style)} ({_figure(low, heading.style)}-{_figure(high, heading.style)})"
        case _:
            return _figure(float(value), heading.style)


def _figure(value: float, style: Style) -> str:
    match style:
        case "percent":
            return f"{value:.0%}" if value >= 0.1 else f"{value:.1%}"
        case "count":
            return f"{value:,.0f}"
        case "usd":
            return f"{value:,.2f}"
        case _:
            return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def guide_document(guide: Guide) -> dict[str, Any]:
    """`servemark.guide/1`."""
    question = guide.question
    return {
        "schema": "servemark.guide/1",
        "sentence": guide.sentence,
        "budget_usd_per_month": question.budget_usd_per_month,
        "model": None if question.model is None else question.model.key,
        "topics": list(question.topics),
        "shares": [
            {
                "gpu": share.gpu.key,
                "gpus": share.gpus,
                "month_ratio": share.hours_ratio,
                "usd_per_gpu_hour": share.usd_per_gpu_hour,
                "offer": msgspec.to_builtins(share.offer),
            }
            for share in guide.shares
        ],
        "sections": [_section_document(section) for section in guide.sections],
        "notes": list(guide.notes),
    }


def _section_document(section: GuideSection) -> dict[str, Any]:
    keys = [heading.key for heading in section.headings]
    return {
        "key": section.key,
        "title": section.title,
        "finding": section.finding,
        "columns": [msgspec.to_builtins(heading) for heading in section.headings],
        "rows": [
            {key: msgspec.to_builtins(value) for key, value in zip(keys, row, strict=True)}
            for row in section.rows
        ],
        "formula": section.formula,
        "sources": list(section.sources),
        "not_modelled": section.not_modelled,
    }


PRESENTERS = {"guide": Presenter(guide_document, print_guide)}
