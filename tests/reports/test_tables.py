from example_runs import closed_form, measured, measured_with_failures, simulated
from msgspec.structs import replace

from servemark.domain.workload import FixedLength, Workload
from servemark.reports.series import series_of
from servemark.reports.tables import difference_section, level_section


def levels(one):
    return level_section((one,), series_of((one,))).tables[0]


def column(table, group, label):
    at = next(i for i, c in enumerate(table.columns) if (c.group, c.label) == (group, label))
    return [row[at] for row in table.rows]


def test_outcomes_add_up_to_what_was_sent():
    table = levels(measured_with_failures())
    sent, complete, failed = (
        [int(c.text) for c in column(table, "requests", name)] for name in ("sent", "complete", "failed")
    )
    assert sent == [20, 40, 60, 160, 240, 320]
    assert [a + b for a, b in zip(complete, failed, strict=True)] == sent


def test_a_percentile_without_an_interval_is_greyed():
    table = levels(measured_with_failures())  # 20, 40, 60, 160, 230 and 255 complete
    assert [c.faint for c in column(table, "TTFT", "p50")] == [False] * 6
    assert [c.faint for c in column(table, "TTFT", "p95")] == [True] * 3 + [False] * 3
    assert [c.faint for c in column(table, "TTFT", "p99")] == [True] * 6


def test_a_formula_has_no_sample_to_be_greyed():
    table = levels(closed_form())
    assert not any(cell.faint for row in table.rows for cell in row)
    assert "requests" not in {c.group for c in table.columns}


def test_numbers_of_a_column_share_their_unit():
    table = levels(closed_form())
    assert [c.text for c in column(table, "TPOT", "p95")] == [
        "23.6",
        "24.9",
        "27.2",
        "31.3",
        "40.1",
        "57.8",
    ]
    assert {c.unit for c in table.columns if c.group == "TPOT"} == {"ms"}
    assert {c.unit for c in table.columns if c.group == "E2E latency"} == {"s"}


def test_lag_and_processor_shares_are_shown_where_measured():
    table = levels(measured())
    assert [c.text for c in column(table, "lag", "p99")] == ["2.70"] * 6  # 1.1 + 1.6 ms
    assert column(table, "CPU", "client")[0].text == "0.02"
    assert not any(c.group == "CPU" and c.label == "engine" for c in table.columns)


def test_levels_are_ordered_by_load():
    one = measured()
    assert levels(replace(one, levels=tuple(reversed(one.levels)))) == levels(one)


def test_differences_are_percent_of_the_measurement():
    runs = (closed_form(), measured())
    table = difference_section(runs, series_of(runs)).tables[0]
    # 32 users: TTFT p50 492 / 611 - 1 = -19.5 %, TPOT p95 57.8 / 65.0 - 1 = -11.1 %, 652 / 570.2 - 1 = +14.3 %
    assert column(table, "TTFT", "p50")[-1].text == "−19"
    assert column(table, "TPOT", "p95")[-1].text == "−11"
    assert column(table, "throughput", "output")[-1].text == "+14"
    assert {c.unit for c in table.columns[1:]} == {"%"}


def test_every_pair_of_one_subject_is_compared_at_common_loads():
    short = replace(measured(), levels=measured().levels[2:4])
    runs = (closed_form(), simulated(), short)
    tables = difference_section(runs, series_of(runs)).tables
    assert [t.title for t in tables] == ["predicted, closed form against measured",
                                         "predicted, simulation against measured"]  # fmt: skip
    assert [row[0].text for row in tables[0].rows] == ["4", "8"]


def test_nothing_to_compare():
    runs = (closed_form(), simulated())
    assert difference_section(runs, series_of(runs)) is None


def test_runs_of_other_lengths_are_not_compared_in_silence():
    other = replace(
        measured(), workload=Workload(input=FixedLength(tokens=512), output=FixedLength(tokens=32))
    )
    runs = (closed_form(), other)
    assert difference_section(runs, series_of(runs)).tables[0].notes == (
        "Not like against like: predicted for input 1,000, output 300 tokens, "
        "measured with input 512, output 32 tokens.",
    )
    runs = (closed_form(), measured())
    assert difference_section(runs, series_of(runs)).tables[0].notes == ()


def test_a_note_names_its_level():
    one = measured()
    noted = replace(one, levels=(replace(one.levels[0], notes=("too short",)), *one.levels[1:]))
    assert levels(noted).notes == ("1 user: too short.",)
