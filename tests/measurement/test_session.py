"""Whole measured runs against a server whose behaviour is known."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys

import aiohttp
import pytest
from aiohttp import web

from servemark.domain.exchange import Item, Message
from servemark.domain.workload import FixedLength, PlannedRequest, Rate, Replay, Slo, Users, Workload
from servemark.errors import EndpointError, InputError
from servemark.measurement.session import measure_endpoint
from servemark.stats.summary import summarise
from servemark.store.folders import list_runs, load_run
from servemark.traffic.traces import Trace

WORKLOAD = Workload(input=FixedLength(tokens=100), output=FixedLength(tokens=8))
TTFT = Slo(metric="ttft_s", statistic="p50", limit=0.5)
FAILURES = Slo(metric="failures_ratio", statistic="value", limit=0.01)
PACE = {"truth": {"first_s": 0.02, "gap_s": 0.01}}
KEY = "sk-test-0123456789"


async def measure(url, users=(1, 2), **fields):
    fields = {"extra_body": PACE, "requests": 8, "slos": (TTFT, FAILURES), "workload": WORKLOAD} | fields
    return await measure_endpoint(url, loads=[Users(users=n) for n in users], **fields)


async def counted(url):
    async with aiohttp.ClientSession() as session:
        return (await (await session.get(f"{url}/log")).json())["stats"]["requests"]


async def test_a_run_of_two_levels(truth_url, tmp_path):
    told = []
    run = await measure(
        truth_url,
        runs_root=tmp_path,
        command="servemark measure URL",
        settings={"max_num_seqs": "8"},
        on_progress=lambda level, progress: told.append((level, progress.ended)),
    )
    assert (run.origin, run.method, run.id) == ("measured", "load test", "0001-measured-truth")
    assert (run.endpoint.model, run.endpoint.url, run.endpoint.time_factor) == ("truth", truth_url, 1.0)
    assert run.endpoint.settings["max_num_seqs"] == "8" and "first_s" in run.endpoint.settings["extra_body"]
    assert run.provenance.finished and run.provenance.command == "servemark measure URL"
    assert [level.load for level in run.levels] == [Users(users=1), Users(users=2)]
    for users, level in zip((1, 2), run.levels, strict=True):
        assert (level.requests_sent, level.warmup_sent) == (8, users)
        assert level.outcomes["complete"] == sum(level.outcomes.values()) == 8
        assert 0.02 <= level.metrics["ttft_s"].p50 < 0.5
        assert 0.009 < level.metrics["tpot_s"].p50 < 0.1
        assert level.verdict.word == "holds"
        assert level.lag.server_p99_s is None and level.lag.loop_p99_s > 0 and level.cpu.client_cores > 0
        measured = [each for each in level.requests if not each.warmup]
        assert {each.input_tokens for each in measured} == {100}  # after calibration, exactly as asked
    assert run.capacity.load == Users(users=2)
    assert {level for level, _ in told} == {0, 1}
    assert load_run(tmp_path, "last") == run


async def test_without_preflight_the_server_sees_exactly_the_requests(truth_url):
    before = await counted(truth_url)
    run = await measure(truth_url, users=(1,), preflight=False, model="truth", warmup=0, requests=5)
    assert await counted(truth_url) - before == 5
    assert (run.levels[0].requests_sent, run.levels[0].warmup_sent) == (5, 0)
    with pytest.raises(InputError, match="model: expected a model name"):
        await measure(truth_url, preflight=False)


async def test_with_preflight_it_sees_the_models_and_one_completion_more(truth_url):
    """The models once for the preflight and once to know the engine by."""
    before = await counted(truth_url)
    await measure(truth_url, users=(1,), warmup=0, requests=5)
    assert await counted(truth_url) - before == 8


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"loads": []}, "loads: expected at least one load"),
        ({"requests": 0}, "requests: expected at least 1"),
        ({"duration_s": -1.0}, "duration: expected a number above 0"),
        ({"warmup": -1}, "warmup: expected at least 0"),
        ({"timeout_s": 0.0}, "timeout: expected a time above 0"),
        ({"loads": [Users(users=0)]}, "users: expected at least 1"),
    ],
)
async def test_bad_input_is_refused_before_anything_is_sent(fields, says):
    asked = {"loads": [Users(users=1)], "workload": WORKLOAD} | fields
    with pytest.raises(InputError, match=says):
        await measure_endpoint("http://127.0.0.1:9/v1", **asked)


async def test_an_endpoint_that_is_down_makes_no_run(tmp_path):
    with pytest.raises(EndpointError, match="nothing that listens"):
        await measure("http://127.0.0.1:9/v1", runs_root=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


async def test_failures_break_the_promise_and_do_not_end_the_run(truth_url):
    truth = {"truth": {"fault": "error_event"}}
    run = await measure(truth_url, users=(2,), extra_body=truth, preflight=False, model="truth")
    (level,) = run.levels
    assert level.outcomes["broken"] == 8 and level.failures_ratio == 1.0
    assert level.verdict.word == "breaks" and run.capacity.load is None


async def test_a_level_too_short_for_its_promise_says_so(truth_url):
    run = await measure(truth_url, users=(1,), slos=(Slo(metric="ttft_s", statistic="p95", limit=1.0),))
    (level,) = run.levels
    assert level.verdict.word == "undecided"
    (promise,) = level.verdict.slos
    assert promise.reason == "8 requests completed, 72 needed for p95"
    assert promise.requests_needed == 72


async def test_early_ends_are_noted(truth_url):
    truth = {"truth": {"fault": "stop", "tokens": 5}}
    run = await measure(truth_url, users=(1,), extra_body=truth)
    assert run.levels[0].outcomes["complete"] == 8
    assert run.levels[0].notes[0].startswith("answers that ended by themselves")


async def test_stale_connections_are_counted_and_are_no_failures(truth_url):
    truth = {"truth": {"fault": "die_if_reused"}}
    run = await measure(truth_url, users=(2,), extra_body=truth, preflight=False, model="truth", warmup=0)
    (level,) = run.levels
    assert level.outcomes["complete"] == 8 and level.verdict.word == "holds"
    retried = sum(each.retried for each in level.requests)
    assert retried >= 2
    assert level.notes[0].endswith(f"connection had died before any byte: {retried}")


async def test_what_was_cut_at_the_end_is_said(truth_url):
    truth = {"truth": {"first_s": 5.0}}
    run = await measure(
        truth_url,
        users=(3,),
        requests=None,
        duration_s=0.2,
        extra_body=truth,
        preflight=False,
        model="truth",
    )
    (level,) = run.levels
    assert (level.requests_sent, level.verdict.word) == (0, "undecided")
    assert level.notes[0] == "the warm-up took the whole time: nothing was measured"
    run = await measure(
        truth_url,
        users=(3,),
        requests=None,
        duration_s=0.2,
        warmup=0,
        extra_body=truth,
        preflight=False,
        model="truth",
    )
    assert "not counted: 3;" in run.levels[0].notes[0]


async def test_a_rate_and_a_trace(truth_url):
    run = await measure_endpoint(
        truth_url, loads=[Rate(per_s=50.0)], workload=WORKLOAD, requests=10, extra_body=PACE
    )
    assert (run.levels[0].requests_sent, run.levels[0].warmup_sent) == (10, 1)
    assert run.capacity is None and run.levels[0].verdict is None
    rows = tuple(
        PlannedRequest(index=i, scheduled_s=i * 0.04, input_tokens=50, output_tokens=3 + i)
        for i in range(4)
    )
    trace = Trace(name="four", format="servemark", requests=rows)
    run = await measure_endpoint(
        truth_url,
        loads=[Replay(name="four", time_scale=2.0)],
        workload=Workload(profile="four"),
        trace=trace,
        extra_body=PACE,
    )
    by_index = sorted(run.levels[0].requests, key=lambda each: each.index)
    assert [each.output_tokens for each in by_index] == [3, 4, 5, 6]
    assert by_index[3].scheduled_s - by_index[0].scheduled_s == pytest.approx(0.06, abs=1e-3)


async def test_the_default_number_of_requests_is_stated(truth_url):
    run = await measure(truth_url, users=(1,), requests=None, extra_body=None, warmup=0)
    assert run.levels[0].requests_sent == 100
    metrics, requests = run.notes
    assert metrics.startswith("no engine's metrics")
    assert (
        requests == "requests of each level: the larger of 100 and 10 per user, as no number was asked for"
    )


async def test_the_items_of_a_suite_are_asked_and_their_answers_kept(truth_url):
    items = [Item(id=f"q{i}", messages=(Message(role="user", content=f"question {i}?"),)) for i in range(3)]
    truth = {"truth": {"fault": "stop", "tokens": 2, "gap_s": 0.01}}
    run = await measure(truth_url, users=(1,), items=items, requests=4, warmup=0, extra_body=truth)
    (level,) = run.levels
    assert [each.item for each in level.requests] == ["q0", "q1", "q2", "q0"]
    assert {each.text for each in level.requests} == {" w0 w1"}
    assert level.outcomes["complete"] == 4
    assert level.verdict.slos[0].requests_needed == 6


async def test_no_secret_reaches_a_file(truth_url, tmp_path):
    run = await measure(
        truth_url,
        users=(1,),
        preflight=False,
        model="truth",
        api_key=KEY,
        headers={"X-Team-Token": "team-token-0001"},
        extra_body={"truth": {"fault": "echo_key"}},
        command=f"servemark measure URL --header 'X-Team-Token: team-token-0001' --key {KEY}",
        runs_root=tmp_path,
    )
    assert run.levels[0].outcomes["refused"] == 8 and "Bearer ***" in run.levels[0].requests[0].reason
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert len(written) > 1000
    assert KEY.encode() not in written and b"team-token-0001" not in written


@contextlib.asynccontextmanager
async def announcing(url, health):
    """The truth server behind another root, whose /health announces a twin."""

    async def forward(request):
        body = await request.read()
        async with session.request(
            request.method, url.removesuffix("/v1") + request.path, data=body
        ) as reply:
            response = web.StreamResponse(status=reply.status, headers={"Content-Type": reply.content_type})
            await response.prepare(request)
            async for data in reply.content.iter_any():
                await response.write(data)
            return response

    async def announce(request):
        return web.json_response(health)

    app = web.Application()
    app.add_routes([web.get("/health", announce), web.route("*", "/v1/{path:.*}", forward)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    async with aiohttp.ClientSession(headers={"Content-Type": "application/json"}) as session:
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        finally:
            await runner.cleanup()


async def test_a_twin_is_measured_on_its_own_clock(truth_url):
    """Four times real time: 50 ms of wall time are 200 ms of the run, and so are both lags."""
    health = {"twin": True, "time_factor": 4.0, "lag_p99_s": 0.002}
    async with announcing(truth_url, health) as url:
        run = await measure(url, users=(1,), extra_body={"truth": {"first_s": 0.05, "gap_s": 0.01}})
    (level,) = run.levels
    assert run.endpoint.time_factor == 4.0
    assert 0.2 <= level.metrics["ttft_s"].p50 < 2.0
    assert 0.035 < level.metrics["tpot_s"].p50 < 0.4
    assert level.lag.server_p99_s == pytest.approx(0.008) and level.lag.loop_p99_s > 0


async def test_a_verdict_that_the_lag_of_a_twin_could_flip_is_withheld(truth_url):
    health = {"twin": True, "time_factor": 1.0, "lag_p99_s": 0.5}
    slow = Slo(metric="ttft_s", statistic="p50", limit=0.03)
    async with announcing(truth_url, health) as url:
        run = await measure(url, users=(1,), slos=(slow,), extra_body={"truth": {"first_s": 0.05}})
    assert run.levels[0].verdict.word == "undecided"


async def test_ctrl_c_returns_what_was_measured_so_far(truth_url, tmp_path):
    reached = asyncio.Event()

    def note(level, progress):
        if level == 1 and progress.ended > 4:
            reached.set()

    measuring = asyncio.ensure_future(
        measure(
            truth_url, users=(1, 2, 4), requests=None, duration_s=1.0, runs_root=tmp_path, on_progress=note
        )
    )
    await reached.wait()
    measuring.cancel()
    run = await measuring
    assert not run.provenance.finished and len(run.levels) == 2
    assert run.levels[1].requests_sent > 0
    assert run.levels[1].notes[0] == "interrupted: what was in flight is not counted"
    assert run.capacity is not None
    assert load_run(tmp_path, "last") == run


def test_ctrl_c_in_the_terminal(truth_url, tmp_path):
    with started(truth_url, tmp_path) as process:
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert said.startswith("False 1 ")
    assert int(said.split()[2]) == len(load_run(tmp_path, "last").levels[0].requests) > 20


def test_kill_9_leaves_a_readable_run(truth_url, tmp_path):
    with started(truth_url, tmp_path) as process:
        os.kill(process.pid, signal.SIGKILL)
        process.wait(timeout=20)
    (entry,) = list_runs(tmp_path)
    assert not entry.finished and entry.levels == 1 and entry.problem == ""
    run = load_run(tmp_path, "last", summarise)
    (level,) = run.levels
    assert level.load == Users(users=2) and level.requests_sent > 20
    assert level.outcomes["complete"] == level.requests_sent and level.metrics["ttft_s"].n > 20


MEASURE_FOREVER = """
import asyncio, sys
from pathlib import Path
from servemark.domain.workload import FixedLength, Users, Workload
from servemark.measurement.session import measure_endpoint

def note(level, progress):
    if progress.ended > 30:
        print("going", file=sys.stderr, flush=True)

run = asyncio.run(measure_endpoint(
    sys.argv[1], loads=[Users(users=2)], requests=1_000_000, runs_root=Path(sys.argv[2]), on_progress=note,
    workload=Workload(input=FixedLength(tokens=50), output=FixedLength(tokens=4)),
))
print(run.provenance.finished, len(run.levels), len(run.levels[0].requests))
"""


@contextlib.contextmanager
def started(url, root):
    """A process that measures without end, once 30 requests have ended."""
    command = [sys.executable, "-c", MEASURE_FOREVER, url, str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "going\n"
        yield process
