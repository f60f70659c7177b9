import json
import re
from html.parser import HTMLParser

import pytest
from example_runs import EXAMPLES, closed_form, measured, rows_of
from msgspec.structs import replace

from servemark.errors import InputError
from servemark.reports import html
from servemark.reports.html import page_html, render_html, table_html
from servemark.reports.page import Cell, Column, Table
from servemark.reports.sections import compose

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Outline(HTMLParser):
    """Checks that elements are closed in order, and gathers what the page asks for."""

    def __init__(self):
        super().__init__()
        self.open, self.asked, self.texts = [], [], []
        self.anchors, self.links = set(), set()

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        self.asked += [
            (tag, name)
            for name, value in attrs
            if name == "src" or name.startswith("on") or (name == "href" and not value.startswith("#"))
        ]
        self.anchors |= {value for name, value in attrs if name == "id"}
        self.links |= {value[1:] for name, value in attrs if name == "href"}

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"script", "style"} & set(self.open):
            self.texts.append(data)


def outline(page):
    found = Outline()
    found.feed(page)
    assert found.open == []
    return found


def embedded(page):
    return json.loads(re.search(r'<script type="application/json" id="runs">(.*?)</script>', page).group(1))


def test_rendering(snapshot):
    page = page_html(compose((closed_form(), measured())), script="/* scripts */")
    assert page == snapshot


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_the_page_is_well_formed_and_asks_for_nothing(name):
    page = page_html(compose(EXAMPLES[name]()), script="")
    found = outline(page)
    assert found.asked == []
    assert found.links <= found.anchors
    assert "default-src 'none'" in page and "@import" not in page and "url(" not in page


def test_one_file_below_two_megabytes():
    page = render_html(compose(EXAMPLES["demo"]()))
    assert 800_000 < len(page.encode()) < 2_000_000
    assert "vegaEmbed" in page


def test_every_number_has_words_without_scripts():
    report = compose((closed_form(),))
    page = page_html(report, script="")
    charts = [chart for section in report.sections for chart in section.charts]
    assert page.count("<noscript><p>") == len(charts) == 4
    assert "1 user: 42.4 tok/s per user, 42.1 tok/s per GPU" in page


def test_nothing_in_a_run_becomes_markup():
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
    one = measured()
    one = replace(one, endpoint=replace(one.endpoint, model=evil, server=evil), notes=(evil,), id=evil)
    page = page_html(compose((rows_of(one, 3),), title=evil), script="")
    assert outline(page).asked == []
    assert "<script>alert" not in page and "<img" not in page
    assert any(evil in text for text in outline(page).texts)


def test_a_script_cannot_end_its_element():
    report = compose((closed_form(),))
    page = page_html(report, script="'</script>'; '<!-- <script>'")
    assert page.count("</script>") == page_html(report, script="").count("</script>")
    assert "<!-- <script>" not in page


def test_the_raw_runs_are_in_the_file_without_secrets():
    runs = embedded(page_html(compose((rows_of(measured(), 5),)), script=""))
    assert runs["schema"] == "servemark.runs/1"
    assert len(runs["runs"][0]["levels"][0]["requests"]) == 5
    assert runs["runs"][0]["levels"][0]["requests"][0]["text"] == "</script><!-- x"
    assert "sk-123" not in json.dumps(runs)


def test_large_runs_go_without_their_rows():
    page = page_html(compose((rows_of(measured(), 5000),)), script="")
    assert embedded(page)["runs"][0]["levels"][0]["requests"] == []
    assert "levels only" in page and len(page) < 400_000


def test_heads_are_grouped_and_numbers_right_aligned():
    table = Table(
        title="",
        columns=(Column(label="users"), Column(label="p50", group="TTFT", unit="ms"),
                 Column(label="p95", group="TTFT", unit="ms")),
        rows=((Cell(text="1"), Cell(text="78"), Cell(text="80", faint=True)),),
    )  # fmt: skip
    page = table_html(table)
    assert '<th scope="colgroup" class="group" colspan="2">TTFT <i>ms</i></th>' in page
    assert '<td class="n faint">80</td>' in page


def test_a_missing_bundle_says_how_to_build_it(tmp_path, monkeypatch):
    monkeypatch.setattr(html, "_DATA", tmp_path)
    with pytest.raises(InputError, match=r"python hatch_build\.py"):
        render_html(compose((closed_form(),)))
