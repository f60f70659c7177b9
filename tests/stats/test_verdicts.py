import subprocess
import sys

import pytest
from msgspec.structs import replace

from servemark.domain.quality import CheckRate, LevelQuality
from servemark.domain.run import OUTCOMES, Distribution, Lag, Level
from servemark.domain.workload import Slo, Users
from servemark.errors import UnknownName
from servemark.stats.percentiles import quantile_ranks
from servemark.stats.verdicts import judge, requests_needed

TTFT = Slo(metric="ttft_s", statistic="p95", limit=2.0)


def level(metrics=None, *, complete=100, failed=0, **fields):
    outcomes = dict.fromkeys(OUTCOMES, 0) | {"complete": complete, "refused": failed}
    sent = complete + failed
    return Level(
        requests_sent=sent,
        outcomes=outcomes,
        metrics=metrics or {},
        failures_ratio=failed / sent if sent else None,
        **{"load": Users(users=4), "output_tokens_per_s": 500.0, "requests_per_s": 5.0} | fields,
    )


def measured(value, n=100, interval=(0.9, 1.1)):
    return Distribution(n=n, mean=value, p50=value, p95=value, p99=value, ci={"p95": interval})


def only(judged):
    [verdict] = judged.verdict.slos
    return verdict


def test_a_promise_does_not_hold_at_a_load_that_was_never_there():
    few = level({"ttft_s": measured(1.5)}, complete=80, load=Users(users=200), warmup_sent=10)
    judged = only(judge(few, [TTFT]))
    assert (judged.verdict, judged.requests_needed) == ("undecided", 200)
    assert judged.reason == "only 90 of 200 users ever sent a request"
    # what breaks with fewer users breaks with all of them
    assert only(judge(replace(few, metrics={"ttft_s": measured(3.0)}), [TTFT])).verdict == "breaks"


def test_holds_and_breaks_with_margin():
    held = only(judge(level({"ttft_s": measured(1.5)}), [TTFT]))
    assert (held.verdict, held.margin, held.interval) == ("holds", 0.25, (0.9, 1.1))
    broken = only(judge(level({"ttft_s": measured(3.0)}), [TTFT]))
    assert (broken.verdict, broken.margin) == ("breaks", -0.5)
    exactly = only(judge(level({"ttft_s": measured(2.0)}), [TTFT]))
    assert (exactly.verdict, exactly.margin) == ("holds", 0.0)


def test_no_promise_no_verdict():
    assert judge(level(), []).verdict is None


def test_a_percentile_without_interval_is_undecided():
    found = only(judge(level({"ttft_s": measured(0.1, n=40, interval=None)}, complete=40), [TTFT]))
    assert (found.verdict, found.value, found.requests_needed) == ("undecided", 0.1, 72)
    assert found.reason == "40 requests completed, 72 needed for p95"


def test_requests_without_a_sample_do_not_count_as_enough():
    slo = Slo(metric="tpot_s", statistic="p95", limit=1.0)
    found = only(judge(level({"tpot_s": measured(0.1, n=40, interval=None)}, complete=100), [slo]))
    assert found.reason == "40 of 100 completed requests have a TPOT, 72 needed for p95"


@pytest.mark.parametrize(("statistic", "q"), [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)])
def test_requests_needed_agrees_with_the_exact_interval(statistic, q):
    n = requests_needed(statistic)
    assert quantile_ranks(n, q) is not None
    assert quantile_ranks(n - 1, q) is None


def test_a_closed_form_level_is_judged_by_its_values():
    found = only(judge(level({"ttft_s": Distribution(n=0, p95=1.0)}, complete=0), [TTFT]))
    assert found.verdict == "holds"


def test_all_failed_breaks():
    found = only(judge(level({"ttft_s": Distribution(n=0)}, complete=0, failed=7), [TTFT]))
    assert (found.verdict, found.reason) == ("breaks", "none of 7 requests completed")
    assert found.value is None


@pytest.mark.parametrize("complete", [0, 5])
def test_no_sample_is_undecided(complete):
    tpot = Slo(metric="tpot_s", statistic="p95", limit=0.05)
    found = only(judge(level({"tpot_s": Distribution(n=0)}, complete=complete), [tpot]))
    assert found.verdict == "undecided"
    assert found.reason


def test_failures():
    one_percent = Slo(metric="failures_ratio", statistic="value", limit=0.01)
    metrics = {"failures_ratio": Distribution(n=200, mean=0.005, ci={"mean": (0.0001, 0.0275)})}
    held = only(judge(level(metrics, complete=199, failed=1), [one_percent]))
    assert (held.verdict, held.margin, held.interval) == ("holds", 0.5, (0.0001, 0.0275))
    assert only(judge(level(complete=98, failed=2), [one_percent])).verdict == "breaks"


