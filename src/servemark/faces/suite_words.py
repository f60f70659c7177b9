"""Suites of questions on the terminal, and as JSON."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text

from servemark.api.question_suites import SuiteEntry, SuiteView
from servemark.domain.exchange import Item
from servemark.faces.presenter import Presenter
from servemark.quality.suites import suite_text
from servemark.reports.page import Cell, Column, Table
from servemark.reports.terminal import print_table

BAD_INPUT = 2
SHOWN = 20
"""So many items and problems are shown on the terminal; `--json` has all."""


def print_suite(view: SuiteView, console: Console) -> None:
    """The list, one suite, one item in full, the problems line by line, or the file itself."""
    match view.action:
        case "list":
            print_table(_entries(view.entries), console)
            console.print(
                Text(
                    "servemark suite show KEY; your own: servemark suite write exam -o my.jsonl",
                    style="dim",
                )
            )
        case "show" if view.item is not None:
            _print_item(view.item, console)
        case "show":
            _print_items(view, console)
        case "check":
            _print_problems(view, console)
        case "write" if view.output is None and view.suite is not None:
            # as it is: a console would break long lines
            sys.stdout.write(suite_text(view.suite))
        case _:
            console.print(
                f"{view.entries[0].items} items; next: servemark suite check {view.output}", soft_wrap=True
            )


def _entries(entries: tuple[SuiteEntry, ...]) -> Table:
    columns = (
        Column(label="suite", numeric=False),
        Column(label="items", numeric=True),
        Column(label="languages", numeric=False),
        Column(label="words of a prompt", numeric=True),
        Column(label="answers up to", unit="tokens", numeric=True),
        Column(label="what it asks", numeric=False),
    )
    rows = tuple(
        (
            Cell(text=each.key),
            Cell(text=str(each.items)),
            Cell(text=_counts(each.languages)),
            Cell(text=f"{each.mean_prompt_words:.0f}"),
            Cell(text=str(each.max_tokens)),
            Cell(text=each.title),
        )
        for each in entries
    )
    return Table(title="Suites of questions", columns=columns, rows=rows)


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def _print_items(view: SuiteView, console: Console) -> None:
    assert view.suite is not None
    entry, items = view.entries[0], view.suite.items
    console.print(Text(entry.title, style="bold"))
    console.print(
        f"{entry.items} items ({_counts(entry.languages)}); {_counts(entry.formats)}; "
        f"{entry.mean_prompt_words:.0f} words of prompt on average",
        soft_wrap=True,
    )
    columns = (
        Column(label="item", numeric=False),
        Column(label="language", numeric=False),
        Column(label="graded as", numeric=False),
        Column(label="last question", numeric=False),
    )
    rows = tuple(
        (
            Cell(text=each.id),
            Cell(text=each.expected_language or "any"),
            Cell(text=each.format if each.eval_type == "answer" else f"{each.format}, {each.eval_type}"),
            Cell(text=_asked(each)),
        )
        for each in items[:SHOWN]
    )
    more = len(items) - SHOWN
    notes = (f"{more} more: --json has all; --item ID shows one in full.",) if more > 0 else ()
    print_table(Table(title="Items", columns=columns, rows=rows, notes=notes), console)


def _asked(item: Item) -> str:
    """The first line after the context, shortened."""
    text = item.messages[-1].content
    lines = (
        text.replace(item.context, "", 1).strip().splitlines()
        if item.context
        else text.strip().splitlines()
    )
    line = lines[0] if lines else ""
    return line if len(line) <= 72 else f"{line[:69]}..."


def _print_item(item: Item, console: Console) -> None:
    for each in item.messages:
        console.print(Text(each.role, style="bold"))
        console.print(Text(each.content), soft_wrap=True)
        console.print()
    facts = (
        ("key", item.key), ("recalls", ", ".join(item.recalls)), ("expected language", item.expected_language),
        ("graded as", item.format), ("eval type", item.eval_type), ("tags", ", ".join(item.tags)),
    )  # fmt: skip
    for name, value in facts:
        if value:
            console.print(Text(f"{name}: {value}", style="dim"), soft_wrap=True)
    if item.answer is not None:
        console.print()
        console.print(Text("a right answer", style="bold"))
        console.print(Text(item.answer), soft_wrap=True)


def _print_problems(view: SuiteView, console: Console) -> None:
    entry, count = view.entries[0], len(view.problems)
    word = "no problem" if not count else "1 problem" if count == 1 else f"{count} problems"
    items = "1 item" if entry.items == 1 else f"{entry.items} items"
    console.print(Text(f"{items}, {word}", style="bold" if not count else "bold red"))
    for each in view.problems[:SHOWN]:
        near = f"; nearest: {', '.join(each.nearest)}" if each.nearest else ""
        console.print(f"{each.path}: expected {each.expected}, found {each.found}{near}", soft_wrap=True)
    if count > SHOWN:
        console.print(f"{count - SHOWN} more: --json has all.")
    for note in view.notes:
        console.print(Text(note, style="dim"), soft_wrap=True)


def suite_document(view: SuiteView) -> dict[str, Any]:
    """`servemark.suite/1`."""
    shown = (view.item,) if view.item is not None else () if view.suite is None else view.suite.items
    return {
        "schema": "servemark.suite/1",
        "action": view.action,
        "suites": [msgspec.to_builtins(each) for each in view.entries],
        "items": [msgspec.to_builtins(each) for each in shown],
        "problems": [{**msgspec.to_builtins(each), "path": each.path} for each in view.problems],
        "output": None if view.output is None else str(view.output),
        "notes": list(view.notes),
    }


def _exit_code(view: SuiteView, require: str | None) -> int:
    return BAD_INPUT if view.problems else 0


def _any_path(path: Path) -> Path:
    """The verb itself refuses: it knows whether anything is to be written."""
    return path


PRESENTERS = {"suite": Presenter(suite_document, print_suite, _exit_code, _any_path)}
