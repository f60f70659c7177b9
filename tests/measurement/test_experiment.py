"""Whole experiments: against the server whose behaviour is known, and on real llama.cpp."""

import asyncio
import io
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from msgspec.structs import replace
from rich.console import Console

from servemark.api.reporting import loaded_run
from servemark.api.suite_sources import named_suite
from servemark.domain.exchange import Item, Message, Suite
from servemark.domain.workload import Rate, Replay, Slo, Users, Workload
from servemark.engines import llamacpp, tiny
from servemark.errors import EndpointError, InputError
from servemark.measurement.experiment import Experiment
from servemark.measurement.session import measure_endpoint
from servemark.reports.sections import compose
from servemark.reports.terminal import render_terminal
from servemark.store.folders import load_run

LOADS = (Users(users=1), Users(users=3))
FAILURES = Slo(metric="failures_ratio", statistic="value", limit=0.01)
LOSS = Slo(metric="quality_loss_ratio", statistic="value", limit=0.03)


def own_suite(count, **fields):
    items = tuple(
        Item(id=f"q{i}", messages=(Message(role="user", content=f"question {i}?"),)) for i in range(count)
    )
    return Suite(key="own", title="own", items=items, max_tokens=4, **fields)


async def ask(url, suite, *, loads=LOADS, truth=None, **fields):
    experiment = Experiment(
        suite=suite, blocks=fields.pop("blocks", 2), controls=fields.pop("controls", True)
    )
    body = {"truth": {"fault": "stop", "tokens": 3, "gap_s": 0.005} | (truth or {})}
    return await measure_endpoint(
        url, loads=loads, workload=Workload(), slos=(FAILURES, LOSS), experiment=experiment,
        extra_body=body, **fields,
    )  # fmt: skip


async def test_the_same_items_at_every_load_in_blocks_with_controls(truth_url, tmp_path):
    told = []
    run = await ask(
        truth_url,
        own_suite(8),
        runs_root=tmp_path,
        on_progress=lambda rows, progress: told.append((rows, progress.block, progress.blocks)),
    )
    assert [level.load for level in run.levels] == [Users(users=1), Users(users=3)]
    assert [level.load for level in run.controls] == [Users(users=1), Users(users=3)]
    asked = [[each for each in level.requests if not each.warmup] for level in (*run.levels, *run.controls)]
    for rows in (asked[0], asked[1], asked[3]):
        assert sorted(each.item for each in rows) == [f"q{i}" for i in range(8)]
        assert Counter(each.block for each in rows) == {0: 4, 1: 4}
    by_block = {(each.block, each.item) for each in asked[0]}
    assert by_block == {(each.block, each.item) for each in asked[1]}
    assert {each.item for each in asked[2]} == {item for block, item in by_block if block == 0}
    assert {each.block for each in asked[2]} == {1}
    rows = [each for level in (*run.levels, *run.controls) for each in level.requests]
    assert len({each.nonce for each in rows}) == len(rows)
    for level in (*run.levels, *run.controls):
        assert level.lag.loop_mean_s <= level.lag.loop_p99_s
        assert len({each.index for each in level.requests}) == len(level.requests)
        assert level.lag.peak_in_flight == level.load.users == level.lag.asked_in_flight
    assert all((each.judgement is None) == each.warmup for each in rows)
    assert {block for _, block, _ in told} == {0, 1} and {blocks for _, _, blocks in told} == {2}
    assert run.workload.suite == "own" and len(run.items) == 8
    assert run.quality is not None and len(run.quality.controls) == 2
    assert load_run(tmp_path, "last") == run


async def test_failures_under_load_are_kept_with_what_came_of_them(truth_url):
    run = await ask(
        truth_url, own_suite(4), truth={"fault": "error_event", "tokens": 2}, preflight=False, model="truth"
    )
    for level in run.levels:
        assert level.outcomes["broken"] == 4 and level.verdict.word == "breaks"
        assert level.quality.complete == 0 and level.quality.asked == 4
    assert any(each.text for each in run.levels[0].requests)
    assert run.capacity.load is None


async def test_an_open_loop(truth_url):
    run = await ask(truth_url, own_suite(6), loads=(Rate(per_s=5.0), Rate(per_s=10.0)))
    for level in run.levels:
        assert level.requests_sent == level.outcomes["complete"] == 6
        assert level.warmup_sent >= 2 * 5
    assert run.quality is not None


async def test_ctrl_c_keeps_what_was_asked_and_still_judges_it(truth_url, tmp_path):
    reached = asyncio.Event()

    def note(rows, progress):
        if progress.block == 1:
            reached.set()

    measuring = asyncio.ensure_future(
        ask(truth_url, own_suite(40), truth={"gap_s": 0.03}, runs_root=tmp_path, on_progress=note)
    )
    await reached.wait()
    measuring.cancel()
    run = await measuring
    assert not run.provenance.finished and len(run.levels) == 2 and run.quality is not None
    judged = [each for level in run.levels for each in level.requests if each.judgement]
    assert 20 <= len(judged) < 80
    assert load_run(tmp_path, "last") == run


