"""Launching, waiting and ending, with a child that is no engine."""

import json
import os
import signal
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


BURN = "import time; until = time.process_time() + 0.3\nwhile time.process_time() < until: pass\n"


def test_cpu_time_of_a_group_counts_the_processes_that_its_leader_started(tmp_path):
    burn = tmp_path / "burn.py"
    burn.write_text(BURN + "print('done', flush=True); time.sleep(60)")
    start = (
        f"import subprocess, sys, time; subprocess.Popen([sys.executable, {str(burn)!r}]); time.sleep(60)"
    )
    child = launch(start, tmp_path)
    try:
        assert child.first_line(time.monotonic() + 30) == b"done\n"
        assert 0.25 <= subprocess_engine.group_cpu_s(child.process.pid) < 10
    finally:
        os.killpg(child.process.pid, signal.SIGKILL)
        child.end()


def test_cpu_time_of_nobody_is_unknown():
    assert subprocess_engine.group_cpu_s(2**30) is None
