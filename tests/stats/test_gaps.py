import numpy as np
import pytest

from servemark.domain.run import RequestRecord, StepRecord
from servemark.stats.gaps import gap_distribution, worst_gaps


def answer(*, chunks=(), replica=None, first_s=None, last_s=None, tokens=0, stalls=()):
    return RequestRecord(
        index=0, replica=replica, scheduled_s=0.0, sent_s=0.0, end_s=last_s or 9.0, outcome="complete",
        first_token_s=first_s, last_token_s=last_s, output_tokens=tokens, chunk_s=chunks,
        stalls_s=stalls,
    )  # fmt: skip


def test_measured_gaps_are_pooled_over_requests():
    rows = [
        answer(chunks=(1.0, 1.1, 1.3), tokens=30),
        answer(chunks=(2.0, 2.4), tokens=20),
        answer(chunks=(5.0,), tokens=9),
        answer(),
    ]
    found = gap_distribution(rows, ())
    # 0.1, 0.2 and 0.4: chunks, not tokens
    assert found.n == 3
    assert found.mean == pytest.approx(0.7 / 3)
    assert found.p50 == pytest.approx(0.2)
    assert found.ci["p50"] is None
    low, high = found.ci["mean"]
    assert low < 0.7 / 3 < high


def test_chunks_read_together_are_told():
    rows = [answer(chunks=(1.0, 1.0, 1.2, 1.2, 1.4)), answer(chunks=(3.0, 3.1))]
    assert gap_distribution(rows, ()).together_ratio == pytest.approx(2 / 5)
    assert gap_distribution([], ()).together_ratio is None


def test_gap_intervals_count_requests_not_gaps():
    five = [answer(chunks=tuple(np.cumsum(np.full(400, 0.01)).tolist())) for _ in range(5)]
    assert gap_distribution(five, ()).ci["p50"] is None
    six = [*five, five[0]]
    assert gap_distribution(six, ()).ci["p50"] == pytest.approx((0.01, 0.01))


def test_simulated_gaps_are_steps_times_decodes_and_stalls():
    # two requests decode 3 steps of 0.1, 0.2, 0.3; one of them is preempted for 2 s
    steps = [StepRecord(start_s=1.0, count=3, first_s=0.1, last_s=0.3, decodes=2)]
    rows = [
        answer(first_s=1.0, last_s=1.6, tokens=4),
        answer(first_s=1.0, last_s=3.6, tokens=5, stalls=(2.0,)),
    ]
    found = gap_distribution(rows, steps)
    assert found.n == 7
    assert found.mean == pytest.approx((2 * 0.6 + 2.0) / 7)
    assert found.p50 == pytest.approx(0.2)


def test_a_simulation_of_prefills_only_has_no_gap():
    steps = [StepRecord(start_s=0.0, first_s=0.1, last_s=0.1, decodes=0, prefill_tokens=100)]
    row = answer(first_s=0.1, last_s=0.1, tokens=1)
    assert gap_distribution([row], steps).n == 0
    assert len(worst_gaps([row], steps)) == 0


def test_few_steps_bound_the_intervals_of_many_requests():
    steps = [StepRecord(start_s=1.0, count=5, first_s=0.1, last_s=0.1, decodes=200)]
    rows = [answer(first_s=1.0, last_s=1.5, tokens=6) for _ in range(200)]
    found = gap_distribution(rows, steps)
    assert found.n == 1000
    assert found.ci["p50"] is None


def test_worst_gap_of_measured_requests():
    rows = [answer(chunks=(1.0, 1.1, 3.0, 3.1)), answer(chunks=(1.0, 1.5)), answer(chunks=(1.0,))]
    assert worst_gaps(rows, ()) == pytest.approx([1.9, 0.5])


def test_worst_gap_of_simulated_requests():
    # replica 0 steps: [0, 1) prefill 1 s, [1, 3) two of 1 s, [3, 3.5), [3.5, 9.5); replica 1 is slower
    steps = [
        StepRecord(replica=0, start_s=0.0, first_s=1.0, last_s=1.0, decodes=0),
        StepRecord(replica=0, start_s=1.0, count=2, first_s=1.0, last_s=1.0, decodes=2),
        StepRecord(replica=0, start_s=3.0, first_s=0.5, last_s=0.5, decodes=2),
        StepRecord(replica=0, start_s=3.5, first_s=6.0, last_s=6.0, decodes=1),
        StepRecord(replica=1, start_s=1.0, first_s=7.0, last_s=7.0, decodes=1),
    ]
    rows = [
        answer(replica=0, first_s=1.0, last_s=3.5, tokens=4),
        answer(replica=0, first_s=3.0, last_s=9.5, tokens=3),
        answer(replica=0, first_s=3.0, last_s=9.5, tokens=3, stalls=(6.5,)),
        answer(replica=1, first_s=1.0, last_s=8.0, tokens=2),
        answer(replica=0, first_s=1.0, last_s=1.0, tokens=1),
    ]
    assert worst_gaps(rows, steps) == pytest.approx([1.0, 6.0, 6.5, 7.0])


def test_worst_gaps_agree_with_a_plain_search():
    rng = np.random.default_rng(2)
    lengths = rng.uniform(0.01, 0.1, 300)
    edges = np.concatenate([[0.0], np.cumsum(lengths)])
    steps = [
        StepRecord(start_s=float(a), first_s=float(d), last_s=float(d), decodes=1)
        for a, d in zip(edges[:-1], lengths, strict=True)
    ]
    spans = [sorted(rng.choice(301, 2, replace=False)) for _ in range(200)]
    rows = [answer(first_s=float(edges[a]), last_s=float(edges[b]), tokens=2) for a, b in spans]
    assert worst_gaps(rows, steps) == pytest.approx([lengths[a:b].max() for a, b in spans])
