from collections import Counter

import pytest
from msgspec.structs import replace
from plan_questions import offer, planned, requirements

from servemark.api.deployments import coefficients_of
from servemark.domain.plans import REASONS
from servemark.domain.workload import Rate, Users, load_value
from servemark.physics.memory import memory_budget
from servemark.planning.trials import Member, Trial, level_of
from servemark.stats.verdicts import judge


def everything(plan):
    choice = () if plan.choice is None else (plan.choice,)
    return (*choice, *plan.alternatives, *plan.rejected)


def test_every_deployment_is_counted_once(small_plan):
    found = everything(small_plan)
    assert small_plan.candidates_evaluated == len(found)
    assert {each.reason for each in small_plan.rejected} <= set(REASONS)
    keys = Counter(repr(replace(each.deployment, model=small_plan.requirements.model)) for each in found)
    assert max(keys.values()) == 1


def test_the_choice_is_the_cheapest_that_holds(small_plan):
    choice = small_plan.choice
    assert choice.method == "simulation"
    assert all(each.verdict == "holds" for each in choice.verdicts)
    for each in small_plan.alternatives:
        assert each.usd_per_month >= choice.usd_per_month
    for each in small_plan.rejected:
        if each.usd_per_month is not None and each.usd_per_month < choice.usd_per_month:
            assert each.reason in ("slo", "does_not_fit", "unsupported")


def test_alternatives_are_better_in_something(small_plan):
    choice = small_plan.choice
    for each in small_plan.alternatives:
        assert (
            each.tpot_p95_s < choice.tpot_p95_s
            or each.ttft_p95_s < choice.ttft_p95_s
            or load_value(each.capacity.load) > load_value(choice.capacity.load)
            or each.keeps_precision > choice.keeps_precision
        )


@pytest.mark.parametrize("seed", [1, 2])
def test_the_choice_holds_with_another_seed_too(small_plan, seed):
    """Simulated again with other arrivals, no promise is broken by more than the band of the prediction."""
    deployment = small_plan.choice.deployment
    asked = small_plan.requirements
    budget = memory_budget(deployment, sequence_tokens=1800)
    member = Member(deployment, coefficients_of(deployment), budget)
    level = level_of(Trial(asked.workload, asked.slos, seed), member, asked.load)
    low, _ = small_plan.choice.capacity.band
    most = load_value(small_plan.choice.capacity.load)
    for each in judge(level, asked.slos).verdict.slos:
        assert each.value <= each.slo.limit * most / low


def test_the_outlook_goes_beyond_the_peak(small_plan):
    outlook, choice = small_plan.outlook, small_plan.choice
    assert outlook.at_peak.load == Users(users=100)
    assert outlook.doubled.load == Users(users=200)
    assert choice.capacity.load.users >= 100
    assert outlook.at_break.verdict.word == "breaks"
    assert outlook.at_break.load == choice.capacity.first_broken
    low, high = choice.capacity.band
    assert low <= choice.capacity.load.users <= high
    assert outlook.at_peak.requests == ()
    assert outlook.cold_start.time_s > 10


def test_a_second_time_gives_the_same_plan(small_plan):
    again = planned(requirements(), ["l40s", "h100-sxm"], [offer("l40s", 1.0), offer("h100-sxm", 2.5)])
    assert replace(again, elapsed_s=0.0) == replace(small_plan, elapsed_s=0.0)


def test_an_undated_price_never_wins():
    dated, undated = offer("h100-sxm", 2.5), offer("l40s", 0.1, observed="undated >=2025-07")
    plan = planned(requirements(), ["l40s", "h100-sxm"], [dated, undated])
    assert plan.choice.deployment.node.gpu.key == "h100-sxm"
    cheap = [each for each in plan.alternatives if each.deployment.node.gpu.key == "l40s"]
    assert cheap
    assert all("price undated" in each.marks for each in cheap)
    assert cheap[0].usd_per_month < plan.choice.usd_per_month


def test_an_undated_price_is_taken_where_there_is_no_other():
    plan = planned(requirements(), ["l40s"], [offer("l40s", 0.1, observed="undated")])
    assert "price undated" in plan.choice.marks


