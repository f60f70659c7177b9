import math

import pytest

from servemark.calibration.predictions import cases_of
from servemark.calibration.recalibration import chosen_loads, curves_of, load_of


@pytest.mark.parametrize(
    ("loads", "points", "chosen"),
    [
        ([4, 8, 16, 32, 64], 3, {4, 16, 64}),
        ([64, 4, 4, 16, 8], 3, {4, 16, 64}),
        ([1, 2, 3, 4], 2, {1, 4}),
        ([1, 2, 3], 1, {2}),
        ([1, 2, 3], 3, set()),
        ([1, 1, 1, 1], 3, set()),
    ],
)
def test_which_loads_recalibrate(loads, points, chosen):
    assert chosen_loads(loads, points) == chosen


def test_a_curve_is_one_setting_under_rising_load(make_rows):
    loads = [{"concurrency_or_batch": str(n)} for n in (1, 2, 4)]
    ttft = [{**each, "metric": "ttft_mean"} for each in loads]
    other = [{**each, "osl": "512"} for each in loads]
    cases, refused = cases_of(make_rows(*loads, *ttft, *other))
    assert not refused
    assert [[cases[i].row.line for i in curve] for curve in curves_of(cases)] == [
        [2, 3, 4, 5, 6, 7],
        [8, 9, 10],
    ]
    assert [load_of(case) for case in cases[:3]] == [1, 2, 4]


def test_loads_of_other_kinds(make_rows):
    cases, _ = cases_of(make_rows({"concurrency_or_batch": "max"}, {"concurrency_or_batch": "qps=2.5"}))
    assert [load_of(case) for case in cases] == [math.inf, 2.5]
