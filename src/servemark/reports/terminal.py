"""A report on a terminal: the sentence, the verdict strip, one table."""

from __future__ import annotations

from rich.console import Console

from servemark.reports.page import Report


def render_terminal(report: Report, console: Console) -> None:
    """Prints the short form of a report on `console`."""
    raise NotImplementedError
