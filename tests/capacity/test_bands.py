import math

import pytest

from servemark.api.deployments import build_deployment, coefficients_of
from servemark.capacity import bands
from servemark.capacity.bands import LogErrors, Tried, capacity_band, log_errors, with_band
from servemark.domain.run import OUTCOMES, Distribution, Level
from servemark.domain.workload import FixedLength, Replay, Slo, Users, Workload, load_value

Z = 1.2816
"""The 10 % and 90 % quantiles of the normal distribution: 80 % lie between."""


def ln(factor):
    """The log error whose band reaches up to `factor`, down to 1 / `factor`."""
    return math.log(factor) / Z


def level(load, ttft_s, tpot_s, *, decodes=100):
    """A level without spread: every statistic is the mean."""

    def flat(value):
        return Distribution(n=0, mean=value, p50=value, p95=value, p99=value)

    e2e_s = ttft_s + decodes * tpot_s
    return Level(
        load=load, requests_sent=0, outcomes=dict.fromkeys(OUTCOMES, 0),
        metrics={"ttft_s": flat(ttft_s), "tpot_s": flat(tpot_s), "e2e_s": flat(e2e_s)},
        output_tokens_per_s=load_value(load) / tpot_s, requests_per_s=load_value(load) / e2e_s,
    )  # fmt: skip


def closed_loop(load, factors):
    """TPOT of 20 ms and 1 ms more for each user, TTFT of 500 ms; every time x factor."""
    return [level(load, 0.5 * f, (0.020 + 0.001 * load_value(load)) * f) for f in factors]


def tried(users, errors):
    found = []
    for n in users:
        load = Users(users=n)
        found.append(Tried(load, errors, with_band(closed_loop(load, (1.0,))[0], errors, closed_loop)[1]))
    return found


def test_every_metric_has_the_band_of_its_family():
    errors = LogErrors(throughput=ln(1.05), tpot=ln(1.1), ttft=ln(1.5))
    (plain,) = closed_loop(Users(users=20), (1.0,))
    banded, _ = with_band(plain, errors, closed_loop)
    # TPOT 40 ms x 1.1 and / 1.1, TTFT 500 ms x 1.5 and / 1.5, 20 users / 40 ms = 500 tok/s x 1.05 and / 1.05
    assert banded.metrics["tpot_s"].band["p95"] == pytest.approx((0.040 / 1.1, 0.044), rel=1e-4)
    assert banded.metrics["ttft_s"].band["mean"] == pytest.approx((0.5 / 1.5, 0.75), rel=1e-4)
    assert banded.bands["output_tokens_per_s"] == pytest.approx((500 / 1.05, 525), rel=1e-4)
    # E2E errs as its parts do: 0.75 + 4.4 s at the one end, 0.333 + 3.636 s at the other
    assert banded.metrics["e2e_s"].band["p99"] == pytest.approx((3.970, 5.150), abs=1e-3)
    assert (banded.metrics["tpot_s"].p95, plain.bands) == (0.040, {})


def test_a_band_is_set_in_relation_to_what_played_at_factor_one():
    """A long level, of which the first requests are played again: 500 ms there, 520 ms in the whole level."""
    whole = level(Users(users=20), 0.52, 0.04)
    banded, _ = with_band(whole, LogErrors(ln(1.1), ln(1.1), ln(1.5)), closed_loop)
    assert banded.metrics["ttft_s"].band["p95"] == pytest.approx((0.52 / 1.5, 0.78), rel=1e-4)


def test_a_band_holds_its_value():
    def jumping(load, factors):
        """A model that is not monotonous: both ends lie above."""
        return [level(load, 0.5 if f == 1.0 else 0.6, 0.04) for f in factors]

    banded, _ = with_band(level(Users(users=1), 0.5, 0.04), LogErrors(0.1, 0.1, 0.1), jumping)
    assert banded.metrics["ttft_s"].band["p50"] == pytest.approx((0.5, 0.6))


def test_the_capacity_at_both_ends():
    errors = LogErrors(ln(1.25), ln(1.25), ln(1.25))
    slos = (Slo(metric="tpot_s", statistic="p95", limit=0.0401),)
    # 1.25 (20 + u) <= 40.1 ms holds up to 12 users, (20 + u) / 1.25 <= 40.1 up to 30
    assert capacity_band(tried((1, 2, 4, 8, 16, 32), errors), slos, closed_loop) == (12, 30)
    assert capacity_band(tried((32, 8), errors), slos, closed_loop) == (12, 30)


