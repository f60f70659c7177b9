from made_runs import clean_run, on_level

from servemark.diagnosis.instrument import lags, load_generator_at_limit
from servemark.domain.run import CpuShare, Lag

BUSY = CpuShare(client_cores=0.97, machine_cores=8)
LATE = Lag(send_p99_s=0.1, loop_p99_s=0.06)


def test_busy_and_late_is_certain():
    seen = load_generator_at_limit(on_level(clean_run(), 32, cpu=BUSY, lag=LATE))
    # 0.06 s at p99 against 1.16 s at p95
    assert seen.confidence == "certain" and round(seen.weight, 3) == 0.052
    assert [each.source for each in seen.evidence] == ["instrument", "instrument"]


def test_one_of_them_is_likely():
    assert load_generator_at_limit(on_level(clean_run(), 32, cpu=BUSY)).confidence == "likely"
    assert load_generator_at_limit(on_level(clean_run(), 32, lag=LATE)).confidence == "likely"


def test_single_stalls_explain_nothing():
    """One moment of half a second is the 99th percentile of a short visit, and 1 ms on average."""
    stall = Lag(send_p99_s=0.0, loop_p99_s=0.5, loop_mean_s=0.001)
    assert load_generator_at_limit(on_level(clean_run(), 32, lag=stall)) is None
    late = Lag(send_p99_s=0.0, loop_p99_s=0.5, loop_mean_s=0.05)
    # 50 ms of a TTFT of 132 ms
    seen = load_generator_at_limit(on_level(clean_run(), 32, lag=late))
    assert (
        seen.claim
        == "The load generator was held up at 32 users: 50.0 ms of each latency, on average, is its own."
    )
    # and of 1.16 s in all
    assert (
        round(seen.weight, 3) == 0.043
        and "500 ms late at p99 and 50.0 ms on average" in seen.evidence[0].text
    )


def test_busy_and_on_time_claims_no_part_of_the_latency():
    seen = load_generator_at_limit(on_level(clean_run(), 32, cpu=BUSY))
    assert seen.weight == 0.0 and "part of the latency" not in seen.claim


def test_a_little_late_is_healthy_and_unknown_says_nothing():
    assert not lags(on_level(clean_run(), 32, lag=Lag(send_p99_s=0.0, loop_p99_s=0.019)).levels[2])
    assert load_generator_at_limit(on_level(clean_run(), 32, cpu=None, lag=None)) is None
