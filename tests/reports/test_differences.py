import pytest
from example_runs import TPOT, TTFT, banded, closed_form, measured, simulated
from msgspec.structs import replace

from servemark.domain.capacity import Capacity
from servemark.domain.workload import FixedLength, Users, Workload
from servemark.reports.answers import answer_of
from servemark.reports.differences import Difference, agreements, difference_section
from servemark.reports.series import series_of


def table_of(*runs):
    return difference_section(runs, series_of(runs)).tables[0]


def column(table, group, label):
    at = next(i for i, c in enumerate(table.columns) if (c.group, c.label) == (group, label))
    return [row[at] for row in table.rows]


def test_differences_are_percent_of_the_measurement():
    table = table_of(closed_form(), measured())
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
    assert table_of(closed_form(), other).notes == (
        "Not like against like: predicted for input 1,000, output 300 tokens, "
        "measured with input 512, output 32 tokens.",
    )
    assert table_of(closed_form(), measured()).notes == ()


def test_a_measured_value_outside_the_band_of_the_prediction_is_marked():
    runs = (banded(), measured())
    table = table_of(*runs)
    # bands end 20 % above: TTFT p50 at 32 users 492 x 1.2 = 590 < 611, at 16 users 236 x 1.2 = 283 < 287
    assert [cell.detail for cell in column(table, "TTFT", "p50")] == [""] * 4 + ["outside"] * 2
    # throughput 652 / 1.1 = 592.7 > 570.2, 462 / 1.1 = 420 > 417.3; 279 / 1.1 = 253.6 < 259.8
    assert [cell.detail for cell in column(table, "throughput", "output")] == [""] * 4 + ["outside"] * 2
    outside = sum(cell.detail == "outside" for row in table.rows for cell in row)
    told = f"{48 - outside} of 48 measured values lie in the 80 % band of the prediction."
    assert table.notes == (told,)
    series = series_of(runs)
    assert agreements(runs, series, series[1]) == (told,)
    assert agreements(runs, series, series[0]) == ()
    assert told in answer_of(runs[1], series[1], (told,)).notes


def test_several_predictions_are_named():
    runs = (banded(), replace(banded(), method="simulation"), measured())
    series = series_of(runs)
    assert [each.rpartition("(")[2] for each in agreements(runs, series, series[2])] == [
        "predicted, closed form).", "predicted, simulation).",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("holds", "breaks", "band", "said"),
    [(16, 32, (12.0, 19.0), "16 users, agrees with the 80 % band of the predicted one, 12 to 19."),
     # it lies between 8 and 32 users
     (8, 32, (12.0, 19.0), "8 users, agrees with the 80 % band of the predicted one, 12 to 19."),
     (4, 8, (12.0, 19.0), "4 users, lies outside the 80 % band of the predicted one, 12 to 19."),
     (32, None, (12.0, 19.0), "32 users, lies outside the 80 % band of the predicted one, 12 to 19."),
     (64, None, (12.0, 32.0), "64 users, agrees with the 80 % band of the predicted one, 12 to at least 32.")],
)  # fmt: skip
def test_capacities_agree_or_not(holds, breaks, band, said):
    one, other = banded(), measured(slos=(TTFT, TPOT))
    capacity = Capacity(
        load=Users(users=holds), first_broken=None if breaks is None else Users(users=breaks)
    )
    runs = (
        replace(one, capacity=replace(one.capacity, band=band)),
        replace(other, capacity=capacity),
    )
    series = series_of(runs)
    assert agreements(runs, series, series[1])[1] == f"Its capacity, {said}"


@pytest.mark.parametrize(
    ("measured_value", "band", "inside"),
    [(0.04, (0.03, 0.05), True), (0.05, (0.03, 0.05), True), (0.051, (0.03, 0.05), False),
     (None, (0.03, 0.05), None), (0.04, None, None), (1.03, (1.0, 1.0), None)],
)  # fmt: skip
def test_inside_the_band_or_nothing_to_say(measured_value, band, inside):
    assert Difference(0.04, measured_value, band).is_inside is inside
