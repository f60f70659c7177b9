"""Results show themselves in IPython and Jupyter, without the domain knowing of HTML."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from html import escape
from io import StringIO
from typing import Any, Final

from rich.console import Console

from servemark.domain.gpu import Gpu
from servemark.domain.memory import MemoryBudget
from servemark.domain.model import ModelArch
from servemark.domain.run import Run
from servemark.reports.cards import gpu_card, gpu_table, memory_table, model_table, run_table
from servemark.reports.html import render_html, table_html
from servemark.reports.page import Table
from servemark.reports.sections import compose
from servemark.reports.terminal import print_table, render_terminal

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
    html.for_type(Run, run_frame)
    plain.for_type(Run, lambda run, printer, cycle: printer.text(run_text(run)))
    for kind in (MemoryBudget, Gpu, ModelArch, tuple, list):
        html.for_type(kind, card_html)
    for kind in (MemoryBudget, Gpu, ModelArch):
        plain.for_type(kind, lambda record, printer, cycle: printer.text(card_text(record)))


def run_frame(*runs: Run) -> str:
    """The whole report of runs in a frame of its own: its style and scripts touch nothing outside."""
    page = escape(render_html(compose(runs)), quote=True)
    style = f"width:100%;height:{FRAME_PX}px;border:0;resize:vertical"
    return f'<iframe sandbox="allow-scripts allow-downloads" style="{style}" srcdoc="{page}"></iframe>'


def run_text(run: Run) -> str:
    """The short report of one run as plain text."""
    return _printed(lambda console: render_terminal(compose((run,)), console))


def card_html(record: object) -> str | None:
    """A small table of a record or of several alike; None for anything else, which IPython then shows."""
    table = _card(record)
    return (
        None
        if table is None
        else f'<div class="servemark"><style>{CARD_STYLE}</style>{table_html(table)}</div>'
    )


def card_text(record: object) -> str:
    """The same small table as plain text."""
    table = _card(record)
    return repr(record) if table is None else _printed(lambda console: print_table(table, console))


def _card(record: object) -> Table | None:
    match record:
        case MemoryBudget():
            return memory_table(record)
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
    show(Console(file=text, width=TEXT_WIDTH, color_system=None, force_terminal=False))
    return text.getvalue().rstrip()
