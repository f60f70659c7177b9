"""Results show themselves in IPython and Jupyter, without the domain knowing of HTML."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from html import escape
from io import StringIO
from typing import Any, Final

from rich.console import Console

from servemark.domain.gpu import Gpu
from servemark.domain.memory import Fit, MemoryBudget
from servemark.domain.model import ModelArch
from servemark.domain.run import Run
from servemark.reports.cards import (
    entry_table,
    fit_table,
    gpu_card,
    gpu_table,
    memory_table,
    model_table,
    run_table,
)
from servemark.reports.html import render_html, table_html
from servemark.reports.page import Report, Table
from servemark.reports.sections import compose
from servemark.reports.terminal import print_table, render_terminal
from servemark.store.folders import RunEntry

Printer = Callable[[Any, Any, bool], None]
FRAME_PX: Final = 760
TEXT_WIDTH: Final = 100
CARD_STYLE: Final = (
    ".servemark th, .servemark td { text-align: left; padding: 2px 8px; }"
    ".servemark .n { text-align: right; font-variant-numeric: tabular-nums; }"
    ".servemark i { font-style: normal; opacity: 0.7; }"
    ".servemark .faint { opacity: 0.6; }"
)
LISTS: Final[tuple[tuple[type, Callable[[Sequence[Any]], Table]], ...]] = (
    (Gpu, gpu_table),
    (ModelArch, model_table),
    (Run, run_table),
    (RunEntry, entry_table),
)
"""What a list of records of one kind is shown as."""


def register_if_notebook() -> bool:
    """Registers the displays when running inside IPython; otherwise does and loads nothing."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None:
        return False
    register(shell)
    return True


def register(ip: Any) -> None:
    """Teaches an IPython shell to show runs, budgets, GPUs and models.

    Args:
        ip: the shell (`IPython.get_ipython()`).
    """
    html = ip.display_formatter.formatters["text/html"]
    plain = ip.display_formatter.formatters["text/plain"]
    for kind, runs_of in ((Run, lambda run: (run,)), (Report, lambda report: report.runs)):
        html.for_type(kind, lambda shown, runs_of=runs_of: run_frame(*runs_of(shown)))
        plain.for_type(kind, _as_text(lambda shown, runs_of=runs_of: run_text(*runs_of(shown))))
    demo = ("servemark.faces.demonstration", "Demo")
    html.for_type_by_name(*demo, lambda demo: run_frame(*demo.runs))
    plain.for_type_by_name(*demo, _as_text(lambda demo: run_text(*demo.runs)))
    for kind in (MemoryBudget, Fit, Gpu, ModelArch):
        html.for_type(kind, card_html)
        plain.for_type(kind, _as_text(card_text))
    for kind in (tuple, list):
        html.for_type(kind, card_html)
        plain.for_type(kind, _as_text(card_text, otherwise=plain.type_printers.get(kind)))


def _as_text(write: Callable[[Any], str | None], otherwise: Printer | None = None) -> Printer:
    """IPython's way to print what `write` returns; None is left to the printer there was before."""

    def show(shown: Any, printer: Any, cycle: bool) -> None:
        text = write(shown)
        if text is None and otherwise is not None:
            otherwise(shown, printer, cycle)
        else:
            printer.text(repr(shown) if text is None else text)

    return show


def run_frame(*runs: Run) -> str:
    """The whole report of runs in a frame of its own: its style and scripts touch nothing outside."""
    page = escape(render_html(compose(runs)), quote=True)
    style = f"width:100%;height:{FRAME_PX}px;border:0;resize:vertical"
    return f'<iframe sandbox="allow-scripts allow-downloads" style="{style}" srcdoc="{page}"></iframe>'


def run_text(*runs: Run) -> str:
    """The short report of runs as plain text."""
    return _printed(lambda console: render_terminal(compose(runs), console))


def card_html(record: object) -> str | None:
    """A small table of a record or of several alike; None for anything else, which IPython then shows."""
    table = _card(record)
    return (
        None
        if table is None
        else f'<div class="servemark"><style>{CARD_STYLE}</style>{table_html(table)}</div>'
    )


def card_text(record: object) -> str | None:
    """The same small table as plain text."""
    table = _card(record)
    return None if table is None else _printed(lambda console: print_table(table, console))


def _card(record: object) -> Table | None:
    match record:
        case MemoryBudget():
            return memory_table(record)
        case Fit():
            return fit_table(record)
        case Gpu():
            return gpu_card(record)
        case ModelArch():
            return model_table((record,))
        case tuple() | list() if record:
            return _list_card(record)
    return None


def _list_card(records: Sequence[Any]) -> Table | None:
    """A table of records of one kind."""
    for kind, table in LISTS:
        if all(isinstance(each, kind) for each in records):
            return table(records)
    return None


def _printed(show: Callable[[Console], None]) -> str:
    text = StringIO()
    show(Console(file=text, width=TEXT_WIDTH, color_system=None, force_terminal=False, markup=False))
    return text.getvalue().rstrip()