async def test_ctrl_c_on_the_first_visit_leaves_the_other_loads_empty(truth_url, tmp_path):
    reached = asyncio.Event()

    def note(rows, progress):
        if progress.ended > 3:
            reached.set()

    measuring = asyncio.ensure_future(
        ask(truth_url, own_suite(60), truth={"gap_s": 0.03}, runs_root=tmp_path, on_progress=note)
    )
    await reached.wait()
    measuring.cancel()
    run = await measuring
    assert sorted(bool(level.requests) for level in run.levels) == [False, True]
    assert {sum(level.outcomes.values()) == 0 for level in run.levels} == {True, False}
    assert run.quality is not None and load_run(tmp_path, "last") == run
    said = io.StringIO()
    render_terminal(compose([run]), Console(file=said, width=120))
    assert "interrupted" in said.getvalue()


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from test_experiment import ask, own_suite

def kill(rows, progress):
    if progress.block == 1 and progress.ended > 3:
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(ask(sys.argv[1], own_suite(12), runs_root=Path(sys.argv[2]), on_progress=kill, truth={"gap_s": 0.05}))
"""


def test_a_killed_process_loses_no_answer(truth_url, tmp_path):
    command = [sys.executable, "-c", KILLED, truth_url, str(tmp_path), str(Path(__file__).parent)]
    assert subprocess.run(command, check=False, timeout=60).returncode == -signal.SIGKILL
    raw = load_run(tmp_path, "last")
    assert raw.quality is None and len(raw.items) == 12
    run = loaded_run(tmp_path, "last")
    judged = [each for level in run.levels for each in level.requests if each.judgement]
    assert len(judged) == sum(not each.warmup for level in raw.levels for each in level.requests) >= 12
    assert run.quality is not None and run.levels[0].quality.asked >= 6
    assert not run.provenance.finished


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"loads": ()}, "loads: expected at least one load"),
        ({"loads": (Replay(name="chat"),)}, "suite: expected users or a rate"),
        ({"warmup": -1}, "warmup: expected at least 0"),
        ({"loads": (Users(users=2), Users(users=2))}, "loads: expected each load once"),
        ({"suite": own_suite(0)}, "suite: expected at least one item"),
        (
            {"suite": replace(own_suite(1), items=own_suite(1).items * 2)},
            "suite: expected items with an id",
        ),
        ({"loads": (Users(users=0),)}, "users: expected at least 1"),
    ],
)
async def test_what_cannot_be_asked_is_refused_before_anything_is_sent(fields, says):
    suite = fields.pop("suite", own_suite(2))
    with pytest.raises(InputError, match=says):
        await ask("http://127.0.0.1:9/v1", suite, **fields)


@pytest.mark.parametrize(
    "secret", ["http://me:hidden@127.0.0.1:9/metrics", "http://127.0.0.1:9/m?key=hidden"]
)
async def test_a_secret_in_the_url_of_the_metrics_is_refused_before_anything_is_sent(secret):
    with pytest.raises(
        EndpointError, match=r"metrics: .* without credentials or query, found one with"
    ) as refusal:
        await ask("http://127.0.0.1:9/v1", own_suite(2), metrics_url=secret)
    assert "hidden" not in str(refusal.value)


async def ask_llamacpp(users, *, margin_ratio=0.03, **engine):
    """Forty items of the bank, in five blocks."""
    suite = named_suite("tiny")
    suite = replace(suite, items=suite.items[:40])
    loss = replace(LOSS, limit=margin_ratio)
    with llamacpp.start(tiny.gguf_path(), slots=8, **engine) as running:
        return await measure_endpoint(
            running.base_url,
            loads=[Users(users=n) for n in users],
            workload=Workload(),
            slos=(FAILURES, loss),
            experiment=Experiment(suite=suite, blocks=5, margin_ratio=margin_ratio),
            settings={key: str(value) for key, value in running.settings.items()},
        )


@pytest.mark.needs("xllamacpp")
async def test_split_slots_do_no_harm():
    """Forty items without a change rule out a loss above 10 points: 1.96^2 x 0.1 x 0.9 / 0.1^2 = 34.6."""
    run = await ask_llamacpp((1, 4), margin_ratio=0.10, context_tokens=8 * 512)
    quality = {each.family: each for each in run.quality.families}["quality"]
    assert quality.word == "not harmed", quality.sentence
    for level in run.levels:
        assert level.quality.useful == level.quality.complete == 40
        assert level.verdict.word == "holds"
    assert [control.changed_text for control in run.quality.controls] == [0, 0]
    assert run.capacity.load == Users(users=4)
    assert run.endpoint.engine.slots == 8 and run.levels[1].engine[0].running is not None


@pytest.mark.needs("xllamacpp")
async def test_a_shared_pool_that_runs_dry_breaks_streams_and_not_answers():
    """Sixteen users keep all eight slots busy, however slow this machine is."""
    run = await ask_llamacpp((1, 2, 16), margin_ratio=0.10, context_tokens=512, shared_pool=True)
    alone, _, under_load = run.levels
    assert alone.quality.useful == 40 and under_load.outcomes["broken"] > 10
    assert under_load.quality.accuracy_ratio in (None, 1.0)
    families = {each.family: each for each in run.quality.families}
    assert families["failures"].word == "harmed", families["failures"].sentence
    assert families["quality"].word != "harmed"
    assert "shared_kv_pool_exhausted" in {finding.key for finding in run.findings}
    assert run.capacity.load == Users(users=2)
    assert run.capacity.broken_by.metric == "failures_ratio"
