"""What the ends of the 80 % band do to a plan."""

import numpy as np
import pytest
from plan_questions import SLOS, offer, planned, requirements, search_of

from servemark.domain.workload import Rate, Users
from servemark.planning.shapes import replica_shapes
from servemark.planning.sieve import columns, figured, most_load


def test_every_verdict_has_its_band(small_plan):
    for each in (small_plan.choice, *small_plan.alternatives):
        for verdict in each.verdicts:
            low, high = verdict.band
            assert low <= verdict.value <= high
            assert low < high


def test_users_at_the_ends_are_whole(small_plan):
    for each in (small_plan.choice, *small_plan.alternatives):
        low, high = each.capacity.band
        assert low == int(low) <= each.capacity.load.users <= high == int(high)


def test_what_carries_many_times_the_peak_is_not_cut_short():
    """Two users asked for; an H100 carries tens of them, and its band is around that."""
    plan = planned(
        requirements(load=Users(users=2)), ["h100-sxm"], [offer("h100-sxm", 2.5)], simulated=False
    )
    low, high = plan.choice.capacity.band
    assert low > 8
    assert 0.2 < low / plan.choice.capacity.load.users < 1 < high / plan.choice.capacity.load.users < 5


def test_twice_the_replicas_at_the_slow_end_cost_about_twice_as_much():
    """Each replica then has half the users, whose tokens come faster: no slower than one replica as predicted."""
    plan = planned(requirements(), ["l40s"], [offer("l40s", 1.0)], simulated=False)
    for each in (plan.choice, *plan.alternatives):
        monthly, price = each.monthly_usd, each.output_token_usd
        times = monthly.high_usd / monthly.point_usd
        if times > 1 and each.slow_end_holds:
            assert 0.7 * times < price.high_usd / price.point_usd < 1.6 * times


def test_the_tokens_of_a_rate_are_given():
    asked = requirements(load=Rate(per_s=1.0))
    plan = planned(asked, ["h100-sxm"], [offer("h100-sxm", 2.5)], simulated=False)
    price, monthly = plan.choice.output_token_usd, plan.choice.monthly_usd
    assert price.high_usd / price.point_usd == pytest.approx(monthly.high_usd / monthly.point_usd, rel=0.02)


@pytest.mark.parametrize("users", [20.0, 60.0, 200.0])
def test_the_search_goes_up_from_a_load_that_holds_and_down_from_one_that_breaks(users):
    """Long steps in phase can break TTFT at few users and keep it at many, so it matters where it begins."""
    asked = requirements(load=Users(users=200))
    shapes = replica_shapes(search_of(asked, ["b200-sxm"])).fitting
    forms = columns(shapes, asked.load, asked.workload)
    holds = figured(forms, SLOS, asked.load, np.full(len(shapes), users)).worst <= 1
    most = most_load(forms, SLOS, asked.load, 800.0, at=users)
    assert (most[holds] >= users * (1 - 1e-9)).all()
    assert (most[~holds] < users).all()
