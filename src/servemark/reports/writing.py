"""A report to a file, by the ending of its name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from servemark.errors import InputError
from servemark.reports.html import render_html
from servemark.reports.markdown import render_markdown
from servemark.reports.page import Report

RENDERERS: dict[str, Callable[[Report], str]] = {
    ".html": render_html,
    ".htm": render_html,
    ".md": render_markdown,
}


def check_output(path: Path) -> Path:
    """The path, if its ending and its folder are good for a report."""
    if path.suffix.lower() not in RENDERERS:
        raise InputError("output", expected=f"a file ending in {' or '.join(RENDERERS)}", found=str(path))
    if not path.parent.is_dir():
        raise InputError("output", expected="a file in an existing folder", found=str(path))
    return path


def write_report(composed: Report, path: Path) -> Path:
    """Render by the file's ending and write it.

    Raises:
        InputError: an unknown ending, or a file that cannot be written.
    """
    text = RENDERERS[check_output(path).suffix.lower()](composed)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        found = f"{path}: {error.strerror}"
        raise InputError("output", expected="a file that can be written", found=found) from None
    return path
