"""A report as one HTML file that needs nothing else."""

from __future__ import annotations

from servemark.reports.page import Report


def render_html(report: Report) -> str:
    """The whole page, scripts included."""
    raise NotImplementedError
