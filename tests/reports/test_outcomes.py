import pytest
from example_runs import experiment, measured
from msgspec.structs import replace

from servemark.reports.outcomes import (
    interval_label,
    judged_levels,
    loss_chart,
    outcome_chart,
    outcome_parts,
    points_axis,
    points_label,
)
from servemark.reports.series import series_of


def drawn():
    run = experiment()
    return run, series_of([run])[0]


def test_parts_add_up_to_the_requests_sent():
    run, _ = drawn()
    for level, quality in judged_levels(run):
        assert sum(outcome_parts(level, quality).values()) == level.requests_sent
    # at 32 users 214 of 240 are complete, 6 + 21 of them defective
    assert outcome_parts(*judged_levels(run)[-1])["complete, with a defect"] == 27


def test_bars_cover_the_whole_level():
    run, series = drawn()
    chart = outcome_chart(run, series, "outcomes-1")
    rows = [row for row in chart.spec["layer"][0]["data"]["values"] if row["level"] == "32 users"]
    assert [row["start"] for row in rows] == [0.0, pytest.approx(100 * 187 / 240, abs=1e-3),
                                             pytest.approx(100 * 214 / 240, abs=1e-3)]  # fmt: skip
    assert rows[-1]["end"] == pytest.approx(100.0)
    assert "32 users: 78 % useful: 187 of 240" in chart.text


def test_loss_is_drawn_in_points_with_margin_and_noise():
    run, series = drawn()
    chart = loss_chart(run, series, "loss-1")
    assert "32 users: +9.8 points (+5.2 to +14.4)" in chart.text
    assert "Shaded: the same load measured twice" in chart.caption
    rules = [
        layer["data"]["values"][0]["y"] for layer in chart.spec["layer"] if layer["mark"]["type"] == "rule"
    ]
    assert {0.0, 3.0} <= set(rules)


def test_no_loss_without_pairs():
    run, series = drawn()
    bare = tuple(
        replace(level, quality=replace(level.quality, loss_ratio=None, loss_interval=None))
        for level in run.levels
    )
    assert loss_chart(replace(run, levels=bare), series, "loss-1") is None
    assert judged_levels(measured()) == []


@pytest.mark.parametrize(
    ("values", "ends"), [((0.0,), (0.0, 0.2)), ((-1.2, 14.4), (-5.0, 15.0)), ((-40.0, 2.0), (-40.0, 10.0))]
)
def test_an_axis_of_points_reaches_below_zero(values, ends):
    axis = points_axis(values, title="", length_px=100)
    assert axis.low <= min(0.0, *values) <= max(0.0, *values) <= axis.high
    assert 0.0 in axis.ticks
    if values != (0.0,):
        assert (axis.low, axis.high) == ends


def test_points_are_written_with_their_sign():
    assert [points_label(v) for v in (0.0249, -0.01, 0.0001)] == ["+2.5 points", "-1.0 points", "0 points"]
    assert interval_label((-0.008, 0.031)) == "-0.8 to +3.1"
