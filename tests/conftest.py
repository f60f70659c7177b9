"""The `needs(...)` marker: what a bare machine may lack, and how it is found."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

# shared machines are slow at times: an example may take as long as it takes
settings.register_profile("servemark", deadline=None)
settings.load_profile("servemark")


# `make test-gpu` says so: the default suite leaves the GPU of a developer's machine alone
# and `make test-vllm` names the interpreter that has vLLM
collect_ignore = [
    room
    for room, asked in (("gpu", "SERVEMARK_GPU"), ("vllm", "SERVEMARK_VLLM"))
    if not os.environ.get(asked)
]


def _module(name):
    return lambda: importlib.util.find_spec(name) is not None


def _command(*names):
    return lambda: any(shutil.which(name) for name in names)


def _traces():
    folder = os.environ.get("SERVEMARK_TRACES")
    return bool(folder) and Path(folder).is_dir()


FOUND = {
    "chromium": _command("chromium", "chromium-browser", "google-chrome"),
    "promtool": _command("promtool"),
    "cc": _command("cc", "gcc", "clang"),
    "traces": _traces,
    "xllamacpp": _module("xllamacpp"),
    "openai": _module("openai"),
    "hub": _module("huggingface_hub"),
    "vl_convert": _module("vl_convert"),
    "ipython": _module("IPython"),
    "lingua": _module("lingua"),
    "statsmodels": _module("statsmodels"),
    "vllm": lambda: Path(os.environ.get("SERVEMARK_VLLM", "-")).is_file(),
    "gpu": lambda: bool(shutil.which("nvidia-smi")) and _module("torch")(),
}


def pytest_runtest_setup(item):
    for mark in item.iter_markers("needs"):
        for name in mark.args:
            if not FOUND[name]():
                reason = f"needs {name}: not found on this machine"
                if os.environ.get("SERVEMARK_NEEDS") == "required":
                    pytest.fail(reason)
                pytest.skip(reason)


@pytest.fixture
def traces() -> Path:
    """Folder of the real traces (SERVEMARK_TRACES); ask for it under `needs("traces")`."""
    return Path(os.environ["SERVEMARK_TRACES"])


@pytest.fixture(scope="session")
def truth_url():
    """Base URL of the truth server (`tests/truth_server.py`), a process of its own."""
    command = [sys.executable, str(Path(__file__).with_name("truth_server.py"))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.kill()