def test_no_failure_at_all_promised():
    none = Slo(metric="failures_ratio", statistic="value", limit=0.0)
    held = only(judge(level(), [none]))
    assert (held.verdict, held.margin) == ("holds", 0.0)
    broken = only(judge(level(complete=99, failed=1), [none]))
    assert (broken.verdict, broken.margin) == ("breaks", None)


def test_throughput_is_better_when_higher():
    slo = Slo(metric="output_tokens_per_s", statistic="value", limit=400)
    assert only(judge(level(), [slo])).margin == pytest.approx(0.25)
    assert only(judge(level(output_tokens_per_s=300.0), [slo])).verdict == "breaks"


LAG = Lag(send_p99_s=0.5, loop_p99_s=0.02, server_p99_s=0.03)


@pytest.mark.parametrize(
    ("value", "word"), [(1.97, "holds"), (2.0, "holds"), (2.04, "undecided"), (2.06, "breaks")]
)
def test_lag_makes_latencies_too_long_never_too_short(value, word):
    found = only(judge(level({"ttft_s": measured(value)}, lag=LAG), [TTFT]))
    assert found.verdict == word
    assert ("lag of 50.0 ms" in found.reason) == (word == "undecided")


@pytest.mark.parametrize(("value", "word"), [(0.09, "undecided"), (0.11, "undecided"), (0.04, "holds")])
def test_lag_moves_a_gap_both_ways(value, word):
    slo = Slo(metric="itl_s", statistic="p95", limit=0.1)
    assert only(judge(level({"itl_s": measured(value)}, lag=LAG), [slo])).verdict == word


def test_lateness_of_sending_lies_in_what_is_counted_from_the_schedule():
    # 50 ms of lag and 500 ms of late sending: 2.4 s may be 1.85 s
    slo = Slo(metric="ttft_scheduled_s", statistic="p95", limit=2.0)
    found = only(judge(level({"ttft_scheduled_s": measured(2.4)}, lag=LAG), [slo]))
    assert (found.verdict, found.reason) == ("undecided", "within the instrument's own lag of 550 ms")
    assert only(judge(level({"ttft_scheduled_s": measured(2.6)}, lag=LAG), [slo])).verdict == "breaks"


@pytest.mark.parametrize(
    ("statistic", "cut", "word"),
    [("p95", 5, "holds"), ("p95", 6, "undecided"), ("mean", 0, "holds"), ("mean", 1, "undecided")],
)
def test_a_level_that_lost_its_slowest_requests_holds_nothing(statistic, cut, word):
    # 100 completed: with 6 more, the slowest of all, the 95th percentile would be one of those
    slo = Slo(metric="ttft_s", statistic=statistic, limit=2.0)
    value = Distribution(n=100, mean=1.0, p95=1.0, ci={"p95": (0.9, 1.1), "mean": (0.9, 1.1)})
    found = only(judge(level({"ttft_s": value}, cut=cut), [slo]))
    assert found.verdict == word
    assert (found.reason == f"{cut} requests were still running at the end, the slowest") == (cut in (6, 1))
    broken = only(judge(level({"ttft_s": value}, cut=cut), [replace(slo, limit=0.5)]))
    assert broken.verdict == "breaks"


@pytest.mark.parametrize(("share", "word"), [(None, "holds"), (0.2, "holds"), (0.45, "undecided")])
def test_gaps_of_chunks_read_together_decide_nothing(share, word):
    gaps = Distribution(n=900, mean=0.01, p50=0.0, p95=0.02, ci={"p95": (0.01, 0.03)}, together_ratio=share)
    percentile = Slo(metric="itl_s", statistic="p95", limit=0.1)
    found = only(judge(level({"itl_s": gaps}), [percentile]))
    assert (found.verdict, "45.0 %" in found.reason) == (word, word == "undecided")
    # the mean of the gaps is what it is, however they are cut
    mean = Slo(metric="itl_s", statistic="mean", limit=0.1)
    gaps = Distribution(n=900, mean=0.01, ci={"mean": (0.01, 0.03)}, together_ratio=share)
    assert only(judge(level({"itl_s": gaps}), [mean])).verdict == "holds"


def test_lag_of_tpot_is_spread_over_the_tokens():
    # (E2E 3.0 - TTFT 1.0) / TPOT 0.02 = 100 gaps: 50 ms of lag is 0.5 ms per token
    metrics = {"ttft_s": measured(1.0), "e2e_s": measured(3.0), "tpot_s": measured(0.02)}
    near = Slo(metric="tpot_s", statistic="p95", limit=0.0203)
    far = Slo(metric="tpot_s", statistic="p95", limit=0.021)
    judged = judge(level(metrics, lag=LAG), [near, far])
    assert [each.verdict for each in judged.verdict.slos] == ["undecided", "holds"]


def test_level_breaks_before_it_is_undecided():
    failures = Slo(metric="failures_ratio", statistic="value", limit=0.01)
    few = {"ttft_s": measured(0.1, n=10, interval=None)}
    assert judge(level(few, complete=10), [TTFT, failures]).verdict.word == "undecided"
    assert judge(level(few, complete=10, failed=1), [TTFT, failures]).verdict.word == "breaks"
    assert judge(level({"ttft_s": measured(1.0)}), [TTFT, failures]).verdict.word == "holds"


