"""NVIDIA boards of this machine, sampled through NVML."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pynvml

from servemark.domain.run import GpuSample

_MILLI = 1e-3
_MEGA = 1e6


class Boards:
    """The boards that NVML finds; none, with the reason, where there is no driver."""

    def __init__(self) -> None:
        self.reason = ""
        """Why there are no boards."""
        self._handles: list[Any] = []
        self._open = False
        try:
            pynvml.nvmlInit()
            self._open = True
            count = pynvml.nvmlDeviceGetCount()
            self._handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(count)]
        except pynvml.NVMLError as error:
            self.reason = str(error)
        if not self._handles and not self.reason:
            self.reason = "the driver is there, but no board"

    def __len__(self) -> int:
        return len(self._handles)

    def sample(self, at_s: float) -> tuple[GpuSample, ...]:
        """One sample of every board; what a board does not report is None."""
        return tuple(_sample(handle, index, at_s) for index, handle in enumerate(self._handles))

    def close(self) -> None:
        """Let go of the driver."""
        if self._open:
            pynvml.nvmlShutdown()
            self._open = False
            self._handles = []


async def sample_boards(
    boards: Boards,
    now_s: Callable[[], float],
    on_sample: Callable[[GpuSample], None],
    *,
    interval_s: float = 1.0,
) -> None:
    """Sample every `interval_s` wall seconds until cancelled. The driver is asked in a thread."""
    while True:
        for sample in await asyncio.to_thread(boards.sample, now_s()):
            on_sample(sample)
        await asyncio.sleep(interval_s)


def _sample(handle: Any, index: int, at_s: float) -> GpuSample:
    return GpuSample(
        at_s=at_s,
        gpu=index,
        power_w=_read(lambda: pynvml.nvmlDeviceGetPowerUsage(handle) * _MILLI),
        temperature_c=_read(lambda: pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU)),
        utilization_ratio=_read(lambda: _busy_ratio(handle)),
        memory_used_bytes=_read(lambda: _used_bytes(handle)),
        clock_hz=_read(lambda: pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_SM) * _MEGA),
    )


def _busy_ratio(handle: Any) -> float:
    """Share of the last sampling period in which a kernel ran."""
    rates: Any = pynvml.nvmlDeviceGetUtilizationRates(handle)
    return rates.gpu / 100


def _used_bytes(handle: Any) -> float:
    """As nvidia-smi shows it: without what the driver keeps for itself, where it tells them apart (R510)."""
    try:
        memory: Any = pynvml.nvmlDeviceGetMemoryInfo(handle, pynvml.nvmlMemory_v2)
    except pynvml.NVMLError:
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    return memory.used


def _read(figure: Callable[[], float]) -> float | None:
    """A figure, or None where this board or driver does not give it."""
    try:
        return float(figure())
    except pynvml.NVMLError:
        return None
