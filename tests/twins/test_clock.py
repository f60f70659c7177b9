import time

import pytest

from servemark.twins import clock as clock_module
from servemark.twins.clock import Lateness, SimulatedClock
from servemark.units import PS_PER_S


def test_a_simulated_second_lasts_a_quarter_at_factor_four():
    clock = SimulatedClock(4.0)
    assert clock.wall_s(2 * PS_PER_S) == pytest.approx(clock.start_s + 0.5)
    before = clock.now_ps()
    time.sleep(0.05)
    assert clock.now_ps() - before >= 0.2 * PS_PER_S


async def test_sleep_never_returns_early():
    clock = SimulatedClock(4.0)
    for step in range(1, 11):
        at_ps = step * 7_300_000_000
        await clock.sleep_until(at_ps)
        assert clock.now_ps() >= at_ps


def test_lateness_is_the_nearest_rank_over_the_window(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(clock_module.time, "perf_counter", lambda: now[0])
    lateness = Lateness()
    assert lateness.p99_s() == 0.0
    lateness.record(now[0] - 5.0)
    now[0] += 9.0
    for late_ms in range(100):
        lateness.record(now[0] - late_ms / 1000)
    # 101 steps: rank ceil(0.99 * 101) = 100 is the 99 ms one, the 5 s one above it
    assert lateness.p99_s() == pytest.approx(0.099)
    now[0] += 2.0
    # the first has left the window: 100 steps, rank 99
    assert lateness.p99_s() == pytest.approx(0.098)
    now[0] += 9.0
    assert lateness.p99_s() == 0.0
