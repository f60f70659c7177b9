import pytest

from servemark.domain.metrics import METRICS
from servemark.domain.run import OUTCOMES, CpuShare, GpuSample, Lag, RequestRecord, StepRecord
from servemark.domain.workload import Rate, Users
from servemark.stats.summary import summarise

LATENCIES = {key for key, metric in METRICS.items() if metric.scope != "level"}


def row(index, outcome="complete", **fields):
    """A request scheduled at its index, sent 0.1 s late, 4 tokens from 0.5 to 1.1 s after that."""
    sent = index + 0.1
    stamps = {
        "first_token_s": sent + 0.5, "last_token_s": sent + 1.1, "output_tokens": 4, "text_chunks": 3,
        "chunk_s": (sent + 0.5, sent + 0.6, sent + 1.1),
    } if outcome == "complete" else {}  # fmt: skip
    given = {"user": 0, "end_s": sent + 1.2, "sent_s": sent} | stamps | fields
    return RequestRecord(index=index, scheduled_s=float(index), outcome=outcome, **given)


def test_metrics_by_hand():
    level = summarise(Users(users=1), [row(i) for i in range(80)])
    means = {key: level.metrics[key].mean for key in LATENCIES}
    assert means == pytest.approx({
        "ttft_s": 0.5, "ttft_scheduled_s": 0.6, "itl_s": 0.3, "tpot_s": 0.6 / 3, "e2e_s": 1.1,
        "e2e_scheduled_s": 1.2, "stall_max_s": 0.5,
    })  # fmt: skip
    assert level.metrics["ttft_s"].n == 80
    assert level.metrics["itl_s"].n == 160
    assert level.metrics["ttft_s"].ci["p95"] is not None
    assert level.metrics["ttft_s"].ci["p99"] is None
    assert level.requests_sent == 80
    assert level.failures_ratio == 0.0


def test_failed_requests_are_counted_and_never_enter_a_latency():
    rows = [row(0), *(row(i + 1, outcome, end_s=99.0) for i, outcome in enumerate(OUTCOMES[1:]))]
    level = summarise(Users(users=1), rows)
    assert level.outcomes == dict.fromkeys(OUTCOMES, 1)
    assert level.requests_sent == sum(level.outcomes.values()) == 6
    assert level.metrics["e2e_s"].n == 1
    assert level.failures_ratio == pytest.approx(5 / 6)
    failures = level.metrics["failures_ratio"]
    assert (failures.n, failures.mean) == (6, pytest.approx(5 / 6))
    low, high = failures.ci["mean"]
    assert low < 5 / 6 < high


def test_a_failed_request_with_stamps_is_still_failed():
    level = summarise(Users(users=1), [row(0), row(1, "broken", first_token_s=1.2, last_token_s=9.0)])
    assert level.metrics["e2e_s"].mean == pytest.approx(1.1)


def test_warm_up_is_only_counted():
    slow = row(0, warmup=True, last_token_s=50.0)
    level = summarise(Users(users=1), [slow, row(1), row(2)])
    assert (level.warmup_sent, level.requests_sent) == (1, 2)
    assert level.metrics["e2e_s"].n == 2
    assert len(level.requests) == 3


@pytest.mark.parametrize("load", [Users(users=1), Rate(per_s=1.0)])
@pytest.mark.parametrize("rows", [[], [row(0, "transport", sent_s=None)], [row(0, warmup=True)]])
def test_nothing_to_measure(load, rows):
    level = summarise(load, rows)
    assert all(level.metrics[key].n == 0 for key in LATENCIES)
    assert all(level.metrics[key].mean is None for key in LATENCIES)
    assert level.failures_ratio == (1.0 if level.requests_sent else None)


def test_one_token_has_neither_tpot_nor_gap():
    sent = 0.1
    single = row(0, output_tokens=1, last_token_s=sent + 0.5, chunk_s=(sent + 0.5,), text_chunks=1)
    level = summarise(Users(users=1), [single])
    assert level.metrics["ttft_s"].n == 1
    assert [level.metrics[key].n for key in ("tpot_s", "itl_s", "stall_max_s")] == [0, 0, 0]


def test_a_whole_answer_in_one_chunk_has_no_tpot():
    at_once = row(0, output_tokens=50, last_token_s=0.6, chunk_s=(0.6,), text_chunks=1)
    assert summarise(Users(users=1), [at_once]).metrics["tpot_s"].n == 0


def test_preemptions_and_attachments_are_kept():
    lag = Lag(send_p99_s=0.0, loop_p99_s=0.001)
    cpu = CpuShare(client_cores=0.1, machine_cores=2)
    sample = GpuSample(at_s=0.0, gpu=0, power_w=100.0)
    rows = [row(0, preemptions=2), row(1, preemptions=1), row(2, warmup=True, preemptions=5)]
    level = summarise(Users(users=1), rows, lag=lag, cpu=cpu, samples=[sample], notes=["note"])
    assert level.preemptions == 3
    assert (level.lag, level.cpu, level.samples, level.notes) == (lag, cpu, (sample,), ("note",))


def test_steps_before_the_level_are_not_its_gaps():
    steps = [
        StepRecord(start_s=0.0, count=10, first_s=9.0, last_s=9.0, decodes=1),
        StepRecord(start_s=100.0, count=3, first_s=0.2, last_s=0.2, decodes=1),
    ]
    simulated = row(100, sent_s=100.0, first_token_s=100.0, last_token_s=100.6, chunk_s=())
    level = summarise(Users(users=1), [row(0, warmup=True), simulated], steps)
    assert level.metrics["itl_s"].n == 3
    assert level.metrics["itl_s"].p99 == pytest.approx(0.2)
