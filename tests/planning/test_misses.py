import pytest
from plan_questions import offer, planned, requirements, search_of

from servemark.domain.workload import Rate, Slo
from servemark.planning.misses import nearest_miss
from servemark.planning.prospects import prospects_of, stock_of
from servemark.planning.shapes import replica_shapes
from servemark.planning.sieve import columns


def missed(asked, gpus, offers, **search):
    found = replica_shapes(search_of(asked, gpus, **search))
    forms = columns(found.fitting, asked.load, asked.workload)
    prospects = prospects_of(found.fitting, forms, asked, asked.load, stock_of(offers))
    return nearest_miss((*found.rejected, *prospects.rejected), prospects.dear, asked, asked.load)


def test_too_dear_is_nearer_than_too_slow():
    asked = requirements(budget_usd_per_month=1000.0)
    miss = missed(asked, ["l40s"], [offer("l40s", 1.0)])
    assert miss.rejection.reason == "budget"
    money, load, promise = miss.remedies
    # two L40S at $1 an hour
    assert money.startswith("a budget of $1,460 a month: Llama 3.1 8B (fp8) on 2 x L40S")
    assert load.startswith("about ")
    assert "users instead of 100: what 1 x L40S (fp8) carry within the budget" in load
    assert promise.startswith("a slower promise: Llama 3.1 8B (fp8) on 1 x L40S gives TPOT p95 ")


def test_the_load_that_the_money_pays_for_is_what_its_replicas_carry():
    miss = missed(requirements(budget_usd_per_month=1000.0), ["l40s"], [offer("l40s", 1.0)])
    users = int(miss.remedies[1].split()[1])
    again = planned(
        requirements(load=requirements().load.__class__(users=users), budget_usd_per_month=1000.0),
        ["l40s"], [offer("l40s", 1.0)], simulated=False,
    )  # fmt: skip
    assert again.choice is not None


def test_a_rate_that_the_money_pays_for():
    asked = requirements(load=Rate(per_s=20.0), budget_usd_per_month=1000.0)
    miss = missed(asked, ["l40s"], [offer("l40s", 1.0)])
    assert any("requests a second instead of 20" in each for each in miss.remedies)


def test_too_few_gpus_allowed():
    miss = missed(requirements(max_gpus=1), ["l40s"], [offer("l40s", 1.0)])
    assert miss.rejection.reason == "budget"
    assert "are allowed" in miss.rejection.detail
    assert miss.remedies[0].startswith("2 GPUs: ")


def test_too_slow_names_the_nearest_promise():
    """No number of L40S serves a 70B model at 10 ms a token."""
    fast = Slo(metric="tpot_s", statistic="p95", limit=0.01)
    asked = requirements("llama-3.3-70b", slos=(fast,))
    miss = missed(asked, ["l40s"], [offer("l40s", 1.0, gpus=8)], dtypes=("bf16",))
    assert miss.rejection.reason == "slo"
    assert miss.rejection.excess_ratio > 0
    assert miss.rejection.deployment.gpus <= 8
    assert "gives TPOT p95 " in miss.remedies[0]


def test_a_slower_promise_has_to_be_within_the_budget():
    """What breaks a promise on one L40S for $730 a month is no way out for who has $100."""
    miss = missed(requirements(budget_usd_per_month=100.0), ["l40s"], [offer("l40s", 1.0)])
    assert not any("slower" in each for each in miss.remedies)


def test_without_a_price_nothing_is_within_a_budget():
    miss = missed(requirements(budget_usd_per_month=5000.0), ["l40s"], [])
    assert miss.rejection.reason == "budget"
    assert "no offer covers it" in miss.rejection.detail


def test_nothing_was_looked_at():
    assert nearest_miss((), (), requirements(), Rate(per_s=1.0)) is None


@pytest.mark.parametrize("reason", ["does_not_fit"])
def test_more_memory_or_fewer_bits(reason):
    found = replica_shapes(search_of(requirements("llama-3.1-405b"), ["l4"], dtypes=("bf16",)))
    miss = nearest_miss(found.rejected, (), requirements(), Rate(per_s=1.0))
    assert miss.rejection.reason == reason
    assert miss.remedies == ("GPUs with more memory than L4, or weights of fewer bits (--dtype int4)",)
