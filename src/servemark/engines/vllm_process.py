"""What runs inside vLLM's own process, under the interpreter that has it: its API server, until we let go.

Started as a file, not imported: it needs nothing of Servemark. Its one argument is a JSON object: the command line
of the server. It answers with one line of JSON, the address it will listen on.
"""

import json
import os
import runpy
import signal
import socket
import sys
import time

SERVER = "vllm.entrypoints.openai.api_server"
LAST_WORDS_S = 2.0
"""From the end of standard input to the end of everything: less than the parent waits before it kills."""
_LOOK_S = 0.05


def guard(server: int) -> None:
    """Wait until standard input ends, as it does when the parent lets go or dies; then end the whole group.

    A process of its own: the server's workers must end even where the server has died before them.
    """
    os.dup2(2, 1)
    while os.read(0, 4096):
        pass
    until_s = time.monotonic() + LAST_WORDS_S
    if os.getppid() == server:
        os.kill(server, signal.SIGTERM)
    while os.getppid() == server and time.monotonic() < until_s:
        time.sleep(_LOOK_S)
    os.killpg(os.getpgid(0), signal.SIGKILL)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run(arguments: list[str], port: int) -> None:
    """Serve until standard input ends."""
    server = os.getpid()
    if os.fork() == 0:
        guard(server)
    # the engine writes to standard output; only our one line may reach the parent
    answer = os.dup(1)
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    port = port or free_port()
    os.write(answer, json.dumps({"address": f"http://127.0.0.1:{port}"}).encode() + b"\n")
    os.close(answer)
    sys.argv = [SERVER, *arguments, "--host", "127.0.0.1", "--port", str(port)]
    runpy.run_module(SERVER, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    wanted = json.loads(sys.argv[1])
    run(wanted["arguments"], wanted["port"])
