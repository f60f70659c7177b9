"""Boards where there is a driver, and the reason where there is none."""

import asyncio
import ctypes
import time

import pynvml
import pytest

from servemark.telemetry.boards import Boards, sample_boards


def has_driver():
    try:
        ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return False
    return True


@pytest.mark.skipif(has_driver(), reason="this machine has an NVIDIA driver")
def test_without_a_driver_there_are_no_boards_and_a_reason():
    boards = Boards()
    assert len(boards) == 0 and not boards
    assert boards.reason == "NVML Shared Library Not Found"
    assert boards.sample(1.0) == ()
    boards.close()


@pytest.mark.skipif(not has_driver(), reason="this machine has no NVIDIA driver")
def test_a_real_board_reports_itself():
    boards = Boards()
    assert boards.reason == "" and len(boards) >= 1
    sample = boards.sample(1.5)[0]
    assert (sample.at_s, sample.gpu) == (1.5, 0)
    assert 1 < sample.power_w < 2000 and 0 < sample.temperature_c < 120
    assert 0 <= sample.utilization_ratio <= 1
    assert 0 < sample.memory_used_bytes < 1e12 and 1e8 < sample.clock_hz < 1e10
    boards.close()


class Driver:
    """Answers as NVML does, in its own structures; `fails` are the calls this board does not support."""

    def __init__(self, monkeypatch, *, count=2, fails=()):
        utilization, memory = pynvml.c_nvmlUtilization_t(), pynvml.c_nvmlMemory_v2_t()
        utilization.gpu, memory.used, memory.total = 37, 42_055 * 2**20, 46_068 * 2**20
        answers = {
            "nvmlInit": None,
            "nvmlShutdown": None,
            "nvmlDeviceGetCount": count,
            "nvmlDeviceGetHandleByIndex": object(),
            "nvmlDeviceGetPowerUsage": 287_500,
            "nvmlDeviceGetTemperature": 61,
            "nvmlDeviceGetUtilizationRates": utilization,
            "nvmlDeviceGetMemoryInfo": memory,
            "nvmlDeviceGetClockInfo": 2_490,
        }
        for name, answer in answers.items():
            monkeypatch.setattr(pynvml, name, self.call(answer, name in fails))

    def call(self, answer, fails):
        def answered(*arguments):
            if fails:
                raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
            return answer

        return answered


def test_milliwatts_percent_and_megahertz_become_si(monkeypatch):
    Driver(monkeypatch)
    first, second = Boards().sample(2.0)
    assert (first.gpu, second.gpu, first.at_s) == (0, 1, 2.0)
    assert first.power_w == pytest.approx(287.5)
    assert first.temperature_c == 61.0
    assert first.utilization_ratio == pytest.approx(0.37)
    assert first.memory_used_bytes == 42_055 * 2**20
    assert first.clock_hz == pytest.approx(2.49e9)


def test_memory_of_an_older_driver_that_does_not_set_the_reserved_part_apart(monkeypatch):
    Driver(monkeypatch, count=1)
    older = pynvml.c_nvmlMemory_t()
    older.used = 512 * 2**20

    def first_version_only(handle, version=None):
        if version is not None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_FUNCTION_NOT_FOUND)
        return older

    monkeypatch.setattr(pynvml, "nvmlDeviceGetMemoryInfo", first_version_only)
    assert Boards().sample(0.0)[0].memory_used_bytes == 512 * 2**20


def test_what_a_board_does_not_report_is_none(monkeypatch):
    Driver(monkeypatch, count=1, fails=("nvmlDeviceGetPowerUsage", "nvmlDeviceGetUtilizationRates"))
    (sample,) = Boards().sample(0.0)
    assert sample.power_w is None and sample.utilization_ratio is None
    assert sample.temperature_c == 61.0


def test_a_driver_without_boards(monkeypatch):
    Driver(monkeypatch, count=0)
    assert Boards().reason == "the driver is there, but no board"


async def test_sampling_goes_on_until_cancelled(monkeypatch):
    Driver(monkeypatch, count=1)
    samples, start = [], time.monotonic()
    sampling = asyncio.ensure_future(
        sample_boards(Boards(), lambda: time.monotonic() - start, samples.append, interval_s=0.02)
    )
    await asyncio.sleep(0.2)
    sampling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sampling
    assert 2 <= len(samples) <= 11
    assert [each.at_s for each in samples] == sorted(each.at_s for each in samples)