def test_the_lowest_tested_load_breaks_at_an_end():
    errors = LogErrors(ln(1.25), ln(1.25), ln(1.25))
    slos = (Slo(metric="tpot_s", statistic="p95", limit=0.0401),)
    assert capacity_band(tried((20, 64), errors), slos, closed_loop) == (12, 30)
    # 1.25 x 21 ms > 24.1 ms: not even one user; 0.8 x 21 ms = 16.8, 0.8 x 30 = 24
    tight = (Slo(metric="tpot_s", statistic="p95", limit=0.0241),)
    assert capacity_band(tried((8, 16), errors), tight, closed_loop) == (0, 10)


def test_the_highest_tested_load_ends_the_band():
    errors = LogErrors(ln(1.25), ln(1.25), ln(1.25))
    slos = (Slo(metric="tpot_s", statistic="p95", limit=0.0401),)
    assert capacity_band(tried((4, 16), errors), slos, closed_loop) == (12, 16)
    assert capacity_band(tried((4, 8), errors), slos, closed_loop) == (8, 8)


def test_errors_between_tested_loads_are_interpolated():
    one, other = LogErrors(ln(1.25), ln(1.25), ln(1.25)), LogErrors(0.0, 0.0, 0.0)
    rows = [tried((1,), other)[0], tried((41,), one)[0]]
    slos = (Slo(metric="tpot_s", statistic="p95", limit=0.0401),)
    # at u users the slow end is e^(ln(1.25) (u - 1) / 40): 1.0827 x 36.5 at 16.5; 16 holds and 17 does not
    slow, fast = capacity_band(rows, slos, closed_loop)
    assert 1.25 ** (15 / 40) * 36 <= 40.1 < 1.25 ** (16 / 40) * 37
    assert (slow, fast) == (16, 26)
    assert 1.25 ** (-25 / 40) * 46 <= 40.1 < 1.25 ** (-26 / 40) * 47


def test_neither_a_trace_nor_a_run_without_promises_has_a_capacity_band():
    row = tried((4,), LogErrors(0.1, 0.1, 0.1))[0]
    slos = (Slo(metric="tpot_s", statistic="p95", limit=0.0401),)
    assert capacity_band([row._replace(load=Replay(name="azure"))], slos, closed_loop) is None
    assert capacity_band([row], (), closed_loop) is None


def test_errors_are_asked_for_at_the_operating_point(monkeypatch):
    asked = {}

    def spy(deployment, known, *, metric, decodes, context_tokens, prefill_tokens):
        asked[metric] = (decodes, context_tokens, prefill_tokens)
        return {"throughput": 0.1, "tpot": 0.2, "ttft": 0.3}[metric]

    monkeypatch.setattr(bands, "log_error", spy)
    workload = Workload(input=FixedLength(tokens=1000), output=FixedLength(tokens=101))
    # 8 users on two replicas, 100 decode steps of 40 ms and 1 s to the first token: 1.6 requests per second
    at = level(Users(users=8), 1.0, 0.04)
    deployment = build_deployment("llama-3.1-8b", {"gpu": "l40s", "replicas": 2})
    found = log_errors(deployment, coefficients_of(deployment), workload, at)
    assert found == LogErrors(0.1, 0.2, 0.3)
    # per replica: 0.8 / s x 100 x 0.04 s = 3.2 decoding sequences of 1,050 tokens; 0.8 x 1000 x 0.04 = 32 tokens
    assert asked["tpot"] == pytest.approx((3.2, 3.2 * 1050.5, 32))
    assert asked["throughput"] == asked["tpot"]
    assert asked["ttft"] == pytest.approx((3.2, 3.2 * 1050.5, 1000))


def test_speculation_widens_every_band_by_the_doubt_about_acceptance():
    workload = Workload(input=FixedLength(tokens=1000), output=FixedLength(tokens=101))
    at = level(Users(users=8), 1.0, 0.04)
    plain, drafted = (
        build_deployment("llama-3.1-8b", {"gpu": "l40s", "speculative": text})
        for text in (None, "eagle:k=3,acceptance=0.7")
    )
    errors = [log_errors(each, coefficients_of(each), workload, at) for each in (plain, drafted)]
    # 0.1 x (1 + 2 x 0.7 + 3 x 0.49) / 2.533
    for without, guessed in zip(*errors, strict=True):
        assert guessed**2 - without**2 == pytest.approx(0.1528**2, rel=0.01)
