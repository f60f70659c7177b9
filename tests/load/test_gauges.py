import asyncio
import gc
import time

import pytest

from servemark.load.gauges import CpuGauge, LoopGauge, collector_paused, p99


def test_nearest_rank_p99():
    assert p99([]) == 0.0
    assert p99([3.0]) == 3.0
    assert p99([float(n) for n in range(1, 101)]) == 99.0
    assert p99([float(n) for n in range(1, 102)]) == 100.0


def test_how_late_a_stamp_is_on_average():
    """In 100 ticks of 5 ms one stall of 0.5 s: half of a second is stall, and of that a stamp waits for the half."""
    gauge = LoopGauge()
    gauge._late_s.extend([0.0] * 99 + [0.5])
    assert gauge.mean_s == pytest.approx(0.5**2 / 2 / (100 * 0.005 + 0.5))
    assert LoopGauge().mean_s == 0.0


async def test_the_loop_gauge_sees_a_loop_that_is_held_up():
    """30 ms of holding up in every 35 ms: the timer wakes up to 30 ms late."""
    gauge = LoopGauge()
    running = asyncio.ensure_future(gauge.run())
    for _ in range(8):
        await asyncio.sleep(0.005)
        time.sleep(0.03)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert 0.02 < gauge.p99_s < 0.5


async def test_the_loop_gauge_of_an_idle_loop_stays_small():
    gauge = LoopGauge()
    running = asyncio.ensure_future(gauge.run())
    await asyncio.sleep(0.3)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    late_s = sorted(gauge._late_s)
    assert len(late_s) > 10 and late_s[len(late_s) // 2] < 0.02


def test_cores_kept_busy():
    engine = iter((10.0, 10.5))
    gauge = CpuGauge(lambda: next(engine))
    end_s = time.process_time() + 0.1
    while time.process_time() < end_s:
        pass
    share = gauge.read()
    assert 0.05 < share.client_cores <= 1.1 and share.machine_cores >= 1
    assert share.engine_cores == pytest.approx(5 * share.client_cores, rel=0.2)  # 0.5 s against 0.1 s
    assert CpuGauge().read().engine_cores is None


def test_no_collection_runs_inside_and_the_collector_is_as_before_after():
    collections, frozen = [], gc.get_freeze_count()
    gc.callbacks.append(lambda phase, info: collections.append(phase))
    try:
        with collector_paused():
            collections.clear()
            for _ in range(20_000):
                cycle = []
                cycle.append(cycle)
            assert collections == [] and not gc.isenabled()
        assert gc.isenabled() and gc.get_freeze_count() <= frozen
        gc.disable()
        with collector_paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
        gc.callbacks.pop()
