import pytest
from example_runs import EXAMPLES, closed_form, faster_gpu, measured, simulated, without_promises

from servemark.errors import InputError
from servemark.reports.sections import compose


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_composing_twice_gives_the_same_report(name):
    assert compose(EXAMPLES[name]()) == compose(EXAMPLES[name]())


def test_the_page_reads_from_answer_to_method():
    report = compose((closed_form(), measured()))
    assert [section.key for section in report.sections] == [
        "verdicts", "throughput", "latency", "failures", "differences", "levels", "method",
    ]  # fmt: skip
    assert [answer.series.label for answer in report.answers] == ["predicted", "measured"]
    assert report.subtitle == "Servemark 0.1.0, 20 November 2026; 1 predicted and 1 measured run"


def test_parts_without_content_are_left_out():
    assert [section.key for section in compose((without_promises(),)).sections] == [
        "throughput", "latency", "levels", "method",
    ]  # fmt: skip


def test_the_title_is_what_the_runs_are_about():
    assert compose((closed_form(),)).title == "Llama 3.1 8B (bf16) on 1 x L40S"
    assert compose(EXAMPLES["demo"]()).title == "Llama 3.1 8B (bf16) on 1 x L40S · servemark-tiny"
    assert compose((closed_form(),), title="Capacity").title == "Capacity"
    assert compose((closed_form(), faster_gpu())).title == "Llama 3.1 8B: 1 x L40S · 1 x H100 SXM"


def test_one_memory_bar_for_runs_that_share_a_budget():
    charts = compose((closed_form(), simulated())).section("throughput").charts
    assert [chart.key for chart in charts] == ["interactivity", "memory"]


def test_no_secret_reaches_the_report():
    assert "sk-123" not in repr(compose((measured(),)))


def test_no_run_is_bad_input():
    with pytest.raises(InputError, match="at least one run"):
        compose(())
