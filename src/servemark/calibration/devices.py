"""A CPU as a device: what it copies and multiplies, measured in a second."""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import msgspec
import numpy as np
from msgspec.structs import replace

from servemark.domain.coefficients import Coefficients, Fitted
from servemark.domain.gpu import Gpu, Link, Source
from servemark.domain.record import Record
from servemark.units import GB, MIB, format_bandwidth, format_rate

COPY_BYTES = 256 * MIB
"""Over all threads, source and target: beyond what caches hold."""
MATRIX = 512
"""Side of the square matrices: 0.3 GFLOP a product."""
REPETITIONS = 20
EFFICIENCY_ERROR = 0.5
OVERHEAD_ERROR = 2.0
"""A factor of 7 either way: of their logarithm."""


class CpuRate(Record, frozen=True, kw_only=True):
    """What some threads reach together."""

    threads: int
    copy_bytes_per_s: float
    """Bytes read plus bytes written."""
    gemm_flop_per_s: float
    """FP32, square matrices."""


def cpu_rates(threads: int) -> tuple[CpuRate, ...]:
    """Copy bandwidth and matrix rate of this machine at 1, 2, 4 ... and `threads` threads.

    Each thread copies and multiplies arrays of its own. The best of `REPETITIONS` counts, as on a data sheet:
    what else runs on the machine makes single ones slow, and none fast. A numpy whose BLAS starts
    threads of its own has to be limited to one (`OPENBLAS_NUM_THREADS=1`, as the command line does).
    """
    counts = sorted({*(2**i for i in range(threads.bit_length())), threads})
    return tuple(_rate(count) for count in counts if count <= threads)


def cpu_device(rates: tuple[CpuRate, ...], *, measured_on: date) -> Gpu:
    """The device record of this CPU at the last of `rates`, for the thread count the engine runs with."""
    rate, name = rates[-1], cpu_name()
    memory = float(_memory_bytes())
    measured = Source(
        text="measured on this machine by `servemark calibrate --device cpu`",
        date=measured_on.isoformat(),
        checked=True,
    )
    flop_per_s: dict[str, float] = dict.fromkeys(("fp32", "bf16", "fp16"), rate.gemm_flop_per_s)
    return Gpu(
        key=f"cpu-{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')}-{rate.threads}t",
        name=f"{name}, {_threads(rate)}",
        aliases=("cpu",),
        vendor="other",
        family="cpu",
        architecture=platform.machine() or "cpu",
        form_factor="CPU",
        memory_nominal_bytes=memory,
        memory_reported_bytes=memory,
        memory_usable_bytes=memory,
        memory_kind="main memory",
        bandwidth_bytes_per_s=rate.copy_bytes_per_s,
        dense_flop_per_s=flop_per_s,
        tdp_w=0.0,
        pcie=Link(kind="pcie", bandwidth_bytes_per_s=rate.copy_bytes_per_s, spans_gpus=1),
        graphics_pipeline=False,
        launch="",
        sources={"*": measured},
        notes=tuple(_words(each) for each in rates),
    )


def unfamiliar(coefficients: Coefficients) -> Coefficients:
    """Coefficients for a device of no class that the catalogue was fitted to.

    Efficiencies may be half or twice as large; overheads, which a GPU's host and launches make, are known to
    their order of magnitude at best. How errors hang together is not known either.
    """
    names = [f.name for f in msgspec.structs.fields(Coefficients) if f.type is Fitted]
    least = {name: OVERHEAD_ERROR for name in names if name.endswith("_s")}
    least |= {name: EFFICIENCY_ERROR for name in names if name.endswith("_efficiency")}
    wide = {name: getattr(coefficients, name) for name in least}
    wide = {
        name: Fitted(value=each.value, relative_error=max(each.relative_error, least[name]))
        for name, each in wide.items()
    }
    return replace(coefficients, **wide, correlations=())


def cpu_name() -> str:
    """The processor's name as the system gives it."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        found = re.search(
            r"^model name\s*:\s*(.+)$", info.read_text(encoding="utf-8", errors="replace"), re.M
        )
        if found:
            return " ".join(re.sub(r"\((R|TM)\)|CPU|@.*", "", found[1]).split())
    return platform.processor() or platform.machine() or "CPU"


def _rate(threads: int) -> CpuRate:
    values = max(COPY_BYTES // threads // 16, 1)
    generator = np.random.default_rng(0)
    sources = [np.ones(values) for _ in range(threads)]
    targets = [np.empty(values) for _ in range(threads)]
    factors = [generator.random((MATRIX, MATRIX), np.float32) for _ in range(threads)]
    products = [np.empty((MATRIX, MATRIX), np.float32) for _ in range(threads)]
    with ThreadPoolExecutor(max_workers=threads) as pool:
        copied_s = _best_s(pool, threads, lambda i: np.copyto(targets[i], sources[i]))
        multiplied_s = _best_s(pool, threads, lambda i: np.matmul(factors[i], factors[i], out=products[i]))
    return CpuRate(
        threads=threads,
        copy_bytes_per_s=2 * 8 * values * threads / copied_s,
        gemm_flop_per_s=2 * MATRIX**3 * threads / multiplied_s,
    )


def _best_s(pool: ThreadPoolExecutor, threads: int, work: Callable[[int], object]) -> float:
    """Seconds until every thread has done its work once, at best."""
    times: list[float] = []
    for _ in range(REPETITIONS):
        begun_s = time.perf_counter()
        list(pool.map(work, range(threads)))
        times.append(time.perf_counter() - begun_s)
    return min(times)


def _words(rate: CpuRate) -> str:
    rates = f"copies {format_bandwidth(rate.copy_bytes_per_s)}"
    rates += f", multiplies {format_rate(rate.gemm_flop_per_s / GB, 'GFLOP/s')} (FP32)"
    return f"{_threads(rate)}: {rates}"


def _threads(rate: CpuRate) -> str:
    return f"{rate.threads} thread{'' if rate.threads == 1 else 's'}"


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
