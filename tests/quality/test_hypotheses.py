"""The verdict on experiments whose truth is known, built request by request."""

import math

import pytest
from msgspec.structs import replace

from servemark.domain.exchange import CheckResult, Judgement
from servemark.domain.run import Level, RequestRecord
from servemark.domain.workload import Rate, Slo, Users
from servemark.quality.hypotheses import verdict_on

GOOD = Judgement(passed=("wrong_answer",))
WRONG = Judgement(findings=(CheckResult(check="wrong_answer", severity="major"),))
PALE = Judgement(
    findings=(CheckResult(check="wrong_language", severity="minor"),), passed=("wrong_answer",)
)
FLUENT = Judgement(passed=("wrong_language", "wrong_answer"))
ITEMS, BLOCKS = 240, 6


def request(item, *, block=None, failed=False, judgement=GOOD, seconds=1.0, text="A", **other):
    return RequestRecord(
        index=item, item=f"q{item}", block=item % BLOCKS if block is None else block, scheduled_s=0.0, sent_s=0.0,
        last_token_s=None if failed else seconds, end_s=seconds, outcome="broken" if failed else "complete",
        judgement=None if failed else judgement, text="" if failed else text, **other,
    )  # fmt: skip


def level(load, rows):
    return Level(
        load=Users(users=load) if isinstance(load, int) else load, requests_sent=len(rows), outcomes={},
        metrics={}, output_tokens_per_s=None, requests_per_s=None, requests=tuple(rows),
    )  # fmt: skip


def asked(load, *, failed=0, wrong=0, seconds=1.0, items=ITEMS, text="A"):
    """Every item once; the first `failed` fail, the next `wrong` are answered wrongly. Latencies spread by 20 %."""
    rows = [
        request(
            i, failed=i < failed, judgement=WRONG if failed <= i < failed + wrong else GOOD,
            seconds=seconds * (1 + 0.2 * (i * 7 % items) / items), text=text,
        )
        for i in range(items)
    ]  # fmt: skip
    return level(load, rows)


def words(levels, controls=(), **options):
    _, verdict = verdict_on(levels, controls, suite="exam", items=ITEMS, **options)
    return {each.family: each for each in verdict.families}, verdict


def clean():
    return [asked(n) for n in (1, 2, 4, 8, 16, 32)]


def test_nothing_happens_and_that_is_shown():
    families, verdict = words(clean())
    assert {name: each.word for name, each in families.items()} == {
        "failures": "not harmed", "latency": "not harmed", "quality": "not harmed",
    }  # fmt: skip
    assert families["quality"].effect == 0.0
    # the wider of Tango's interval and the blocks': none differs, so z^2 / (n + z^2)
    bound = 100 * 1.96**2 / (240 + 1.96**2)
    assert families["quality"].effect_interval == pytest.approx((-bound, bound), abs=1e-2)
    assert verdict.blocks == BLOCKS
    assert verdict.homogeneity_p == 1.0


def test_answers_that_break_under_load():
    levels = [*clean()[:-1], asked(32, wrong=24)]
    qualities, verdict = verdict_on(levels, [], suite="exam", items=ITEMS)
    quality = verdict.families[2]
    assert quality.word == "harmed"
    assert quality.worst_load == Users(users=32)
    assert quality.effect == pytest.approx(10.0)
    assert (
        quality.effect_interval is not None
        and 3 < quality.effect_interval[0] < 10 < quality.effect_interval[1]
    )
    assert "24 lost a useful answer under load and 0 did the reverse" in quality.sentence
    assert "quality degradation under load" not in quality.sentence
    assert verdict.families[0].word == verdict.families[1].word == "not harmed"
    top = qualities[-1]
    assert (top.asked, top.complete, top.useful) == (240, 240, 216)
    assert (top.accuracy_ratio, top.useful_ratio, top.loss_ratio) == (0.9, 0.9, 0.1)
    useful, wrong_answer = top.rates
    assert (useful.check, useful.broke, useful.healed, useful.pairs) == ("useful", 24, 0, 240)
    assert (wrong_answer.check, wrong_answer.failed, wrong_answer.ratio) == ("wrong_answer", 24, 0.1)
    # two questions had the same 24 discordant pairs: Holm adds both
    assert useful.p_value == pytest.approx(2 * 0.5**24)


