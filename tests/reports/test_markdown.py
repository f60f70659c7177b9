from itertools import pairwise

import pytest
from example_runs import EXAMPLES, closed_form
from msgspec.structs import replace

from servemark.reports.markdown import render_markdown
from servemark.reports.sections import compose


@pytest.mark.parametrize("name", ["banded", "both", "failures", "single-level"])
def test_rendering(name, snapshot):
    assert render_markdown(compose(EXAMPLES[name]())) == snapshot


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_every_row_of_a_table_has_as_many_cells_as_its_head(name):
    lines = render_markdown(compose(EXAMPLES[name]())).splitlines()
    for above, line in pairwise(lines):
        if above.startswith("|") and line.startswith("|"):
            assert above.replace(r"\|", "").count("|") == line.replace(r"\|", "").count("|")


def test_nothing_in_a_run_becomes_markup():
    evil = replace(closed_form(), notes=("a|b <script> *bold* `code`\nnew line",))
    assert r"A\|b \<script\> \*bold\* \`code\` new line" in render_markdown(compose((evil,)))
