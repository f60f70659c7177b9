from example_runs import experiment

from servemark.reports.html_findings import cases_html, causes_html
from servemark.reports.page import Case, Cause, Seen
from servemark.reports.sections import compose


def test_a_finding_with_all_its_parts():
    section = compose((experiment(),)).section("findings")
    page = causes_html(section.causes)
    assert '<i class="likely">likely</i>' in page
    assert '<a href="#request-1-level-5-0">history-ms-07</a>' in page
    assert page.count("<blockquote>") == 2
    assert "<b>Next:</b> Give each slot" in page and "What would refute it:</b> The same prompts" in page
    details = cases_html(section.cases)
    assert '<details id="request-1-level-5-0">' in details and "wrong language (major)" in details


def test_answers_cannot_become_markup():
    evil = "<script>alert(1)</script>"
    cause = Cause(claim=evil, confidence="certain", evidence=(Seen(text=evil, source="requests"),),
                  refuted_by=evil, next_step=evil)  # fmt: skip
    case = Case(anchor="request-1", title=evil, facts=evil, answer=evil, defects=(evil,))
    assert "<script" not in causes_html([cause]) + cases_html([case])


def test_nothing_without_findings():
    assert causes_html(()) == cases_html(()) == ""


def test_an_empty_answer_says_so():
    assert "no text" in cases_html([Case(anchor="a", title="t", facts="f")])