def test_the_same_loss_in_one_moment_is_not_shown():
    """24 answers break, all in one block: McNemar is sure, one bad minute is not ruled out."""
    broken = [request(i, judgement=WRONG if i % BLOCKS == 2 and i < 144 else GOOD) for i in range(ITEMS)]
    families, _ = words([asked(1), level(32, broken)])
    quality = families["quality"]
    assert quality.word == "inconclusive"
    assert quality.p_value is not None and quality.p_value > 0.05
    assert "too few of the 6 blocks" in quality.would_change
    assert quality.items_needed is not None and quality.items_needed > ITEMS


def test_wrong_alone_is_no_harm():
    families, _ = words([asked(n, wrong=120) for n in (1, 8, 32)])
    assert families["quality"].word == "not harmed"


def test_a_loss_no_larger_than_between_two_equal_runs_is_no_harm():
    levels = [*clean()[:-1], asked(32, wrong=24)]
    # the highest load again: this time nothing went wrong
    families, verdict = words(levels, [asked(32)])
    assert verdict.controls[0].kind == "noise"
    assert verdict.controls[0].difference == pytest.approx(-0.1)
    assert families["quality"].word == "inconclusive"
    # and when it goes wrong again, it counts
    families, verdict = words(levels, [asked(32, wrong=24)])
    assert families["quality"].word == "harmed"
    assert verdict.controls[0].broke == verdict.controls[0].healed == 0


def test_minor_defects_alone_do_not_harm():
    pale = level(32, [request(i, judgement=PALE if i < 60 else GOOD) for i in range(ITEMS)])
    qualities, verdict = verdict_on(
        [level(1, [request(i, judgement=FLUENT) for i in range(ITEMS)]), pale],
        [],
        suite="exam",
        items=ITEMS,
    )
    assert verdict.families[2].word == "not harmed"
    assert {rate.check: rate.failed for rate in qualities[1].rates}["wrong_language"] == 60


def test_failures_that_rise():
    levels = [asked(n, failed=failed) for n, failed in zip((1, 2, 4, 8), (0, 0, 12, 48), strict=True)]
    families, _ = words(levels)
    failures = families["failures"]
    assert failures.word == "harmed"
    assert failures.effect == pytest.approx(20.0)
    assert failures.statistic is not None and failures.statistic > 5
    assert failures.p_value is not None and failures.p_value < 0.01
    assert failures.worst_load == Users(users=8)
    assert "20 % of the requests fail at 8 users, 0 % alone" in failures.sentence


def test_failures_that_are_as_frequent_alone():
    families, _ = words([asked(n, failed=180) for n in (1, 8, 32)])
    assert families["failures"].word == "not harmed"
    assert "75 % of the requests fail alone, and not one more" in families["failures"].sentence


def test_a_promise_on_failures_needs_no_more_items_than_the_margin():
    promise = Slo(metric="failures_ratio", statistic="value", limit=0.01)
    families, _ = words(clean(), slos=[promise])
    assert families["failures"].word == "not harmed"
    # 30 of 1,200 fail at 8 users: 2.5 points, within the margin, but beyond what was promised
    levels = [
        asked(n, failed=failed, items=1200) for n, failed in zip((1, 2, 4, 8), (0, 0, 6, 30), strict=True)
    ]
    families, _ = words(levels, margin_ratio=0.05)
    assert families["failures"].word == "not harmed"
    families, _ = words(levels, margin_ratio=0.05, slos=[promise])
    assert families["failures"].word == "harmed"


def test_a_promised_loss_is_the_margin_where_it_is_stricter():
    families, _ = words(clean(), slos=[Slo(metric="quality_loss_ratio", statistic="value", limit=0.001)])
    assert families["quality"].margin == pytest.approx(0.1)
    assert families["quality"].word == "inconclusive"


