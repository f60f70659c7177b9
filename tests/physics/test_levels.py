"""The closed form against plain step-by-step continuous batching, and against arithmetic."""

import heapq

import numpy as np
import pytest

from servemark.domain.deployment import Deployment
from servemark.domain.lengths import quantile_tokens
from servemark.domain.run import OUTCOMES
from servemark.domain.workload import FixedLength, LognormalLength, Rate, Replay, Users, Workload
from servemark.errors import InputError
from servemark.physics.levels import closed_form_level, gap_variation, length_variation
from servemark.physics.memory import memory_budget
from servemark.physics.speculation import step_time
from servemark.units import PS_PER_S

EVEN = Workload(input=FixedLength(tokens=1000), output=FixedLength(tokens=100))
SPREAD = Workload(
    input=LognormalLength(median_tokens=800, sigma=0.6),
    output=LognormalLength(median_tokens=100, sigma=0.6),
)


@pytest.fixture(scope="module")
def level(deploy, coefficients):
    def build(load, workload, *, model="llama-3.1-8b", gpu="l40s", budget_tokens=1500, **settings):
        deployment = deploy(model, gpu, **settings)
        budget = memory_budget(deployment, sequence_tokens=budget_tokens)
        return closed_form_level(deployment, coefficients(), budget, load, workload)

    return build


def play(deployment: Deployment, coefficients, load, workload, requests: int):
    """Continuous batching step by step: (TTFT, TPOT, E2E) of each request in seconds, and all gaps."""
    time_of, rng = step_time(deployment, coefficients), np.random.default_rng(5)
    delay = round(coefficients.request_overhead_s.value * PS_PER_S)

    def request(index, sent):
        lengths = (quantile_tokens(x, rng.random()) for x in (workload.input, workload.output))
        return sent + delay, index, sent, *(max(1, round(n)) for n in lengths)

    if isinstance(load, Users):
        coming = [request(i, 0) for i in range(load.users)]
    else:
        sent = np.cumsum(rng.exponential(PS_PER_S / load.per_s, requests))
        coming = [request(i, round(t)) for i, t in enumerate(sent)]
    started, now = len(coming), 0
    heapq.heapify(coming)
    running, done, gaps = [], [], []
    while len(done) < requests:
        if not running:
            now = max(now, coming[0][0])
        decoding = [r for r in running if r["prompt"] == 0]
        context = sum(r["tokens"] for r in decoding)
        room, tokens, pairs, prompts = 8192 - len(decoding), 0, 0, []
        while coming and coming[0][0] <= now and room:
            _, index, sent, inputs, outputs = heapq.heappop(coming)
            running.append(
                {
                    "index": index,
                    "sent": sent,
                    "prompt": inputs,
                    "left": outputs,
                    "tokens": 0,
                    "out": outputs,
                }
            )
        for r in running:
            if r["prompt"] and room:
                take = min(room, r["prompt"])
                pairs += take * r["tokens"] + take * (take + 1) // 2
                r["prompt"] -= take
                r["tokens"] += take
                tokens, room = tokens + take, room - take
                prompts.append(r)
        now += time_of.mixed(len(decoding), context, tokens, pairs, len(prompts))
        for r in decoding:
            gaps.append((r["index"], now - r["last"]))
            r.update(last=now, left=r["left"] - 1, tokens=r["tokens"] + 1)
        for r in prompts:
            if r["prompt"] == 0:
                r.update(first=now, last=now, left=r["left"] - 1)
        for r in [r for r in running if r["prompt"] == 0 and r["left"] == 0]:
            running.remove(r)
            tpot = (now - r["first"]) / max(1, r["out"] - 1)
            done.append((r["index"], r["first"] - r["sent"], tpot, now - r["sent"]))
            if isinstance(load, Users):
                heapq.heappush(coming, request(started, now))
                started += 1
    return np.array(done, dtype=float), np.array(gaps, dtype=float)


