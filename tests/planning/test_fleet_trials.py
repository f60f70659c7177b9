import pytest
from plan_questions import offer, planned, spread_requirements

from servemark.domain.fleet import MixedPools
from servemark.domain.workload import Rate

OFFERS = [offer("l40s", 1.0), offer("h100-sxm", 2.5)]
LOAD = Rate(per_s=12.0)


@pytest.fixture(scope="module")
def plan():
    asked = spread_requirements(load=LOAD)
    kinds = ("split", "disaggregated", "mixed")
    return planned(asked, ["l40s", "h100-sxm"], OFFERS, fleets=kinds)


def test_fleets_are_counted_too(plan):
    counted = (plan.choice is not None) + len(plan.alternatives) + len(plan.rejected)
    assert plan.candidates_evaluated == counted
    tried = [each for each in plan.rejected if each.fleet is not None]
    assert {type(each.fleet).__name__ for each in tried} >= {"SplitPools", "DisaggregatedPools"}


def test_a_fleet_lost_because_it_is_dearer_or_breaks_a_promise(plan):
    for each in plan.rejected:
        if each.fleet is None:
            continue
        assert each.reason in ("slo", "dominated")
        if each.reason == "dominated":
            assert each.usd_per_month >= plan.choice.usd_per_month - 0.5
        else:
            assert each.method == "simulation"
            assert any(verdict.verdict != "holds" for verdict in each.verdicts)


def test_the_cheapest_of_each_kind_was_simulated(plan):
    tried = [each for each in plan.rejected if each.fleet is not None]
    for kind in {type(each.fleet) for each in tried}:
        own = [each for each in tried if isinstance(each.fleet, kind)]
        assert any(each.method == "simulation" for each in own)


def test_a_cheaper_mix_becomes_the_choice():
    """One H100 carries a little less than the load; an L40S beside it costs less than a second H100."""
    offers = [offer("l40s", 2.0), offer("h100-sxm", 2.5)]
    asked = spread_requirements(load=Rate(per_s=6.0))
    alone = planned(asked, ["h100-sxm"], offers, search={"dtypes": ("fp8",)})
    most = alone.choice.capacity.load.per_s
    asked = spread_requirements(load=Rate(per_s=1.1 * most))
    one = planned(asked, ["l40s", "h100-sxm"], offers, search={"dtypes": ("fp8",)})
    mixed = planned(asked, ["l40s", "h100-sxm"], offers, search={"dtypes": ("fp8",)}, fleets=("mixed",))
    choice = mixed.choice
    assert isinstance(choice.fleet, MixedPools)
    assert choice.usd_per_month < one.choice.usd_per_month
    assert all(each.verdict == "holds" for each in choice.verdicts)
    assert mixed.alternatives[0] == one.choice
    assert choice.usd_per_month == sum(bill.usd_per_month for bill in choice.pool_bills)
    assert choice.gpus == sum(bill.gpus_used for bill in choice.pool_bills) == 2
    assert choice.capacity.load.per_s >= asked.load.per_s
