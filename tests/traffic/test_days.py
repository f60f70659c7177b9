"""The day: its shape by hand, and the arrivals drawn from it."""

import numpy as np
import pytest

from servemark.domain.workload import Rate, Workload
from servemark.traffic.arrivals import arrival_plan
from servemark.traffic.days import DAY_S, Day, Spike, day_times, days, shape

OFFICE = days()["office-day"]
PLAIN = Day(name="plain", peak_to_valley=4.0, busiest_s=14 * 3600.0, source="s", date="2026")


def draw(per_s, seed=0, **bounds):
    return day_times(OFFICE, per_s, np.random.default_rng(seed), **bounds)


def test_the_busiest_and_the_quietest_hour():
    # 1 + 0.6 cos: 1.6 at 14 h, 0.4 at 2 h, 1 at 8 h and 20 h
    hours = np.array([14.0, 2.0, 8.0, 20.0]) * 3600
    assert shape(PLAIN, hours) == pytest.approx([1.6, 0.4, 1.0, 1.0])
    assert shape(PLAIN, hours + DAY_S) == pytest.approx(shape(PLAIN, hours))


def test_a_spike_multiplies_and_the_mean_stays_one():
    spike = Spike(at_s=14 * 3600.0, lasts_s=3600.0, factor=3.0)
    day = Day(name="d", peak_to_valley=1.0, busiest_s=0.0, spikes=(spike,), source="s", date="2026")
    # 23 hours at 1 and one at 3: mean 26/24
    found = shape(day, np.array([0.0, 14.5 * 3600, 15 * 3600.0]))
    assert found == pytest.approx([24 / 26, 72 / 26, 24 / 26])
    for each in (OFFICE, PLAIN, day):
        assert shape(each, np.arange(5.0, DAY_S, 10.0)).mean() == pytest.approx(1.0)


def test_a_day_has_as_many_requests_as_asked_and_where_they_belong():
    times = draw(2.0, duration_s=DAY_S)
    # Poisson: 172,800 with a standard deviation of 416
    assert len(times) == pytest.approx(2 * DAY_S, abs=4 * 416)
    assert np.all(np.diff(times) > 0)
    counts = np.bincount((times // 600).astype(int), minlength=144)
    want = 1200 * shape(OFFICE, np.arange(5.0, DAY_S, 10.0)).reshape(144, 60).mean(axis=1)
    assert np.all(np.abs(counts - want) < 6 * np.sqrt(want))


def test_more_requests_begin_with_the_fewer():
    assert draw(1.0, requests=100).tolist() == draw(1.0, requests=5000)[:100].tolist()
    assert draw(1.0, duration_s=60.0).tolist() == [t for t in draw(1.0, requests=5000) if t < 60]
    assert len(draw(1.0, requests=7)) == 7


def test_a_plan_of_a_day():
    rate = Rate(per_s=0.5, process="day")
    plan = arrival_plan(rate, Workload(), seed=3, duration_s=DAY_S)
    hours = np.bincount([int(r.scheduled_s // 3600) for r in plan.requests], minlength=24)
    assert hours[14] > 2 * hours[2]
    assert plan == arrival_plan(rate, Workload(), seed=3, duration_s=DAY_S)


def test_the_shipped_day_says_that_it_is_made_up():
    assert OFFICE.source.startswith("Synthetic")
    assert OFFICE.peak_to_valley == 4.0
