"""An engine in a process of its own: launch it, wait until it is healthy, read its CPU time, end it."""

from __future__ import annotations

import http.client
import json
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self
from urllib.parse import urlsplit

from servemark.errors import EngineError

QUOTED_LINES = 12
POLL_S = 0.02
TERMINATE_S = 3.0


@dataclass(frozen=True, eq=False)
class RunningEngine:
    """A started engine. Use it as a context manager, or call `stop` yourself."""

    name: str
    version: str
    base_url: str
    """Where an OpenAI client points, `/v1` included."""
    model_name: str
    settings: Mapping[str, Any]
    """What it runs with, for provenance."""
    ready_s: float
    """Seconds from launch until it was healthy."""
    child: Child

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        return self.child.process.pid

    @property
    def log_path(self) -> Path:
        return self.child.log_path

    def is_running(self) -> bool:
        return self.child.process.poll() is None

    def cpu_s(self) -> float | None:
        """User and system CPU seconds so far, of all its processes; None where unknown, as after the end."""
        return group_cpu_s(self.pid) if self.is_running() else None

    def log_tail(self, lines: int = QUOTED_LINES) -> str:
        return self.child.log_tail(lines)

    def stop(self) -> None:
        """End the engine's process, by its id; harmless when it has ended already."""
        self.child.end()


@dataclass(frozen=True, eq=False)
class Child:
    """A launched process with its log. It holds our end of its standard input, which ends when we do."""

    process: subprocess.Popen[bytes]
    log_path: Path
    log_is_ours: bool

    def first_line(self, deadline_s: float) -> bytes:
        """The line it reports itself with; empty when it ends or the time is up first."""
        out = _pipe(self.process.stdout)
        line = b""
        while not line.endswith(b"\n") and (left_s := deadline_s - time.monotonic()) > 0:
            if select.select([out], [], [], left_s)[0]:
                part = os.read(out.fileno(), 4096)
                if not part:
                    return b""
                line += part
        return line

    def log_tail(self, lines: int = QUOTED_LINES) -> str:
        if not self.log_path.exists():
            return ""
        text = self.log_path.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def end(self) -> None:
        for pipe in self.process.stdin, self.process.stdout:
            _pipe(pipe).close()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(TERMINATE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
        if self.log_is_ours:
            self.log_path.unlink(missing_ok=True)


def launch(command: Sequence[str], log_path: Path | None) -> Child:
    """Start `command` with its output in the log; without a log path, in a temporary file of ours."""
    chosen = log_path or temporary_log()
    chosen.parent.mkdir(parents=True, exist_ok=True)
    with chosen.open("wb") as log:
        # a session of its own: Ctrl-C shall reach us, and we end the engine
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True
        )
    return Child(process=process, log_path=chosen, log_is_ours=log_path is None)


def temporary_log() -> Path:
    handle, name = tempfile.mkstemp(prefix="servemark-engine-", suffix=".log")
    os.close(handle)
    return Path(name)


def await_address(name: str, child: Child, timeout_s: float) -> str:
    """The address the child reports, once its /health says ok; the child is ended if that fails."""
    deadline_s = time.monotonic() + timeout_s
    address = ""
    while time.monotonic() < deadline_s and child.process.poll() is None:
        if not address:
            line = child.first_line(deadline_s)
            if not line:
                break
            address = json.loads(line)["address"]
        if is_healthy(address):
            return address
        time.sleep(POLL_S)
    raise start_failure(name, child, timeout_s)


def start_failure(name: str, child: Child, timeout_s: float) -> EngineError:
    """Why it did not start, with the end of its log; ends the child."""
    try:
        # a child that has closed its pipe is about to end: its exit code says more than ours would
        code = child.process.wait(0.5)
        how = f"ended with exit code {code}"
    except subprocess.TimeoutExpired:
        how = f"was not ready within {timeout_s:g} s"
    tail = child.log_tail() or "(empty)"
    child.end()
    return EngineError(f"{name} did not start: it {how}. The end of its log:\n{tail}")


def is_healthy(address: str) -> bool:
    try:
        status, _ = get(address, "/health")
    except OSError:
        return False
    return status == 200


def get(address: str, path: str, timeout_s: float = 5.0) -> tuple[int, bytes]:
    """One GET on a fresh connection: no proxies, no keep-alive."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_s)
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def group_cpu_s(leader: int) -> float | None:
    """User and system CPU seconds of the running processes of a group; None where /proc does not tell."""
    ticks = [
        int(fields[11]) + int(fields[12])
        for path in Path("/proc").glob("[0-9]*/stat")
        if (fields := _stat_fields(path)) and int(fields[2]) == leader
    ]
    return sum(ticks) / os.sysconf("SC_CLK_TCK") if ticks else None


def _stat_fields(path: Path) -> list[str]:
    """Of a process, from its state on; empty where it has just ended."""
    try:
        stat = path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return []
    # the command name, in brackets, may hold spaces: count the fields behind it
    return stat.rpartition(")")[2].split()


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None, "launched with pipes"
    return pipe
