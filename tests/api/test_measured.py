"""The public `measure`, against a twin: from a script, from a running loop, interrupted."""

import asyncio
import json
import os
import signal
import subprocess
import sys

import pytest

import servemark as sm

SMALL = {"input": 20, "output": 4, "warmup": 0, "runs": None}


@pytest.fixture(scope="module")
def url():
    with sm.twin("llama-3.1-8b", gpu="l40s", port=0, time_factor=10) as twin:
        yield twin.base_url


def test_the_command_is_recorded_without_secrets(url, tmp_path):
    command = [
        sys.executable,
        "-m",
        "servemark",
        "measure",
        url,
        "--users",
        "1",
        "--requests",
        "2",
        "--json",
    ]
    command += ["--warmup", "0", "--output", "2", "--header", "X-Team: swordfish"]
    environment = os.environ | {"SERVEMARK_API_KEY": "sk-xyzzy"}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    document = json.loads(done.stdout)
    assert document["provenance"]["command"].startswith(f"servemark measure {url} --users 1")
    kept = "".join(file.read_text() for file in tmp_path.rglob("*") if file.is_file())
    for secret in ("swordfish", "sk-xyzzy"):
        assert secret not in kept + done.stdout + done.stderr


def test_what_is_asked_is_what_is_sent(url):
    run = sm.measure(url, users=[1, 2], requests=5, body={"top_p": 0.5}, header=["X-Team: a"], **SMALL)
    assert [level.requests_sent for level in run.levels] == [5, 5]
    assert [level.warmup_sent for level in run.levels] == [0, 0]


async def test_it_runs_where_a_loop_runs_already(url):
    assert asyncio.get_running_loop().is_running()
    run = sm.measure(url, users=1, requests=3, **SMALL)
    assert (run.levels[0].outcomes["complete"], run.provenance.finished) == (3, True)
    with pytest.raises(sm.EndpointError, match="nothing that listens"):
        sm.measure("http://127.0.0.1:9/v1")


@pytest.fixture
def interruptible():
    """SIGINT as a shell in the foreground leaves it; a background job of a script starts deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_in_a_running_loop_leaves_what_was_measured(url):
    sent = []

    def interrupt(level, progress):
        # once, and not before something was measured after the warm-up
        if progress.ended >= 3 and not sent:
            sent.append(progress)
            os.kill(os.getpid(), signal.SIGINT)

    async def cell():
        return sm.measure(url, users=[1, 2], duration="10min", on_progress=interrupt, **SMALL)

    # like IPython, and unlike asyncio.run, this takes no hold of SIGINT
    loop = asyncio.new_event_loop()
    run = loop.run_until_complete(cell())
    loop.close()
    assert run.provenance.finished is False
    assert run.levels[0].outcomes["complete"] == run.levels[0].requests_sent > 0


@pytest.mark.parametrize(
    ("options", "path"),
    [({"requests": 2.5}, "requests"), ({"requests": 2, "duration": "2s"}, "duration"),
     ({"duration": "0s"}, "duration"), ({"time_scale": 0}, "time_scale"), ({"body": "[]"}, "body"),
     ({"header": ["x"]}, "header[0]"), ({"users": [None]}, "users[0]")],
)  # fmt: skip
def test_bad_input_before_anything_is_sent(options, path):
    with pytest.raises(sm.InputError) as refused:
        sm.measure("http://127.0.0.1:9/v1", **options)
    assert refused.value.path == path
