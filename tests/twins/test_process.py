"""A twin in its own process, with the real physics."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest

from servemark.errors import InputError
from servemark.physics.speculation import step_time
from servemark.twins.process import start_twin


def started(settings, **options):
    made = settings()
    return start_twin(made.deployment, made.coefficients, kv_blocks=1000, **options)


def get(twin, path):
    connection = http.client.HTTPConnection(urlsplit(twin.base_url).netloc, timeout=10)
    connection.request("GET", path)
    body = connection.getresponse().read()
    connection.close()
    return body


def ask(twin, **fields):
    connection = http.client.HTTPConnection(urlsplit(twin.base_url).netloc, timeout=20)
    body = {"messages": [{"role": "user", "content": "word " * 90}], "ignore_eos": True, **fields}
    begun_s = time.perf_counter()
    connection.request("POST", "/v1/chat/completions", json.dumps(body))
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer, time.perf_counter() - begun_s


def test_it_answers_as_the_step_time_says_and_ends_when_told(settings, tmp_path):
    made = settings()
    steps = step_time(made.deployment, made.coefficients)
    # a prompt of 100 tokens, then 9 steps that find 100, 101, ... 108 tokens in the cache
    truth_ps = steps.mixed(0, 0, 100, 100 * 101 // 2, 1)
    truth_ps += sum(steps.decode(1).at(context) for context in range(100, 109))
    with started(settings, log_path=tmp_path / "twin.log") as twin:
        answer, took_s = ask(twin, max_tokens=10)
        health = json.loads(get(twin, "/health"))
        label = '{engine="0",model_name="llama-3.1-8b"}'
        e2e = f"vllm:e2e_request_latency_seconds_sum{label} {truth_ps / 1e12}"
        assert e2e in get(twin, "/metrics").decode().splitlines()
        assert health["time_factor"] == 1.0
        assert twin.cpu_s() > 0
    assert answer["usage"]["completion_tokens"] == 10
    assert took_s >= truth_ps / 1e12
    assert took_s < truth_ps / 1e12 + health["lag_p99_s"] + 0.5
    assert not twin.is_running()
    assert (tmp_path / "twin.log").exists()


def test_a_taken_port_is_the_callers_to_know(settings):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"port: expected a free port, found {port}"):
            started(settings, port=port)


def test_impossible_settings_are_refused_before_anything_starts(settings):
    with pytest.raises(InputError, match=r"^time_factor: "):
        started(settings, time_factor=-1.0)


STARTER = """
import sys, time
import msgspec
from servemark.twins.process import start_twin
from servemark.twins.settings import TwinSettings
made = msgspec.json.decode(sys.stdin.buffer.read(), type=TwinSettings)
twin = start_twin(made.deployment, made.coefficients, kv_blocks=made.kv_blocks)
print(twin.pid, flush=True)
time.sleep(60)
"""


def test_it_dies_with_its_parent_even_if_that_is_killed(settings, tmp_path):
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    starter.stdin.write(msgspec.json.encode(settings()))
    starter.stdin.close()
    pid = int(starter.stdout.readline())
    starter.send_signal(signal.SIGKILL)
    starter.wait(10)
    starter.stdout.close()
    for _ in range(100):
        if not is_alive(pid):
            return
        time.sleep(0.05)
    pytest.fail("the twin outlived its parent")


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    # where nobody reaps orphans an ended process stays as a zombie
    return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")
