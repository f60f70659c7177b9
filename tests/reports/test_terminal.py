from io import StringIO

import pytest
from example_runs import EXAMPLES, closed_form, measured_with_failures
from rich.console import Console

from servemark.reports.sections import compose
from servemark.reports.terminal import render_terminal


def printed(runs, *, width=100, **console):
    text = StringIO()
    render_terminal(compose(runs), Console(file=text, width=width, **console))
    return text.getvalue()


@pytest.mark.parametrize("name", ["closed-form", "banded", "both", "failures", "single-level"])
def test_rendering(name, snapshot):
    assert printed(EXAMPLES[name]()) == snapshot


def test_no_colour_and_no_loss_when_piped():
    text = printed((measured_with_failures(),))
    assert "\x1b" not in text
    assert all(mark in text for mark in "✓✗?")


def test_colour_on_a_terminal():
    assert "\x1b[" in printed((closed_form(),), force_terminal=True, color_system="standard")


@pytest.mark.parametrize("width", [60, 80, 100])
@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_nothing_is_cut_off(name, width):
    text = printed(EXAMPLES[name](), width=width)
    assert "…" not in text
    assert max(len(line) for line in text.splitlines()) <= width