def test_the_cliff_leaves_no_answers_to_judge():
    """A shared pool: all is well up to 6 users, next to nothing completes at 8."""
    levels = [asked(1), asked(2), asked(4), asked(6), asked(8, failed=232)]
    families, _ = words(levels)
    assert families["failures"].word == "harmed"
    assert families["quality"].word == "inconclusive"
    assert "only 8 of 240 items completed" in families["quality"].sentence
    assert families["quality"].would_change.startswith("Answers to most items at 8 users")
    # were it the lowest load that fails, answers there would be missing
    families, _ = words([asked(1, failed=232), asked(2), asked(8)])
    assert families["quality"].would_change.startswith("Answers to most items at 1 user:")


def slow(factor):
    return [asked(n, seconds=factor ** math.log2(n)) for n in (1, 2, 4, 8)]


def test_latency_without_a_promise():
    families, _ = words(slow(1.1))
    latency = families["latency"]
    assert latency.word == "slower"
    assert latency.effect == pytest.approx(1.1)
    assert latency.margin == pytest.approx(2 ** (1 / 3))
    assert "Page" in latency.test and latency.statistic is not None
    families, _ = words(slow(1.5))
    assert families["latency"].word == "harmed"
    assert "3.38 times as long as alone" in families["latency"].sentence


def test_latency_with_a_promise():
    promise = Slo(metric="e2e_s", statistic="p95", limit=5.0)
    families, _ = words(slow(1.5), slos=[promise])
    assert families["latency"].word == "slower"
    families, _ = words(slow(1.5), slos=[replace(promise, limit=3.0)])
    assert families["latency"].word == "harmed"
    families, _ = words(slow(1.0), slos=[replace(promise, limit=1.19)])
    assert families["latency"].word == "inconclusive"
    assert families["latency"].items_needed is not None


def test_a_promise_broken_alone_is_not_the_fault_of_load():
    families, _ = words(slow(1.0), slos=[Slo(metric="e2e_s", statistic="p95", limit=0.5)])
    assert families["latency"].word == "not harmed"


def test_too_few_requests_for_a_percentile():
    few = [asked(n, items=30) for n in (1, 8)]
    families, _ = words(few, slos=[Slo(metric="e2e_s", statistic="p99", limit=2.0)])
    assert families["latency"].word == "inconclusive"
    assert families["latency"].items_needed == 368


def test_latency_where_few_complete_everywhere():
    families, _ = words([asked(1), asked(2, seconds=1.3), asked(4, failed=200, seconds=9.0)])
    assert "Jonckheere" in families["latency"].test
    assert families["latency"].p_value is not None and families["latency"].p_value < 0.05


def test_levels_in_any_order_come_back_in_it():
    qualities, verdict = verdict_on(
        [asked(32, wrong=24), asked(1), asked(8)], [], suite="exam", items=ITEMS
    )
    assert [each.useful for each in qualities] == [216, 240, 240]
    assert qualities[1].loss_ratio is None
    assert verdict.families[2].worst_load == Users(users=32)


def test_the_lowest_load_is_named_where_nobody_was_alone():
    families, verdict = words([asked(4), asked(32, wrong=24)])
    assert "at 4 users, the lowest load" in families["quality"].sentence
    assert any("Nothing was asked alone" in note for note in verdict.notes)
    families, _ = words(
        [level(Rate(per_s=0.5), asked(1).requests), level(Rate(per_s=4.0), asked(1).requests)]
    )
    assert families["failures"].word == "not harmed"


def test_one_block_is_said_and_cannot_hide():
    rows = [
        [replace(row, block=0) for row in each.requests] for each in [*clean()[:-1], asked(32, failed=120)]
    ]
    families, verdict = words([level(n, each) for n, each in zip((1, 2, 4, 8, 16, 32), rows, strict=True)])
    assert verdict.blocks == 1
    assert any(note.startswith("One block") for note in verdict.notes)
    # one of 6! orders at most as high: six loads can speak even then; two cannot
    assert families["failures"].word == "inconclusive" or (families["failures"].p_value or 1) <= 0.05
    families, _ = words([level(1, rows[0]), level(32, rows[-1])])
    assert families["failures"].word == "inconclusive"


