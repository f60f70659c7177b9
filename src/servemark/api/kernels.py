"""`calibrate --gpu-bench`: the local GPU's own kernels -> coefficients."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from servemark.api.deployments import DeploymentOptions
from servemark.calibration.gpu_bench import FULL, Bench, gpu_bench
from servemark.calibration.kernels import kernel_efficiencies, updated
from servemark.catalogue.coefficients import find_coefficients
from servemark.catalogue.engine_defaults import find_engine
from servemark.catalogue.gpu_types import find_gpu
from servemark.domain.calibration import Calibration
from servemark.domain.deployment import EngineConfig
from servemark.domain.gpu import Gpu
from servemark.errors import InputError, UnknownName
from servemark.store.provenance import provenance_now

DTYPES = ("bf16", "fp16", "fp8", "int8")
UNDERSTOOD = ("gpu", "dtype", "engine")


def kernel_calibration(options: DeploymentOptions, on_step: Callable[[str], None]) -> Calibration:
    """Time the kernels of the first GPU and move the coefficients of every dtype towards them.

    Raises:
        MissingExtra: torch is not installed.
        InputError: no GPU, one that the catalogue does not know, or an option that says nothing here.
    """
    given = {key.rstrip("_"): value for key, value in options.items() if value is not None}
    for key in given:
        if key not in UNDERSTOOD:
            raise InputError(
                key, expected="no more than --gpu, --dtype and --engine beside --gpu-bench", found="given"
            )
    dtypes = (str(given["dtype"]),) if "dtype" in given else DTYPES
    if dtypes[0] not in DTYPES:
        raise UnknownName("dtype", kind="a format that torch multiplies", name=dtypes[0], known=DTYPES)
    engine = find_engine(str(given.get("engine", "vllm")))
    named = find_gpu(str(given["gpu"])) if "gpu" in given else None
    bench = gpu_bench(FULL, dtypes=dtypes, on_step=on_step)
    return bench_calibration(bench, named or find_gpu(bench.device, path="gpu"), engine)


def bench_calibration(bench: Bench, gpu: Gpu, engine: EngineConfig) -> Calibration:
    """The calibration that a bench of a GPU comes to.

    Raises:
        InputError: no dtype could be multiplied.
    """
    made = provenance_now(0)
    timed = dict.fromkeys(each.dtype for each in bench.kernels if each.kind == "gemm")
    if not timed:
        raise InputError(
            "gpu_bench", expected="one format that can be multiplied", found="; ".join(bench.notes)
        )
    prior = tuple(
        find_coefficients(gpu, dtype=dtype, engine=engine.name, version=engine.version) for dtype in timed
    )
    fitted = tuple(
        replace(
            updated(each, kernel_efficiencies(bench.kernels, gpu, each.dtype)),
            source=f"kernels of this machine's {bench.device}",
            date=made.started[:10],
        )
        for each in prior
    )
    copied = next(each for each in bench.kernels if each.kind == "copy")
    share = copied.moved_bytes / copied.time_s / gpu.bandwidth_bytes_per_s
    return Calibration(
        method="kernels",
        started=made.started,
        device=gpu,
        coefficients=fitted,
        prior=prior,
        kernels=bench.kernels,
        versions={"servemark": made.servemark, "board": bench.device} | bench.versions,
        notes=(
            f"copies run at {share:.0%} of the {gpu.name}'s data sheet".replace("%", " %"),
            *bench.notes,
        ),
    )
