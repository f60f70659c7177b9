import time

import pytest

from servemark.client.clock import Clock


def test_run_seconds_are_wall_seconds_times_the_factor():
    clock = Clock(4.0)
    before = time.monotonic()
    first = clock.now_s()
    time.sleep(0.02)
    second = clock.now_s()
    wall_s = time.monotonic() - before
    assert 4 * 0.02 <= second - first <= 4 * wall_s
    assert clock.wall_s(8.0) == 2.0


async def test_sleeping_until_a_run_second():
    clock = Clock(10.0)
    await clock.sleep_until_s(0.5)
    assert clock.now_s() == pytest.approx(0.5, abs=0.3) and clock.now_s() >= 0.49


async def test_a_moment_already_past_returns_at_once():
    clock = Clock()
    await clock.sleep_until_s(-5.0)
    assert clock.now_s() < 0.5
