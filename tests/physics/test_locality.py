"""Distances and round trips, against known ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servemark.catalogue.places import find_place
from servemark.domain.place import Place
from servemark.errors import UnknownName
from servemark.physics.locality import EARTH_RADIUS_M, distance_m, round_trip

PI = 3.141592653589793


def at(latitude, longitude):
    return Place(name="here", place="here", coordinates=(latitude, longitude))


coordinates = st.tuples(st.floats(-90, 90), st.floats(-180, 180))


def test_great_circles_by_hand():
    # a quarter of the equator, and half a meridian
    assert distance_m(at(0, 0), at(0, 90)) == pytest.approx(PI / 2 * EARTH_RADIUS_M)
    assert distance_m(at(90, 0), at(-90, 0)) == pytest.approx(PI * EARTH_RADIUS_M)
    assert distance_m(at(51.51, -0.13), at(48.86, 2.35)) == pytest.approx(344e3, rel=0.01)
    assert distance_m(find_place("new york"), find_place("london")) == pytest.approx(5570e3, rel=0.01)


@given(coordinates, coordinates)
def test_a_distance_is_one_both_ways_and_at_most_half_around(one, other):
    there, back = distance_m(at(*one), at(*other)), distance_m(at(*other), at(*one))
    assert there == pytest.approx(back)
    assert 0 <= there <= PI * EARTH_RADIUS_M * 1.000001


def test_a_measured_round_trip_lies_in_the_range():
    # Dublin to Montreal 78.75 ms (F. Charette, 2021-06-09)
    low, usual, high = round_trip(find_place("eu-west-1"), find_place("ca-central-1"))
    assert low < 0.07875 < high
    assert usual == pytest.approx(0.07875, rel=0.05)


def test_next_door_is_the_last_mile():
    assert round_trip(at(10, 10), at(10, 10)) == (0.001, 0.010, 0.040)


def test_unknown_places_are_refused():
    assert find_place("US East 1".replace(" ", "-")).provider == "aws"
    with pytest.raises(UnknownName, match="nearest: frankfurt"):
        find_place("frankfort")
