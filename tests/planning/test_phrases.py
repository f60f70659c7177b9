import numpy as np
import pytest

from servemark.api.deployments import build_deployment
from servemark.api.quantities import parse_slos
from servemark.domain.capacity import SloVerdict, Verdict
from servemark.domain.fleet import DisaggregatedPools, MixedPools, SplitPools
from servemark.domain.workload import Rate, Users
from servemark.planning.phrases import (
    budget_detail,
    dominated_detail,
    fleet_words,
    gpus_detail,
    hopeless_detail,
    over_detail,
    ratio_detail,
    share_words,
    usd_words,
    verdict_detail,
    worst_excess,
)
from servemark.planning.sieve import Figured

TTFT, TPOT = parse_slos("ttft_p95=2s,tpot_p95=40ms")


def figured(worst, binding):
    nothing = np.zeros(1)
    return Figured(np.array([worst]), np.array([binding]), nothing, nothing, nothing)


def test_a_ratio_becomes_a_value_and_a_share():
    assert ratio_detail((TTFT, TPOT), figured(1.52, 1), 0) == "TPOT p95 60.8 ms, 52 % over its 40.0 ms"
    assert ratio_detail((TTFT, TPOT), figured(0.5, 0), 0) == "TTFT p95 1.00 s, 50 % below its 2.00 s"
    assert ratio_detail((), figured(1.3, -1), 0) == "the rate is 30 % more than is carried"


def test_a_lower_limit_breaks_from_below():
    (slo,) = parse_slos("output_tokens=1000")
    assert (
        ratio_detail((slo,), figured(1.25, 0), 0) == "output throughput 800.0/s, 20 % below its 1,000.0/s"
    )


def test_no_failures_allowed():
    (slo,) = parse_slos("failures=0")
    assert over_detail(slo, 0.02) == "failures 2.0 %, none allowed"


def test_the_worst_promise_speaks():
    verdict = Verdict(
        word="breaks",
        slos=(
            SloVerdict(slo=TTFT, value=2.2, verdict="breaks", margin=-0.1),
            SloVerdict(slo=TPOT, value=0.06, verdict="breaks", margin=-0.5),
        ),
    )
    assert verdict_detail(verdict) == "TPOT p95 60.0 ms, 50 % over its 40.0 ms"
    assert worst_excess(verdict.slos) == 0.5


def test_an_open_promise_says_why():
    open_slo = SloVerdict(slo=TTFT, value=1.0, verdict="undecided", reason="3 requests completed")
    assert (
        verdict_detail(Verdict(word="undecided", slos=(open_slo,)))
        == "TTFT p95 undecided: 3 requests completed"
    )


def test_nothing_completed():
    none = SloVerdict(slo=TTFT, value=None, verdict="breaks", reason="none of 9 requests completed")
    assert verdict_detail(Verdict(word="breaks", slos=(none,))) == "TTFT p95: none of 9 requests completed"


def test_money():
    assert budget_detail(6132.0, 5000.0) == "$6,132 a month, $1,132 (23 %) over the budget"
    assert gpus_detail(12, 8) == "needs 12 GPUs, 8 are allowed"
    assert (usd_words(1350.5), usd_words(9.5)) == ("$1,350", "$9.50")


def test_what_is_as_good_and_how_much_dearer():
    l40s = build_deployment("llama-3.1-8b", {"gpu": "l40s", "replicas": 2})
    assert dominated_detail(2000.0, 1500.0, None) == (
        "$500 a month dearer than the choice; the choice is at least as good in everything"
    )
    words = dominated_detail(None, 1500.0, l40s)
    assert words.startswith("2 x L40S, bf16, 256 sequences")


def test_hopeless():
    assert "a single user on each replica" in hopeless_detail(Users(users=1))
    assert "an idle replica" in hopeless_detail(Rate(per_s=1.0))


def test_fleets():
    one = build_deployment("llama-3.1-8b", {"gpu": "l40s"})
    two = build_deployment("llama-3.1-8b", {"gpu": "h100", "replicas": 2})
    split = SplitPools(short=one, long=two, threshold_tokens=1020)
    assert fleet_words(split) == "prompts up to 1,020 tokens on 1 x L40S, longer ones on 2 x H100 SXM 80GB"
    apart = DisaggregatedPools(prefill=one, decode=two, transfer_bytes_per_s=1e9)
    assert fleet_words(apart) == "prefill on 1 x L40S, decode on 2 x H100 SXM 80GB"
    assert fleet_words(MixedPools(deployments=(one, two))) == "1 x L40S and 2 x H100 SXM 80GB"


@pytest.mark.parametrize(
    ("share", "words"),
    [(0.234, "23 %"), (-0.5, "50 %"), (0.004, "0.4 %"), (0.0003, "under 0.1 %"), (12.0, "12 times")],
)
def test_shares(share, words):
    assert share_words(share) == words