@pytest.mark.parametrize(
    ("load", "workload", "requests", "within"),
    [
        (Users(users=1), EVEN, 10, 0.02),
        (Users(users=8), EVEN, 80, 0.02),
        (Users(users=32), EVEN, 320, 0.08),
        (Users(users=8), SPREAD, 1500, 0.05),
        (Users(users=32), SPREAD, 1500, 0.05),
        (Rate(per_s=2.0), SPREAD, 1500, 0.08),
        (Rate(per_s=5.0), SPREAD, 1500, 0.16),
    ],
    ids=["1 user", "8 users", "32 users", "8 users spread", "32 users spread", "2 a second", "5 a second"],
)
def test_against_stepping(level, deploy, coefficients, load, workload, requests, within):
    """The lengths and arrivals that the seed drew are part of the difference."""
    predicted = level(load, workload).metrics
    done, gaps = play(deploy("llama-3.1-8b", "l40s"), coefficients(), load, workload, requests)
    ttft, tpot, e2e = (done[done[:, 0] >= requests // 5, 1:] / PS_PER_S).T
    assert predicted["ttft_s"].mean == pytest.approx(ttft.mean(), rel=within)
    assert predicted["tpot_s"].mean == pytest.approx(tpot.mean(), rel=within)
    assert predicted["e2e_s"].mean == pytest.approx(e2e.mean(), rel=within)
    assert predicted["itl_s"].p50 == pytest.approx(np.median(gaps[:, 1]) / PS_PER_S, rel=within)
    assert predicted["ttft_s"].p95 == pytest.approx(np.quantile(ttft, 0.95), rel=2 * within)


def test_what_a_level_says(level):
    result = level(Users(users=8), EVEN)
    assert result.requests_sent == 0
    assert result.outcomes == dict.fromkeys(OUTCOMES, 0)
    assert set(result.metrics) == {
        "ttft_s", "ttft_scheduled_s", "itl_s", "tpot_s", "e2e_s", "e2e_scheduled_s",
    }  # fmt: skip
    for metric in result.metrics.values():
        assert metric.n == 0
        assert set(metric.ci) == {"mean", "p50", "p95", "p99"}
        assert not any(metric.ci.values())
        assert metric.p50 <= metric.p95 <= metric.p99
    assert result.output_tokens_per_s == pytest.approx(100 * result.requests_per_s)
    # Little's law: users = throughput x time in the system
    assert result.requests_per_s * result.metrics["e2e_s"].mean == pytest.approx(8, rel=1e-3)
    assert result.window is None
    assert result.notes == ()


def test_users_beyond_the_kv_pool_wait(level):
    full = level(Users(users=400), EVEN)
    few = level(Users(users=150), EVEN)
    assert full.metrics["ttft_s"].mean > 5 * few.metrics["ttft_s"].mean
    (note,) = full.notes
    # 195,440 tokens of pool, 1,058 tokens held by a sequence on average
    assert note == "about 216 users wait: the KV pool holds 184 sequences per replica"
    assert (
        level(Users(users=40), EVEN, max_num_seqs=8)
        .notes[0]
        .endswith("max_num_seqs holds 8 sequences per replica")
    )


def test_no_evict_admits_what_can_finish(level):
    long = Workload(input=FixedLength(tokens=100), output=FixedLength(tokens=2000))
    free, careful = (level(Users(users=256), long, policy=p) for p in ("recompute", "no-evict"))
    assert free.requests_per_s > careful.requests_per_s
    assert "holds 93 sequences" in careful.notes[0]


def test_replicas_share_the_load(level):
    one, two = level(Users(users=8), SPREAD), level(Users(users=16), SPREAD, replicas=2)
    assert two.requests_per_s == pytest.approx(2 * one.requests_per_s)
    assert two.metrics["ttft_s"] == one.metrics["ttft_s"]


def test_a_rate_above_what_is_carried(level):
    result = level(Rate(per_s=40.0), EVEN)
    (note,) = result.notes
    assert note.startswith("saturated: ")
    assert result.requests_per_s < 20
    wait = (40 / result.requests_per_s - 1) * 60 / 2
    assert result.metrics["ttft_s"].mean == pytest.approx(wait, rel=0.1)


def test_think_time_thins_the_batch(level):
    busy, calm = level(Users(users=32), SPREAD), level(Users(users=32, think_s=60.0), SPREAD)
    assert calm.metrics["tpot_s"].mean < busy.metrics["tpot_s"].mean
    assert calm.requests_per_s == pytest.approx(32 / (60 + calm.metrics["e2e_s"].mean), rel=1e-3)


def test_a_shared_prefix_spares_prefill_and_pool(level):
    shared = Workload(
        input=FixedLength(tokens=1000), output=FixedLength(tokens=100), shared_prefix_tokens=800
    )
    cached, whole = level(Users(users=8), shared), level(Users(users=8), EVEN)
    assert cached.metrics["ttft_s"].mean < 0.5 * whole.metrics["ttft_s"].mean
    off = level(Users(users=8), shared, enable_prefix_caching=False)
    assert off.metrics["ttft_s"] == whole.metrics["ttft_s"]


def test_one_token_answers_have_no_gaps(level):
    result = level(Users(users=32), Workload(input=FixedLength(tokens=1000), output=FixedLength(tokens=1)))
    assert result.metrics["itl_s"].mean is result.metrics["tpot_s"].mean is None
    assert result.metrics["e2e_s"].mean == result.metrics["ttft_s"].mean


def test_encoders_have_requests_and_no_tokens(level):
    result = level(
        Users(users=4),
        Workload(input=FixedLength(tokens=512)),
        model="bert-base-uncased",
        gpu="t4",
        dtype="fp16",
    )
    assert result.output_tokens_per_s is None
    assert result.requests_per_s > 0
    assert result.metrics["tpot_s"].mean is None


def test_a_trace_needs_the_simulator(level):
    with pytest.raises(InputError, match="load: expected users or a rate"):
        level(Replay(name="azure-conversation"), EVEN)


def test_variations():
    assert length_variation(FixedLength(tokens=5)) == 0
    # a log-normal's is exp(sigma^2) - 1; 64 quantiles cut off a little of the tail
    assert length_variation(LognormalLength(median_tokens=100, sigma=0.5)) == pytest.approx(
        np.exp(0.25) - 1, rel=0.1
    )
    assert gap_variation(Rate(per_s=1, process="constant")) == 0
    assert gap_variation(Rate(per_s=1)) == 1
    assert gap_variation(Rate(per_s=1, process="gamma", burstiness=2.0)) == 4
    # gaps uniform in the logarithm between 1 and e: (e^2 - 1) / 2 / (e - 1)^2 - 1
    knots = Rate(per_s=1, process="quantiles", gap_knots=((0.0, 1.0), (1.0, np.e)))
    assert gap_variation(knots) == pytest.approx((np.e**2 - 1) / 2 / (np.e - 1) ** 2 - 1, rel=0.01)
