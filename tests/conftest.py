"""The `needs(...)` marker: what a bare machine may lack, and how it is found."""

import importlib.util
import os
import shutil
from pathlib import Path

import pytest


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
