"""The twin's two clocks, one running `time_factor` times as fast as the other, and its lateness."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque

from servemark.units import PS_PER_S

TIMER_S = 0.0011
"""Event-loop timers count in whole milliseconds, rounded up: the rest is slept in the thread."""
WINDOW_S = 10.0


class SimulatedClock:
    """Simulated time in integer picoseconds since the start, against the monotonic wall clock."""

    def __init__(self, time_factor: float) -> None:
        self.time_factor = time_factor
        self.start_s = time.perf_counter()

    def now_ps(self) -> int:
        """Simulated time now."""
        return round((time.perf_counter() - self.start_s) * self.time_factor * PS_PER_S)

    def wall_s(self, at_ps: int) -> float:
        """Wall clock (`time.perf_counter`) at which a simulated moment falls due."""
        return self.start_s + at_ps / PS_PER_S / self.time_factor

    async def sleep_until(self, at_ps: int) -> None:
        """Return when a simulated moment falls due, or at once when it has passed.

        Always lets the event loop run once, so that a twin that is behind still answers. The last
        millisecond blocks the thread: that is what makes it exact without burning CPU.
        """
        due_s = self.wall_s(at_ps)
        await asyncio.sleep(max(0.0, due_s - TIMER_S - time.perf_counter()))
        rest_s = due_s - time.perf_counter()
        if rest_s > 0:
            time.sleep(rest_s)


class Lateness:
    """How late steps were written in the last `WINDOW_S` seconds of wall time."""

    def __init__(self) -> None:
        self._steps: deque[tuple[float, float]] = deque()

    def record(self, due_s: float) -> None:
        """One step whose last token has just been written, due at `due_s` of the wall clock."""
        now_s = time.perf_counter()
        self._steps.append((now_s, max(0.0, now_s - due_s)))
        self._forget(now_s)

    def p99_s(self) -> float:
        """99th percentile (nearest rank) over the window; 0 when nothing was written in it."""
        self._forget(time.perf_counter())
        late_s = sorted(late for _, late in self._steps)
        return late_s[math.ceil(0.99 * len(late_s)) - 1] if late_s else 0.0

    def _forget(self, now_s: float) -> None:
        while self._steps and self._steps[0][0] < now_s - WINDOW_S:
            self._steps.popleft()
