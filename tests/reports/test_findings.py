from example_runs import experiment, measured
from msgspec.structs import replace

from servemark.domain.finding import Evidence
from servemark.reports.findings import LONGEST_TEXT, MOST_CASES, findings_section, shortened
from servemark.reports.series import series_of


def section_of(*runs):
    return findings_section(runs, series_of(runs))


def with_evidence(run, *evidence):
    return replace(run, findings=(replace(run.findings[0], evidence=evidence),))


def test_no_section_without_findings():
    assert section_of(measured()) is None


def test_evidence_leads_to_the_request():
    section = section_of(experiment())
    (cause,) = section.causes
    assert cause.evidence[0].links == (("history-ms-07", "request-1-level-5-0"),)
    assert cause.evidence[1].links == ()
    (case,) = section.cases
    assert case.anchor == "request-1-level-5-0"
    assert case.title == "item history-ms-07 at 32 users, block 3"
    # sent at 1.0 s, first token at 1.4 s, ended at 3.2 s
    assert "TTFT 400 ms, ended after 2.20 s, 31 input, 12 output tokens" in case.facts
    assert case.asked.startswith("system: Jawab dalam bahasa Melayu.\nuser: Bilakah")
    assert case.defects == ("wrong language (major): 100 % of 41 letters are English, Malay was asked for",)


def test_one_request_is_shown_once():
    run = experiment()
    twice = Evidence(text="The same.", source="requests", level=5, requests=(0, 0))
    section = section_of(with_evidence(run, run.findings[0].evidence[0], twice))
    assert len(section.cases) == 1
    assert len(section.causes[0].evidence[1].links) == 2


def test_rows_that_are_not_there_are_not_linked():
    run = experiment()
    gone = (
        Evidence(text="No such level.", source="requests", level=17, requests=(0,)),
        Evidence(text="No such request.", source="requests", level=5, requests=(99, -1)),
        Evidence(text="No such control.", source="requests", control=0, requests=(0,)),
    )
    section = section_of(with_evidence(run, *gone))
    assert [each.links for each in section.causes[0].evidence] == [(), (), ()]
    assert section.cases == ()


def test_a_page_shows_so_many_requests_at_most():
    run = experiment()
    *others, last = run.levels
    many = replace(last, requests=last.requests * (2 * MOST_CASES))
    rows = [
        Evidence(text="", source="requests", level=5, requests=tuple(range(i, i + 6)))
        for i in range(0, 2 * MOST_CASES, 6)
    ]
    section = section_of(with_evidence(replace(run, levels=(*others, many)), *rows))
    assert len(section.cases) == MOST_CASES


def test_the_heaviest_cause_comes_first():
    run = experiment()
    light, heavy = run.findings[0], replace(run.findings[0], claim="More.", weight=0.9)
    section = section_of(replace(run, findings=(light, heavy)))
    assert [cause.claim for cause in section.causes] == ["More.", light.claim]


def test_long_texts_keep_both_ends():
    text = "a" * LONGEST_TEXT + "b" * LONGEST_TEXT
    short = shortened(text)
    assert short.startswith("a" * 600 + "\n[… 1,200 characters …]\n") and short.endswith("b" * 600)
    assert shortened("short") == "short"
