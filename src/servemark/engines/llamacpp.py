"""The llama.cpp server, from the prebuilt `xllamacpp` wheel (extra `engine`)."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from servemark.engines.subprocess_engine import RunningEngine, await_address, get, launch
from servemark.errors import EngineError, InputError, MissingExtra

PACKAGE = "xllamacpp"
PROCESS = Path(__file__).with_name("llamacpp_process.py")


def start(
    model_path: str | Path,
    *,
    slots: int,
    context_tokens: int,
    threads: int | None = None,
    shared_pool: bool = False,
    context_shift: bool = False,
    port: int = 0,
    log_path: str | Path | None = None,
    ready_timeout_s: float = 60.0,
) -> RunningEngine:
    """Start a llama.cpp server on the loopback interface and wait until it is healthy.

    Args:
        model_path: a GGUF file.
        slots: how many sequences it runs at once.
        context_tokens: room for tokens over all slots. Each slot gets an equal share, which the engine
            rounds up to a multiple of 256; `settings["context_tokens_per_slot"]` says what it came to.
        threads: CPU threads of the engine; by default all cores but one.
        shared_pool: slots take from one pool as they need, instead of holding equal shares. When the pool
            runs dry the engine breaks off every stream in flight.
        context_shift: on a full slot, silently drop the front of the sequence instead of ending it.
        port: 0 picks a free one.
        log_path: where the engine's output goes; by default a temporary file, removed by `stop`.
        ready_timeout_s: how long it may take to become healthy.
    """
    for field, count in ("slots", slots), ("context_tokens", context_tokens), ("threads", threads):
        if count is not None and count < 1:
            raise InputError(field, expected="at least 1", found=count)
    model = check_model(Path(model_path))
    if importlib.util.find_spec(PACKAGE) is None:
        raise MissingExtra(PACKAGE, "engine")
    settings: dict[str, Any] = {
        "model_name": model.stem,
        "slots": slots,
        "context_tokens": context_tokens,
        "threads": threads or spare_cores(),
        "shared_pool": shared_pool,
        "context_shift": context_shift,
    }
    command = process_command(settings | {"model_path": str(model), "port": port})
    return start_process(command, settings, Path(log_path) if log_path else None, ready_timeout_s)


def process_command(wanted: dict[str, Any]) -> list[str]:
    """The command line of the engine's own process."""
    # -P: the folder of the process file must not become a place to import from
    return [sys.executable, "-P", str(PROCESS), json.dumps(wanted)]


def start_process(
    command: list[str], settings: dict[str, Any], log_path: Path | None, ready_timeout_s: float
) -> RunningEngine:
    """Launch it and wait until it is healthy; whatever goes wrong, no process is left behind."""
    begun_s = time.monotonic()
    child = launch(command, log_path)
    try:
        address = await_address("llama.cpp", child, ready_timeout_s)
        ready_s = time.monotonic() - begun_s
        per_slot = context_tokens_per_slot(address)
    except BaseException:
        child.end()
        raise
    return RunningEngine(
        name="llama.cpp",
        version=f"{PACKAGE} {importlib.metadata.version(PACKAGE)}",
        base_url=f"{address}/v1",
        model_name=settings["model_name"],
        settings=settings | {"context_tokens_per_slot": per_slot},
        ready_s=ready_s,
        child=child,
    )


def check_model(path: Path) -> Path:
    """The path, if it is a GGUF file; asked here because the engine's own refusal is a page long."""
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise InputError("model_path", expected="a GGUF file", found=f"{path} ({error.strerror})") from None
    if magic != b"GGUF":
        raise InputError("model_path", expected="a GGUF file", found=f"{path} (another kind of file)")
    return path.resolve()


def spare_cores() -> int:
    """All cores we may run on but one, which the client needs to stamp tokens in time."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, cores - 1)


def context_tokens_per_slot(address: str) -> int:
    """How long one sequence may grow, as the engine itself reports it."""
    status, body = get(address, "/slots")
    if status != 200:
        raise EngineError(f"llama.cpp answered {status} to /slots")
    return int(json.loads(body)[0]["n_ctx"])
