"""A twin in a process of its own: the starter, and what runs inside."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
import sys
import time
from pathlib import Path

import msgspec

from servemark.domain.coefficients import Coefficients
from servemark.domain.deployment import Deployment
from servemark.domain.exchange import Suite
from servemark.domain.workload import Length
from servemark.engines.subprocess_engine import RunningEngine, await_address, launch
from servemark.errors import InputError
from servemark.physics.speculation import step_time
from servemark.simulation.live import LiveReplica
from servemark.twins.faults import FaultPlan
from servemark.twins.server import serve
from servemark.twins.settings import OverloadStatus, TwinSettings, check_settings
from servemark.version import __version__

HOST = "127.0.0.1"
BACKLOG = 1024
READY_S = 30.0

RunningTwin = RunningEngine
"""A running twin is a running engine: `base_url`, `pid`, `cpu_s()`, `stop()`; a context manager."""


def start_twin(
    deployment: Deployment,
    coefficients: Coefficients,
    *,
    kv_blocks: int,
    port: int = 0,
    time_factor: float = 1.0,
    seed: int = 0,
    output: Length | None = None,
    max_waiting: int | None = None,
    overload_status: OverloadStatus = 503,
    suite: Suite | None = None,
    faults: FaultPlan | None = None,
    fault_log: Path | None = None,
    log_path: Path | None = None,
) -> RunningTwin:
    """Start the twin of a deployment on the loopback interface and wait until it answers.

    It ends with `stop()`, or when this process does.

    Args:
        deployment: what is simulated.
        coefficients: of the step times.
        kv_blocks: KV-cache blocks of one replica.
        port: 0 takes a free one.
        time_factor: how much faster than real time its clock runs.
        seed: of the answers' words and lengths.
        output: lengths of answers that end by themselves; None = each runs to its `max_tokens`.
        max_waiting: requests that may wait in one replica without a seat; None = no limit.
        overload_status: what a request beyond that gets.
        suite: a prompt that is one of its items gets that item's right answer.
        faults: what goes wrong on purpose.
        fault_log: takes down which request got which fault; replaced where it exists.
        log_path: where its log goes; by default a temporary file, removed by `stop`.

    Raises:
        InputError: an impossible setting, or the port is taken.
        EngineError: it did not start; the message quotes the end of its log.
    """
    settings = TwinSettings(
        deployment=deployment,
        coefficients=coefficients,
        kv_blocks=kv_blocks,
        time_factor=time_factor,
        seed=seed,
        output=output,
        max_waiting=max_waiting,
        overload_status=overload_status,
        suite=suite,
        faults=faults,
        fault_log=None if fault_log is None else str(fault_log.absolute()),
    )
    check_settings(settings)
    _listen(port).close()  # a taken port is the caller's to know, not the log's
    begun_s = time.monotonic()
    if fault_log is not None:
        try:
            fault_log.open("wb").close()
        except OSError as error:
            found = f"{error.filename} ({error.strerror})"
            raise InputError("fault_log", expected="a file that can be written", found=found) from None
    try:
        child = launch([sys.executable, "-m", "servemark.twins.process", str(port)], log_path)
    except OSError as error:
        found = f"{error.filename} ({error.strerror})"
        raise InputError("log", expected="a file that can be written", found=found) from None
    try:
        assert child.process.stdin is not None, "launched with pipes"
        # one that dies at once has its own words for it, in its log
        with contextlib.suppress(BrokenPipeError):
            child.process.stdin.write(msgspec.json.encode(settings) + b"\n")
            child.process.stdin.flush()
        address = await_address("the twin", child, READY_S)
    except BaseException:
        child.end()
        raise
    return RunningTwin(
        name="twin",
        version=__version__,
        base_url=f"{address}/v1",
        model_name=settings.model_name,
        settings={"time_factor": time_factor, "seed": seed, "max_waiting": max_waiting},
        ready_s=time.monotonic() - begun_s,
        child=child,
    )


def _listen(port: int) -> socket.socket:
    """A listening socket on the loopback interface; raises InputError when the port is taken."""
    try:
        return socket.create_server((HOST, port), backlog=BACKLOG)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else error
        raise InputError("port", expected="a free port", found=f"{port} ({why})") from None


async def _serve_until_stdin_ends(settings: TwinSettings, listening: socket.socket, answer: int) -> None:
    """Serve until standard input ends, which it also does when the parent dies."""
    steps = step_time(settings.deployment, settings.coefficients)
    engine = settings.deployment.engine
    replicas = [LiveReplica(steps, engine, settings.kv_blocks) for _ in range(settings.deployment.replicas)]
    address = f"http://{HOST}:{listening.getsockname()[1]}"

    def report() -> None:
        os.write(answer, msgspec.json.encode({"address": address}) + b"\n")
        os.close(answer)

    serving = asyncio.create_task(serve(settings, replicas, listening, report))
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), serving.cancel)
    await asyncio.wait([serving])
    if not serving.cancelled():
        serving.result()


def main() -> None:
    """Run one twin: the settings come on standard input, the address goes to standard output."""
    answer = os.dup(1)
    os.dup2(2, 1)
    settings = msgspec.json.decode(sys.stdin.buffer.readline(), type=TwinSettings)
    # what start-up left behind never becomes garbage: collections stay short
    gc.freeze()
    asyncio.run(_serve_until_stdin_ends(settings, _listen(int(sys.argv[1])), answer))


if __name__ == "__main__":
    main()
