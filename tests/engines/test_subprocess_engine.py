"""Launching, waiting and ending, with a child that is no engine."""

import json
import os
import sys
import time

import pytest

from servemark.engines import subprocess_engine
from servemark.errors import EngineError


def launch(code, tmp_path):
    return subprocess_engine.launch([sys.executable, "-c", code], tmp_path / "child.log")


def test_child_that_ignores_terminate_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(subprocess_engine, "TERMINATE_S", 0.1)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    child = launch(deaf + "print('up', flush=True); time.sleep(60)", tmp_path)
    assert child.first_line(time.monotonic() + 30) == b"up\n"
    child.end()
    assert child.process.returncode == -9


def test_failure_quotes_only_the_end_of_the_log(tmp_path):
    talk = "import sys; [print('line', i, file=sys.stderr) for i in range(100)]; "
    child = launch(talk + "sys.exit(3)", tmp_path)
    with pytest.raises(EngineError) as failure:
        subprocess_engine.await_address("toy", child, 30.0)
    lines = str(failure.value).splitlines()
    assert lines[0] == "toy did not start: it ended with exit code 3. The end of its log:"
    assert lines[1:] == [f"line {i}" for i in range(100 - subprocess_engine.QUOTED_LINES, 100)]


def test_silent_child_is_ended_when_its_time_is_up(tmp_path):
    child = launch("import time; time.sleep(60)", tmp_path)
    with pytest.raises(EngineError, match=r"was not ready within 0\.2 s. The end of its log:\n\(empty\)"):
        subprocess_engine.await_address("toy", child, 0.2)
    assert child.process.returncode is not None


def test_address_that_nobody_answers_is_no_success(tmp_path):
    said = json.dumps({"address": "http://127.0.0.1:9"})
    child = launch(f"import time; print('{said}', flush=True); time.sleep(60)", tmp_path)
    with pytest.raises(EngineError, match="was not ready"):
        subprocess_engine.await_address("toy", child, 0.5)


def test_cpu_time_of_a_process():
    before_s = subprocess_engine.process_cpu_s(os.getpid())
    until_s = time.process_time() + 0.1
    while time.process_time() < until_s:
        pass
    assert 0.05 <= subprocess_engine.process_cpu_s(os.getpid()) - before_s < 5


def test_cpu_time_of_nobody_is_unknown():
    assert subprocess_engine.process_cpu_s(2**30) is None