def test_a_consumer_card_never_wins_unless_it_was_asked_for():
    offers = [offer("h100-sxm", 2.5), offer("rtx-4090", 0.3)]
    gpus = ["rtx-4090", "h100-sxm"]
    plan = planned(requirements(), gpus, offers)
    assert plan.choice.deployment.node.gpu.key == "h100-sxm"
    assert any(each.deployment.node.gpu.key == "rtx-4090" for each in plan.alternatives)
    asked = planned(requirements(consumer=True), gpus, offers)
    assert asked.choice.deployment.node.gpu.key == "rtx-4090"
    assert any("driver licence" in mark for mark in asked.choice.marks)


def test_without_any_price_the_fewest_gpus_win():
    plan = planned(requirements(), ["l40s", "b200-sxm"], [])
    assert plan.choice.deployment.gpus == 1
    assert plan.choice.usd_per_month is None
    assert plan.choice.monthly_usd is None
    assert "no price" in plan.choice.marks


def test_nothing_holds_and_says_what_would():
    plan = planned(requirements(budget_usd_per_month=100.0), ["l40s"], [offer("l40s", 1.0)])
    assert plan.choice is None
    assert plan.alternatives == ()
    assert plan.candidates_evaluated == len(plan.rejected)
    assert plan.miss.rejection.reason == "budget"
    assert plan.miss.remedies[0].startswith("a budget of $")


def test_nothing_fits():
    asked = requirements("llama-3.3-70b", max_gpus=1)
    plan = planned(asked, ["rtx-4090"], [offer("rtx-4090", 0.3)], search={"dtypes": ("bf16",)})
    assert plan.choice is None
    assert plan.miss.rejection.reason == "does_not_fit"
    assert any("int4" in each for each in plan.miss.remedies)


def test_the_closed_form_alone_decides_faster():
    plan = planned(requirements(), ["l40s"], [offer("l40s", 1.0)], simulated=False)
    assert plan.choice.method == "closed form"
    assert plan.outlook is None
    assert plan.candidates_evaluated == len(everything(plan))


def test_a_rate():
    plan = planned(requirements(load=Rate(per_s=2.0)), ["l40s"], [offer("l40s", 1.0)])
    assert all(each.verdict == "holds" for each in plan.choice.verdicts)
    assert plan.choice.capacity.load.per_s >= 2.0
    assert plan.choice.output_tokens_per_s == pytest.approx(600, rel=0.15)
    # the tokens of a rate are given: without another number of replicas the price has no range
    monthly, price = plan.choice.monthly_usd, plan.choice.output_token_usd
    if monthly.low_usd == monthly.high_usd:
        assert price.low_usd == price.high_usd


def test_a_spare_replica_is_bought_and_not_counted_on():
    plain = planned(requirements(), ["h100-sxm"], [offer("h100-sxm", 2.5)])
    spare = planned(requirements(spare_replicas=1), ["h100-sxm"], [offer("h100-sxm", 2.5)])
    assert spare.choice.deployment.replicas == plain.choice.deployment.replicas + 1
    assert spare.choice.verdicts == plain.choice.verdicts
    assert spare.choice.usd_per_month > plain.choice.usd_per_month


def test_headroom_moves_the_load_that_has_to_hold():
    plan = planned(requirements(headroom_ratio=0.5), ["l40s"], [offer("l40s", 1.0)])
    assert plan.choice.capacity.load.users >= 150


def test_dollars_add_up(small_plan):
    """One L40S at $1 an hour is $730 a month; per token: dollars per second over tokens per second."""
    for each in (small_plan.choice, *small_plan.alternatives):
        bill = each.bill
        assert each.usd_per_month == pytest.approx(730 * bill.instances * bill.offer.price_usd_per_hour)
        assert bill.gpus_used == each.deployment.gpus
        price = each.output_token_usd
        by_hand = bill.usd_per_hour / 3600 / each.output_tokens_per_s
        assert price.point_usd == pytest.approx(by_hand)
        assert price.low_usd <= price.point_usd <= price.high_usd
        assert each.monthly_usd.low_usd <= each.usd_per_month <= each.monthly_usd.high_usd
