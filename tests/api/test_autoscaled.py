"""`simulate --autoscale`: what a day on a small fleet says, from the options to the record."""

import pytest

import servemark as sm
from servemark.errors import InputError
from servemark.store.folders import load_run

MODEL = "llama-3.1-8b"
COMMON = {"gpu": "l40s", "input": 1000, "output": 100, "slo": "ttft_p95=1s,tpot_p95=60ms"}


@pytest.fixture(scope="module")
def run():
    return sm.simulate(
        MODEL, **COMMON, rate=14, duration="10min", arrivals="constant", autoscale="load>16:1..4,cold=60s"
    )


def test_the_fleet_grows_to_what_it_needs(run):
    (level,) = run.levels
    elastic = level.elasticity
    assert elastic.autoscaled.most_replicas > 1
    assert run.deployment.replicas == elastic.autoscaled.most_replicas
    # the first minutes, until the second replica is warm, are lost; a static fleet of the peak loses none
    peak, mean = elastic.static
    assert 0 < elastic.autoscaled.lost_minutes < elastic.autoscaled.minutes == 10
    assert peak.lost_minutes == 0
    assert peak.mean_replicas == elastic.autoscaled.most_replicas
    assert mean.mean_replicas == round(elastic.autoscaled.mean_replicas)


def test_dollars_are_replica_hours_at_a_dated_price(run):
    elastic = run.levels[0].elasticity
    for fleet in (elastic.autoscaled, *elastic.static):
        assert fleet.paid_usd == pytest.approx(fleet.replica_s / 3600 * elastic.offer.price_usd_per_hour)
        assert fleet.replica_s == pytest.approx(fleet.mean_replicas * elastic.duration_s)
    # all day over the seconds of cold start of as many starts in a day
    starts = elastic.cold_starts * 86_400 / elastic.duration_s
    spare_usd = 24 * elastic.spare_usd_per_hour / (60 * starts)
    assert elastic.spare_usd_per_avoided_s == pytest.approx(spare_usd)
    assert elastic.offer.gpu == "l40s"
    assert elastic.offer.dated
    (note,) = run.levels[0].notes
    assert f"${elastic.autoscaled.paid_usd:.2f}" in note
    assert f"price of {elastic.offer.observed}" in note


def test_the_level_is_judged_and_banded(run):
    (level,) = run.levels
    assert level.verdict is not None
    low, high = level.metrics["tpot_s"].band["p95"]
    assert low < level.metrics["tpot_s"].p95 < high
    assert level.requests_sent == 10 * 60 * 14
    assert len(level.requests) == level.requests_sent


def test_as_many_at_least_as_at_most_is_the_static_simulation():
    options = {**COMMON, "rate": 4, "arrivals": "constant", "requests": 300}
    scaled = sm.simulate(MODEL, **options, autoscale="load>16:2..2,cold=0s")
    static = sm.simulate(MODEL, **options, warmup=0, replicas=2)
    assert scaled.levels[0].requests == static.levels[0].requests
    assert scaled.levels[0].metrics["ttft_s"].p95 == static.levels[0].metrics["ttft_s"].p95
    elastic = scaled.levels[0].elasticity
    assert {each.lost_minutes for each in (elastic.autoscaled, *elastic.static)} == {0}


def test_a_rate_follows_the_hours_and_the_estimate_says_its_parts():
    run = sm.simulate(MODEL, **COMMON, rate=0.05, autoscale="queue>4:1..2")
    (level,) = run.levels
    assert level.load.process == "day"
    # a day at 0.05/s: 4,320 with a standard deviation of 66
    assert level.requests_sent == pytest.approx(4320, abs=300)
    assert "estimated: boot" in level.elasticity.cold_start
    assert level.elasticity.traffic.startswith("Synthetic")
    assert level.elasticity.policy.cold_start_s > 60
    assert level.elasticity.autoscaled.replica_s == pytest.approx(86_400, rel=0.01)


def test_what_is_kept_can_be_read_again(tmp_path):
    options = {**COMMON, "rate": 1, "requests": 20, "autoscale": "load>16:1..2,cold=9s"}
    run = sm.simulate(MODEL, **options, runs=tmp_path)
    kept = load_run(tmp_path, run.id)
    assert kept.levels[0].elasticity == run.levels[0].elasticity


def test_a_gpu_without_a_price_has_no_dollars():
    options = {**COMMON, "gpu": "rtx-6000-ada"}
    run = sm.simulate(MODEL, **options, rate=1, requests=50, autoscale="load>16:1..2,cold=9s")
    elastic = run.levels[0].elasticity
    assert (elastic.offer, elastic.autoscaled.paid_usd) == (None, None)
    assert "$" not in run.levels[0].notes[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"users": 4}, "--rate, --traffic or --trace"),
        ({"rate": 1, "replicas": 2}, "replicas"),
        ({"rate": 1, "slo": None}, "promises whose minutes are counted"),
        ({"rate": 1, "autoscale": "often"}, "SIGNAL>THRESHOLD"),
        ({"rate": 1, "warmup": 5}, "warmup"),
        ({}, "--rate, --traffic or --trace"),
    ],
)
def test_what_cannot_be_asked_is_refused(changes, message):
    with pytest.raises(InputError) as error:
        sm.simulate(MODEL, **{**COMMON, "autoscale": "load>16:1..2", **changes})
    assert message in str(error.value)
