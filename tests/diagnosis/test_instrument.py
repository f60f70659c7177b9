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


def test_a_little_late_is_healthy_and_unknown_says_nothing():
    assert not lags(on_level(clean_run(), 32, lag=Lag(send_p99_s=0.0, loop_p99_s=0.019)).levels[2])
    assert load_generator_at_limit(on_level(clean_run(), 32, cpu=None, lag=None)) is None
