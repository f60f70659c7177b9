"""A report as Markdown."""

from __future__ import annotations

from servemark.reports.page import Report


def render_markdown(report: Report) -> str:
    """The report as GitHub-flavoured Markdown."""
    raise NotImplementedError