def test_two_loads_in_few_blocks_cannot_reach_alpha():
    rows = [
        [replace(row, block=row.block % 3) for row in each.requests]
        for each in (asked(1), asked(32, wrong=60))
    ]
    families, verdict = words([level(1, rows[0]), level(32, rows[1])])
    assert families["quality"].word == "inconclusive"
    assert any("at least 5 blocks" in note for note in verdict.notes)


@pytest.mark.parametrize(
    "levels",
    [
        [],
        [asked(1)],
        [level(1, []), level(2, [])],
        [asked(1), level(2, [])],
        [asked(1, failed=ITEMS), asked(2, failed=ITEMS)],
        [level(1, [request(0, judgement=None)]), level(2, [request(0, judgement=None)])],
        [level(1, [replace(request(0), warmup=True)]), level(2, [replace(request(0), warmup=True)])],
        [level(1, [replace(request(0), item=None)]), level(2, [replace(request(0), item=None)])],
        [level(1, [replace(request(0), last_token_s=None)]), level(2, [request(0)])],
        [asked(2), asked(2)],
    ],
)
def test_thin_data_degrades_to_words(levels):
    qualities, verdict = verdict_on(levels, levels[:1], suite="exam", items=0)
    assert len(qualities) == len(levels)
    assert [each.family for each in verdict.families] == ["failures", "latency", "quality"]
    assert all(each.sentence and each.would_change for each in verdict.families)
    assert all(each.word != "harmed" for each in verdict.families)


def test_drift_is_noticed():
    last = level(1, [replace(row, block=5, last_token_s=1.5, end_s=1.5) for row in asked(1).requests[::6]])
    _, verdict = words(clean(), [last, asked(32, text="B")])
    drift, noise = verdict.controls
    assert (drift.kind, drift.pairs) == ("drift", 40)
    assert any("1 user was measured twice: the second time took" in note for note in verdict.notes)
    assert (noise.kind, noise.changed_text) == ("noise", 240)


def test_missing_controls_are_said():
    _, verdict = words(clean())
    assert sum("was not repeated" in note for note in verdict.notes) == 2


def test_texts_that_change():
    qualities, _ = verdict_on([asked(1), asked(8, text="B")], [], suite="exam", items=ITEMS)
    assert [each.changed_ratio for each in qualities] == [None, 1.0]


def test_the_floor_is_the_net_difference_of_equal_runs():
    qualities, _ = verdict_on([asked(1), asked(8)], [asked(8, wrong=12)], suite="exam", items=ITEMS)
    assert qualities[1].rates[0].floor_ratio == pytest.approx(0.05)
    # as many break as heal: no difference, whatever flips
    first = level(8, [request(i, judgement=WRONG if i % 5 == 0 else GOOD) for i in range(ITEMS)])
    again = level(8, [request(i, judgement=WRONG if i % 5 == 1 else GOOD) for i in range(ITEMS)])
    qualities, verdict = verdict_on([asked(1), first], [again], suite="exam", items=ITEMS)
    assert qualities[1].rates[0].floor_ratio == 0.0
    assert verdict.controls[0].broke == verdict.controls[0].healed == 48
    assert verdict.families[2].word == "harmed"


def test_not_harmed_shows_the_bound_that_rules_the_margin_out():
    """4 of 240 break, 2 heal: the 95 % interval passes 3 points, the one-sided bound does not."""
    rows = [request(i, judgement=WRONG if i in (0, 49, 98, 147) else GOOD) for i in range(ITEMS)]
    before = [request(i, judgement=WRONG if i in (11, 18) else GOOD) for i in range(ITEMS)]
    families, _ = words([level(1, before), level(8, rows)])
    quality = families["quality"]
    assert quality.word == "not harmed"
    assert quality.effect_interval is not None and quality.effect_interval[1] > 3.0
    assert quality.sentence.endswith(
        "at every load a loss above 2.9 points is ruled out (one-sided 95 % bound); the margin is 3 points."
    )


def test_nothing_flipped_is_said_in_plain_words():
    families, _ = words(clean())
    assert families["quality"].sentence.startswith(
        "Not one of 240 items lost or gained a useful answer at any load; at every load a loss above 1.1 points is "
    )
    assert "not one more or fewer at any load" in families["failures"].sentence
    # fewer failures at one load, as many at the worst: that is not the same
    families, _ = words([asked(1, failed=12), asked(2, failed=12), asked(4)])
    assert "not one more" not in families["failures"].sentence


