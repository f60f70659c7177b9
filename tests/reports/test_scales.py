import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servemark.reports.scales import load_scale, value_axis


def test_a_small_span_is_linear_from_zero():
    axis = value_axis([20.0, 42.0], title="x", length_px=400)
    assert (axis.kind, axis.low, axis.high) == ("linear", 0.0, 45.0)
    assert axis.ticks == tuple(range(0, 46, 5))
    assert axis.at(22.5) == pytest.approx(200)


def test_a_wide_span_is_logarithmic():
    axis = value_axis([1.0, 1000.0], title="x", length_px=330)
    assert axis.kind == "log"
    assert axis.ticks == (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


@given(st.lists(st.floats(1e-6, 1e9), min_size=1, max_size=20), st.floats(60, 600))
def test_every_value_and_tick_lies_on_the_axis(values, length):
    axis = value_axis(values, title="x", length_px=length)
    for value in (*values, *axis.ticks):
        assert -1e-6 <= axis.at(value) <= length * (1 + 1e-9)
    assert 2 <= len(axis.ticks) <= 2 + max(3, length / 25)


def test_loads_from_a_span_of_eight_on_are_logarithmic_with_a_tick_each():
    axis = load_scale([1, 2, 4, 8, 16, 32], title="users", length_px=330)
    assert (axis.kind, axis.ticks) == ("log", (1, 2, 4, 8, 16, 32))
    assert load_scale([1, 2, 3], title="users", length_px=330).kind == "linear"


def test_ticks_that_would_overlap_are_left_out():
    axis = load_scale(list(range(1, 65)), title="users", length_px=200)
    places = [axis.at(tick) for tick in axis.ticks]
    assert min(b - a for a, b in pairwise(places)) >= 14


def test_a_single_load_stands_in_the_middle():
    axis = load_scale([0.5], title="rate", length_px=300)
    assert math.isclose(axis.at(0.5), 150)


@pytest.mark.parametrize("values", [[680.0, 6600.0], [12.0, 38.0], [1500.0, 99_000.0], [3.0, 90_000.0]])
def test_labels_side_by_side_have_room(values):
    axis = value_axis(values, title="", length_px=225.0, lies=True)
    wide = 6.2 * len(f"{axis.ticks[-1]:,.0f}")
    assert all(axis.at(b) - axis.at(a) >= wide for a, b in pairwise(axis.ticks))
