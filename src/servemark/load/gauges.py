"""What the instrument says of itself: how late its event loop runs, and the processor time it takes."""

from __future__ import annotations

import asyncio
import gc
import math
import os
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from servemark.domain.run import CpuShare

_TICK_S = 0.005


class LoopGauge:
    """A timer on the event loop that notes how late it wakes, in wall seconds.

    It takes the way of a chunk: ready in the selector, then one turn through the loop's queue. The
    selector's own granularity (1 ms with epoll) is included, so it bounds the error of a stamp from
    above.
    """

    def __init__(self) -> None:
        self._late_s = array("d")

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            due_s = time.monotonic() + _TICK_S
            await asyncio.sleep(_TICK_S)
            self._late_s.append(max(0.0, time.monotonic() - due_s))

    @property
    def p99_s(self) -> float:
        """99th percentile of the lateness."""
        return p99(self._late_s)

    @property
    def mean_s(self) -> float:
        """By how much a stamp is late on average: what comes in a stall waits for the rest of it, half on average.

        Stalls x_i, and a tick between two of them: `sum(x_i^2 / 2) / sum(tick + x_i)`. One stall of a second in a
        level of minutes is nothing, and yet the 99th percentile of a short one.
        """
        whole_s = sum(_TICK_S + late_s for late_s in self._late_s)
        return sum(late_s * late_s / 2 for late_s in self._late_s) / whole_s if whole_s else 0.0


class CpuGauge:
    """Cores kept busy between its making and the reading: by this process, and by the engine."""

    def __init__(self, engine_cpu_s: Callable[[], float | None] | None = None) -> None:
        self._engine_cpu_s = engine_cpu_s or (lambda: None)
        self._start = time.monotonic(), time.process_time(), self._engine_cpu_s()

    def read(self) -> CpuShare:
        """Cores, on average since the start."""
        wall_s, client_s, engine_s = self._start
        elapsed_s = max(time.monotonic() - wall_s, 1e-9)
        now_engine_s = self._engine_cpu_s()
        engine_cores = None
        if engine_s is not None and now_engine_s is not None:
            engine_cores = (now_engine_s - engine_s) / elapsed_s
        return CpuShare(
            client_cores=(time.process_time() - client_s) / elapsed_s,
            engine_cores=engine_cores,
            machine_cores=os.cpu_count() or 1,
        )


def p99(values: Sequence[float]) -> float:
    """Nearest-rank 99th percentile; 0 for none."""
    ordered = sorted(values)
    return ordered[math.ceil(0.99 * len(ordered)) - 1] if ordered else 0.0


@contextmanager
def collector_paused() -> Iterator[None]:
    """No garbage collection inside: a full collection stops every stream for tens of milliseconds."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        if was_enabled:
            gc.enable()
