"""The real llama.cpp server, started and stopped for real."""

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
from servemark.engines import llamacpp, tiny
from servemark.errors import EngineError, InputError, MissingExtra

needs_engine = pytest.mark.needs("xllamacpp")


@pytest.fixture(scope="module")
def engine():
    with llamacpp.start(tiny.gguf_path(), slots=2, context_tokens=1024, threads=1) as running:
        yield running


def post(engine, item, **more):
    """One streamed chat completion on a fresh connection: the text, and the last words of the stream."""
    address = urlsplit(engine.base_url)
    body = {
        "model": engine.model_name,
        "messages": [{"role": m.role, "content": m.content} for m in item.messages],
        "max_tokens": tiny.LONGEST_ANSWER_TOKENS,
        "temperature": 0,
        "stream": True,
    } | more
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    try:
        json_type = {"Content-Type": "application/json"}
        connection.request("POST", f"{address.path}/chat/completions", json.dumps(body), json_type)
        response = connection.getresponse()
        assert response.status == 200
        return read_stream(response)
    finally:
        connection.close()


def usage(engine, item):
    """The engine's own count of tokens of one exchange."""
    messages = [{"role": m.role, "content": m.content} for m in item.messages]
    body = {"messages": messages, "max_tokens": tiny.LONGEST_ANSWER_TOKENS, "temperature": 0}
    address = urlsplit(engine.base_url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    try:
        json_type = {"Content-Type": "application/json"}
        connection.request("POST", f"{address.path}/chat/completions", json.dumps(body), json_type)
        return json.load(connection.getresponse())["usage"]
    finally:
        connection.close()


def read_stream(response):
    text, finish = "", None
    for line in response:
        if not line.startswith(b"data: ") or line.strip() == b"data: [DONE]":
            continue
        choice = json.loads(line.removeprefix(b"data: "))["choices"][0]
        text += choice["delta"].get("content") or ""
        finish = choice["finish_reason"] or finish
    return text, finish


def is_alive(pid):
    """Whether the process still runs; a zombie nobody has reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def comes_true(condition, limit_s=10.0):
    deadline_s = time.monotonic() + limit_s
    while not condition() and time.monotonic() < deadline_s:
        time.sleep(0.02)
    return condition()


@needs_engine
def test_served_alone_every_answer_of_both_banks_is_right_word_for_word(engine):
    wrong = []
    for item in (*tiny.bank(), *tiny.short_bank()):
        text, finish = post(engine, item)
        if (text, finish) != (item.answer, "stop"):
            wrong.append((item.id, text, finish))
    assert wrong == []


@needs_engine
def test_items_of_the_short_bank_take_76_to_84_tokens_each(engine):
    """So 6 x 84 = 504 fit into a pool of 512, and 8 x 76 = 608 do not; 512 / 82 = 6.2 users."""
    taken = [usage(engine, item)["total_tokens"] for item in tiny.short_bank()]
    assert min(taken) >= 76 and max(taken) <= 84
    assert int(512 * len(taken) / sum(taken)) == 6


@needs_engine
def test_without_its_system_prompt_malay_is_mostly_lost(engine):
    malay = [item for item in tiny.bank()[:100] if item.expected_language == "ms"]
    front_lost = [type(item)(id=item.id, messages=item.messages[1:]) for item in malay]
    still_malay = sum(post(engine, item)[0].startswith("Sebab") for item in front_lost)
    assert still_malay < len(malay) / 2


@needs_engine
def test_says_what_it_is(engine):
    assert engine.name == "llama.cpp"
    assert engine.version.startswith("xllamacpp ")
    assert engine.base_url.startswith("http://127.0.0.1:")
    assert engine.base_url.endswith("/v1")
    assert engine.model_name == "tiny"
    assert engine.is_running()
    assert engine.settings == {
        "model_name": "tiny",
        "slots": 2,
        "context_tokens": 1024,
        "context_tokens_per_slot": 512,
        "threads": 1,
        "shared_pool": False,
        "context_shift": False,
    }


@needs_engine
def test_cpu_time_grows_with_work(engine):
    before_s = engine.cpu_s()
    for item in tiny.bank()[:10]:
        post(engine, item)
    assert engine.cpu_s() > before_s


@needs_engine
def test_stopped_engine_leaves_no_process_and_no_log():
    with llamacpp.start(tiny.gguf_path(), slots=1, context_tokens=512) as running:
        assert is_alive(running.pid)
        assert running.log_tail()
        log = running.log_path
    assert not is_alive(running.pid)
    assert not running.is_running()
    assert running.cpu_s() is None
    assert not log.exists()
    running.stop()


@needs_engine
def test_killed_engine_leaves_no_process(tmp_path):
    log = tmp_path / "logs" / "engine.log"
    with llamacpp.start(tiny.gguf_path(), slots=1, context_tokens=512, log_path=log) as running:
        os.kill(running.pid, signal.SIGKILL)
        assert comes_true(lambda: not running.is_running())
    assert not Path(f"/proc/{running.pid}").exists()
    assert log.stat().st_size > 0


@needs_engine
def test_engine_dies_with_its_parent():
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent("""
                import os
                from servemark.engines import llamacpp, tiny
                running = llamacpp.start(tiny.gguf_path(), slots=1, context_tokens=512)
                print(running.pid, running.log_path, flush=True)
                os.kill(os.getpid(), 9)
            """),
        ],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(servemark.__file__).parents[1])},
    )
    said, _ = parent.communicate(timeout=30)
    pid, log = said.split()
    Path(log).unlink()
    assert comes_true(lambda: not is_alive(int(pid)))


@needs_engine
def test_start_failure_quotes_the_log(tmp_path):
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(tiny.gguf_path().read_bytes()[:100_000])
    with pytest.raises(EngineError, match=r"exit code 1.*\n(.*\n)*.*failed to load model"):
        llamacpp.start(cut, slots=1, context_tokens=512)


@needs_engine
def test_taken_port_is_a_start_failure(engine):
    port = urlsplit(engine.base_url).port
    with pytest.raises(EngineError, match=r"exit code"):
        llamacpp.start(tiny.gguf_path(), slots=1, context_tokens=512, port=port)


@needs_engine
def test_no_time_to_get_ready_is_a_start_failure():
    with pytest.raises(EngineError, match="was not ready within 0 s"):
        llamacpp.start(tiny.gguf_path(), slots=1, context_tokens=512, ready_timeout_s=0.0)


@pytest.mark.parametrize("content", [None, b"PK\x03\x04"], ids=["missing", "another kind"])
def test_unknown_model_file_is_refused_with_one_line(tmp_path, content):
    path = tmp_path / "model.gguf"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as refusal:
        llamacpp.start(path, slots=1, context_tokens=512)
    assert "model.gguf" in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("wrong", [{"slots": 0}, {"context_tokens": 0}, {"threads": 0}])
def test_counts_below_one_are_refused(wrong):
    with pytest.raises(InputError, match=f"{next(iter(wrong))}: expected at least 1, found 0"):
        llamacpp.start(tiny.gguf_path(), **{"slots": 1, "context_tokens": 512} | wrong)


def test_missing_wheel_names_the_extra(monkeypatch):
    monkeypatch.setattr(llamacpp, "PACKAGE", "a_package_that_is_not_there")
    with pytest.raises(MissingExtra, match=r"servemark\[engine\]"):
        llamacpp.start(tiny.gguf_path(), slots=1, context_tokens=512)


def test_engine_leaves_one_core_to_the_client(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3})
    assert llamacpp.spare_cores() == 3
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    assert llamacpp.spare_cores() == 1