def test_unknown_metric():
    with pytest.raises(UnknownName, match="nearest: ttft_s"):
        judge(level(), [Slo(metric="tttft_s", statistic="p95", limit=1)])


def test_verdicts_do_not_load_scipy():
    code = (
        "import sys, servemark.stats.verdicts, servemark.capacity.search; assert 'scipy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_verdict_is_that_of_the_value_and_the_band_stands_beside_it():
    banded = Distribution(n=0, p95=1.9, band={"p95": (1.5, 2.4)})
    found = only(judge(level({"ttft_s": banded}, complete=0), [TTFT]))
    assert (found.verdict, found.band, found.is_within_error) == ("holds", (1.5, 2.4), True)
    sure = Distribution(n=0, p95=1.0, band={"p95": (0.8, 1.3)})
    assert not only(judge(level({"ttft_s": sure}, complete=0), [TTFT])).is_within_error
    assert not only(judge(level({"ttft_s": measured(1.9)}, complete=100), [TTFT])).is_within_error


def test_a_promise_on_throughput_has_the_band_of_the_level():
    slo = Slo(metric="output_tokens_per_s", statistic="value", limit=500.0)
    banded = replace(
        level({}, complete=0), output_tokens_per_s=480.0, bands={"output_tokens_per_s": (400.0, 560.0)}
    )
    found = only(judge(banded, [slo]))
    assert (found.verdict, found.band, found.is_within_error) == ("breaks", (400.0, 560.0), True)


def answered(loss, interval, *, healed=0, pairs=100):
    useful = CheckRate(check="useful", n=pairs, failed=0, pairs=pairs, healed=healed)
    return level(
        quality=LevelQuality(
            asked=100, complete=100, useful=100, accuracy_ratio=0.9, accuracy_interval=(0.82, 0.95),
            useful_ratio=0.8, useful_interval=(0.71, 0.87), loss_ratio=loss, loss_interval=interval,
            rates=(useful,),
        )
    )  # fmt: skip


LOSS = Slo(metric="quality_loss_ratio", statistic="value", limit=0.03)


@pytest.mark.parametrize(
    ("loss", "interval", "word"),
    [
        (0.0, (-0.01, 0.03), "holds"),
        (0.0, (-0.04, 0.04), "undecided"),
        (0.05, (0.02, 0.09), "undecided"),
        (0.06, (0.031, 0.1), "breaks"),
        (0.0, None, "holds"),
    ],
)
def test_no_loss_of_quality_must_be_shown_not_only_be_unseen(loss, interval, word):
    judged = only(judge(answered(loss, interval), [LOSS]))
    assert (judged.verdict, judged.interval) == (word, interval)


def test_a_promised_loss_is_ruled_out_by_the_bound_that_the_whole_experiment_uses():
    """0 of 120 pairs: the interval ends at 3.1 points, the one-sided bound at 2.2."""
    found = answered(0.0, (-0.031, 0.031))
    assert found.quality is not None
    bounded = replace(found, quality=replace(found.quality, loss_bound_ratio=0.022))
    assert only(judge(bounded, [LOSS])).verdict == "holds"
    unsure = replace(found, quality=replace(found.quality, loss_bound_ratio=0.0301))
    # 1.645^2 x 0.03 x 0.97 / 0.03^2 = 87.5
    assert only(judge(unsure, [LOSS])).requests_needed == 88


def test_items_that_would_decide_by_hand():
    """No change in 100 pairs: 1.96^2 x 0.03 x 0.97 / 0.03^2 = 124.2; with 5 healed more, since pairs vary more."""
    assert only(judge(answered(0.0, (-0.04, 0.04)), [LOSS])).requests_needed == 125
    varied = only(judge(answered(0.0, (-0.06, 0.06), healed=5), [LOSS]))
    # 1.96^2 x (2 x 0.05 + 0.0291) / 0.03^2 = 551.04
    assert varied.requests_needed == 552
    assert only(judge(answered(0.03, (0.0, 0.06)), [LOSS])).requests_needed is None


def test_answers_right_and_useful_are_better_when_higher():
    accuracy = Slo(metric="accuracy_ratio", statistic="value", limit=0.95)
    useful = Slo(metric="useful_ratio", statistic="value", limit=0.8)
    told = judge(answered(0.0, None), [accuracy, useful]).verdict.slos
    assert [each.verdict for each in told] == ["breaks", "holds"]
    assert [each.interval for each in told] == [(0.82, 0.95), (0.71, 0.87)]
    assert told[0].margin == pytest.approx((0.9 - 0.95) / 0.95)


def test_without_a_suite_nothing_is_said_of_quality():
    assert only(judge(level(), [LOSS])).verdict == "undecided"
