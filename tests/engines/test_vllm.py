"""Starting and ending a process that behaves as vLLM's does; the real one is in tests/vllm."""

import http.client
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import servemark
from servemark.engines import tiny, vllm
from servemark.errors import EngineError, InputError, MissingExtra

SERVER = """
import http.server, json, os, subprocess, sys

worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
said = {"/version": {"version": "0.0"}, "/arguments": sys.argv[1:], "/worker": worker.pid,
        "/environment": dict(os.environ)}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps(said.get(self.path, {})).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


print("loading")
port = int(sys.argv[sys.argv.index("--port") + 1])
http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


@pytest.fixture
def python(tmp_path):
    """An interpreter that finds a package called vllm, whose server starts a worker of its own."""
    package = tmp_path / "vllm" / "entrypoints" / "openai"
    package.mkdir(parents=True)
    for folder in (tmp_path / "vllm", tmp_path / "vllm" / "entrypoints", package):
        (folder / "__init__.py").touch()
    (package / "api_server.py").write_text(SERVER)
    script = tmp_path / "python"
    script.write_text(f'#!/bin/sh\nPYTHONPATH="{tmp_path}" exec "{sys.executable}" "$@"\n')
    script.chmod(0o755)
    return script


def told(engine, path):
    address = urlsplit(engine.base_url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
    connection.request("GET", path)
    content = json.loads(connection.getresponse().read())
    connection.close()
    return content


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def comes_true(condition, limit_s=10.0):
    deadline_s = time.monotonic() + limit_s
    while not condition() and time.monotonic() < deadline_s:
        time.sleep(0.02)
    return condition()


def test_it_says_what_it_is_and_ends_with_all_its_processes(python):
    settings = vllm.VllmSettings(num_gpu_blocks=24, max_num_seqs=8, enable_prefix_caching=False, threads=1)
    with vllm.start(tiny.folder(), settings, python=python) as engine:
        assert (engine.name, engine.version, engine.model_name) == ("vLLM", "vllm 0.0", "tiny")
        assert engine.settings["num_gpu_blocks"] == 24 and engine.settings["model_name"] == "tiny"
        arguments = " ".join(told(engine, "/arguments"))
        for words in ("--num-gpu-blocks-override 24", "--max-num-seqs 8", "--block-size 32",
                      "--no-enable-prefix-caching", "--host 127.0.0.1", "--served-model-name tiny"):  # fmt: skip
            assert words in arguments
        environment = told(engine, "/environment")
        assert (environment["OMP_NUM_THREADS"], environment["VLLM_CPU_KVCACHE_SPACE"]) == ("1", "1")
        worker = told(engine, "/worker")
        assert is_alive(worker) and "loading" in engine.log_tail()
    assert comes_true(lambda: not is_alive(worker)) and not engine.is_running()


def test_it_dies_with_its_parent(python):
    code = textwrap.dedent(f"""
        import os
        from servemark.engines import tiny, vllm
        engine = vllm.start(tiny.folder(), python={str(python)!r})
        print(engine.pid, engine.base_url, engine.log_path, flush=True)
        os.kill(os.getpid(), {int(signal.SIGKILL)})
    """)
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(servemark.__file__).parents[1])},
    )
    said, _ = parent.communicate(timeout=60)
    pid, _, log = said.split()
    Path(log).unlink()
    assert comes_true(lambda: not is_alive(int(pid)))
    assert comes_true(lambda: not group(int(pid)))


def group(leader):
    """Living processes of a group."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == leader and fields[0] != "Z":
            found.append(path)
    return found


def test_an_interpreter_without_vllm_is_a_start_failure_that_says_so():
    # another name for our own, so that it is asked and not looked into
    other = Path(sys.executable).parent / ".." / "bin" / Path(sys.executable).name
    with pytest.raises(
        EngineError, match=r"vLLM did not start.*exit code 1.*\n(.*\n)*.*No module named 'vllm'"
    ):
        vllm.start(tiny.folder(), python=other)


def test_our_own_interpreter_without_vllm_names_the_extra(monkeypatch):
    monkeypatch.setattr(vllm, "PACKAGE", "a_package_that_is_not_there")
    with pytest.raises(MissingExtra, match=r"servemark\[vllm\]"):
        vllm.start(tiny.folder())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"block_size": 16}, "block_size: expected a multiple of 32, found 16"),
        ({"num_gpu_blocks": 0}, "num_gpu_blocks: expected at least 1, found 0"),
        ({"max_num_seqs": 0}, "max_num_seqs: expected at least 1, found 0"),
        ({"max_model_len": -1}, "max_model_len: expected at least 1, found -1"),
    ],
)
def test_impossible_settings_are_refused(settings, words):
    with pytest.raises(InputError, match=words):
        vllm.start(tiny.folder(), vllm.VllmSettings(**settings))


def test_a_folder_that_is_no_model_and_an_interpreter_that_is_not_there_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"model_path: expected a Hugging Face folder with a config\.json"):
        vllm.start(tmp_path)
    with pytest.raises(InputError, match="python: expected the interpreter of an environment with vLLM"):
        vllm.start(tiny.folder(), python=tmp_path / "python")
