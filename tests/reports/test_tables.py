from example_runs import banded, closed_form, measured, measured_with_failures
from msgspec.structs import replace

from servemark.reports.series import series_of
from servemark.reports.tables import level_section


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


def test_the_band_of_a_prediction_stands_below_its_p95():
    table = levels(banded())
    # 57.8 / 1.1 = 52.5, 57.8 x 1.2 = 69.4
    assert column(table, "TPOT", "p95")[-1].detail == "52.5–69.4"
    assert {cell.detail for cell in column(table, "TPOT", "p50")} == {""}
    assert column(table, "throughput", "tok/s")[-1].detail == "592.7–782.4"
    assert table.notes == ("Below a p95 and a throughput: its 80 % band.",)
    assert not any(cell.detail for row in levels(measured()).rows for cell in row)


def test_a_band_without_width_is_not_drawn():
    one = banded()
    flat = replace(one.levels[0], bands={"output_tokens_per_s": (42.1, 42.1)})
    assert column(levels(replace(one, levels=(flat,))), "throughput", "tok/s")[0].detail == ""


def test_a_note_names_its_level():
    one = measured()
    noted = replace(one, levels=(replace(one.levels[0], notes=("too short",)), *one.levels[1:]))
    assert levels(noted).notes == ("1 user: too short.",)