def test_noise_is_named_only_where_it_was_measured():
    levels = [*clean()[:-1], asked(32, wrong=24)]
    families, _ = words(levels)
    assert "no load was repeated" in families["quality"].sentence
    families, _ = words(levels, [asked(32, wrong=24)])
    assert "above the 0 points by which two runs of one load differ" in families["quality"].sentence
    families, _ = words(levels, [asked(32)])
    assert "Two runs of one load differ by as much (10 points)" in families["quality"].sentence
    assert "agrees with the first" in families["quality"].would_change


def test_a_broken_promise_on_failures_is_named():
    promise = Slo(metric="failures_ratio", statistic="value", limit=0.01)
    levels = [
        asked(n, failed=failed, items=1200) for n, failed in zip((1, 2, 4, 8), (0, 0, 6, 30), strict=True)
    ]
    families, _ = words(levels, margin_ratio=0.05, slos=[promise])
    assert families["failures"].sentence.endswith("More than the promised 1 % fail.")


def test_latency_names_metrics_as_people_do():
    promise = Slo(metric="e2e_s", statistic="p95", limit=5.0)
    families, _ = words(slow(1.5), slos=[promise])
    latency = families["latency"]
    assert "at worst E2E latency p95 at 8 users is" in latency.sentence
    assert latency.would_change.startswith("E2E latency p95 beyond the promised 5.00 s")


def test_the_load_that_leaves_latency_open_is_the_one_spoken_of():
    """Nothing completes at 8 users: the promise that holds at 4 decides nothing."""
    promise = Slo(metric="e2e_s", statistic="p95", limit=2.0)
    families, _ = words([asked(1), asked(4), asked(8, failed=ITEMS)], slos=[promise])
    latency = families["latency"]
    assert latency.word == "inconclusive"
    assert latency.sentence == "No request completed at 8 users: nothing can be said of its latency."
    assert latency.would_change == "Complete answers at 8 users."
    assert latency.worst_load == Users(users=8)


def test_one_load_twice_has_no_order():
    families, _ = words([asked(8), asked(8, seconds=3.0)])
    assert families["latency"].p_value == 1.0
    assert families["latency"].word == "inconclusive"
    assert ": ." not in families["latency"].sentence


def test_few_blocks_keep_shares_between_nothing_and_all():
    rows = [request(i, block=i % 2, judgement=WRONG if i % 2 and i < 200 else GOOD) for i in range(ITEMS)]
    qualities, verdict = verdict_on(
        [level(1, [replace(row, judgement=GOOD) for row in rows]), level(8, rows)],
        [],
        suite="exam",
        items=ITEMS,
    )
    top = qualities[1]
    assert top.accuracy_interval == (0.0, 1.0)
    assert top.loss_interval == (-1.0, 1.0)
    assert any(note.startswith("2 blocks: intervals of percentiles") for note in verdict.notes)


def test_blocks_that_do_not_agree_ask_for_blocks_not_for_items():
    """Every request fails at 2 users, none at 1 or 32: no rise with load, and more items show none either."""
    families, _ = words([asked(1), asked(2, failed=ITEMS), asked(32)])
    failures = families["failures"]
    assert failures.word == "inconclusive"
    assert "The blocks show no rise over all loads" in failures.sentence
    assert (failures.items_needed, failures.would_change) == (None, "More than 6 blocks.")


def test_a_gain_is_called_one():
    families, _ = words([asked(1, wrong=30), asked(8)])
    assert "a net gain of 12.5 points (95 % interval of the loss" in families["quality"].sentence
    assert "at every load a loss is ruled out" in families["quality"].sentence


def test_intervals_of_latency_hold_their_value_and_time_is_positive():
    promise = Slo(metric="e2e_s", statistic="mean", limit=5.0)
    two = [level(n, [request(0, seconds=0.1), request(1, seconds=9.0)]) for n in (1, 8)]
    families, _ = words(two, slos=[promise])
    assert "(95 % interval 0 s to" in families["latency"].sentence
