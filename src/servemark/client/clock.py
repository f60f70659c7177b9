"""The clock of a run: seconds since its start, at the speed of the system under measurement."""

from __future__ import annotations

import asyncio
import time


class Clock:
    """One monotonic clock; run seconds = wall seconds x `time_factor`.

    A twin whose time runs four times faster is measured on a clock of factor 4, so that every stamp
    of the run is in simulated seconds.
    """

    def __init__(self, time_factor: float = 1.0) -> None:
        self.time_factor = time_factor
        self._start = time.monotonic()

    def now_s(self) -> float:
        """Run seconds since the clock was made."""
        return (time.monotonic() - self._start) * self.time_factor

    def wall_s(self, duration_s: float) -> float:
        """A duration of the run in seconds of the wall clock."""
        return duration_s / self.time_factor

    async def sleep_until_s(self, at_s: float) -> None:
        """Return at run second `at_s`; one already past only lets others run."""
        await asyncio.sleep(max(0.0, self.wall_s(at_s - self.now_s())))
