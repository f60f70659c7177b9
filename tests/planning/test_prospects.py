import pytest
from msgspec.structs import replace
from plan_questions import offer, requirements, search_of

from servemark.domain.workload import Users, load_value
from servemark.physics.levels import closed_form_level
from servemark.planning.prospects import DOUBT_RATIO, prospects_of, stock_of
from servemark.planning.shapes import replica_shapes
from servemark.planning.sieve import columns
from servemark.stats.verdicts import judge


def found_for(asked, gpus, offers, **search):
    shapes = replica_shapes(search_of(asked, gpus, **search)).fitting
    forms = columns(shapes, asked.load, asked.workload)
    return prospects_of(shapes, forms, asked, asked.load, stock_of(offers))


def test_replicas_are_the_fewest_that_carry_the_load():
    """Two L40S hold a load where one breaks a promise, and so on: the closed form itself says so."""
    asked = requirements()
    found = found_for(asked, ["l40s"], [offer("l40s", 1.0)], dtypes=("fp8",))
    for each in found.holding:
        assert each.most >= load_value(asked.load)
        if each.replicas > 1:
            fewer = replace(each.shape.deployment, replicas=each.replicas - 1)
            level = closed_form_level(
                fewer, each.shape.coefficients, each.shape.budget, asked.load, asked.workload
            )
            assert judge(level, asked.slos).verdict.word == "breaks"
        level = closed_form_level(
            each.deployment, each.shape.coefficients, each.shape.budget, asked.load, asked.workload
        )
        assert judge(level, asked.slos).verdict.word == "holds"


def test_headroom_asks_for_more():
    plain = found_for(requirements(), ["l40s"], [offer("l40s", 1.0)])
    more = found_for(requirements(headroom_ratio=1.0), ["l40s"], [offer("l40s", 1.0)])
    by_row = {each.row: each.replicas for each in plain.holding}
    for each in more.holding:
        assert by_row[each.row] <= each.replicas
        assert each.most >= 2 * 100 * 0.985


def test_spare_replicas_are_paid_for_but_do_not_carry():
    plain = found_for(requirements(), ["l40s"], [offer("l40s", 1.0)])
    spare = found_for(requirements(spare_replicas=1), ["l40s"], [offer("l40s", 1.0)])
    for one, other in zip(plain.holding, spare.holding, strict=True):
        assert other.replicas == one.replicas + 1
        assert other.working == one.deployment
        assert other.ttft_p95_s == one.ttft_p95_s
        extra = one.shape.deployment.parallelism.gpus
        assert other.bill.usd_per_hour == pytest.approx(one.bill.usd_per_hour + extra)


def test_instances_come_whole_and_are_filled():
    """Eight GPUs for $6, nothing smaller: the ones that are paid for carry load too, if all of them hold."""
    found = found_for(requirements(), ["l40s"], [offer("l40s", 6.0, gpus=8)])
    filled = [each.bill.gpus_paid == each.deployment.gpus for each in found.holding]
    assert sum(filled) > 0.8 * len(filled)
    for each in found.holding:
        assert each.bill.usd_per_hour == 6.0 * each.bill.instances
        assert each.worst <= 1


def test_the_cheapest_offer_counts_whole_instances():
    """Three GPUs: $3 singly, $6 as eight; seven GPUs: eight for $6 are cheaper than seven for $7."""
    stock = stock_of([offer("l40s", 1.0), offer("l40s", 6.0, gpus=8, provider="other")])
    assert stock.bills("l40s", 1, 3)[0].usd_per_hour == 3.0
    assert stock.bills("l40s", 1, 7)[0].usd_per_hour == 6.0
    assert [each.offer.gpus for each in stock.bills("l40s", 2, 1)] == [8]


def test_budget_and_gpu_limits_reject_what_holds():
    dear = found_for(requirements(budget_usd_per_month=730 * 2.5), ["l40s"], [offer("l40s", 1.0)])
    assert dear.dear
    for each in dear.holding:
        assert each.usd_per_month <= 730 * 2.5
    budget = [each for each in dear.rejected if each.reason == "budget"]
    assert len(budget) == len(dear.dear)
    for each in budget:
        assert each.usd_per_month > 730 * 2.5
        assert "over the budget" in each.detail
    few = found_for(requirements(max_gpus=2), ["l40s"], [offer("l40s", 1.0)])
    assert all(each.deployment.gpus <= 2 for each in few.holding)
    assert any("2 are allowed" in each.detail for each in few.rejected)


def test_one_replica_fewer_is_shown_with_what_it_breaks():
    asked = requirements()
    found = found_for(asked, ["l40s"], [offer("l40s", 1.0)], dtypes=("bf16",))
    largest = max(found.holding, key=lambda each: each.replicas)
    fewer = [
        each
        for each in (*found.rejected, *found.doubtful)
        if each.deployment.parallelism == largest.shape.deployment.parallelism
        and each.deployment.engine == largest.shape.deployment.engine
    ]
    (one,) = fewer
    assert one.deployment.replicas == largest.replicas - 1
    assert "over its" in one.detail


def test_the_doubtful_break_by_little():
    found = found_for(requirements(load=Users(users=333)), ["l40s", "h100-sxm"], [offer("l40s", 1.0)])
    assert all(1 < each.worst <= DOUBT_RATIO for each in found.doubtful)


def test_what_nobody_rents_out_in_that_size_is_no_candidate():
    """L40S singly only: no replica of two can be had. Without any offer for the GPU it stays, without a price."""
    singly = found_for(requirements(), ["l40s"], [offer("l40s", 1.0)])
    assert all(each.shape.deployment.parallelism.gpus == 1 for each in singly.holding)
    assert any(each.detail == "no offer has 2 x L40S in one instance" for each in singly.rejected)
    unpriced = found_for(requirements(), ["l40s"], [])
    assert {each.shape.deployment.parallelism.gpus for each in unpriced.holding} == {1, 2, 4, 8}
    assert all(each.usd_per_month is None for each in unpriced.holding)


def test_what_no_number_of_replicas_helps_is_said():
    asked = requirements("llama-3.3-70b")
    found = found_for(asked, ["l4"], [])
    assert found.holding == ()
    assert all("more replicas do not help" in each.detail for each in found.rejected)
    assert all(each.excess_ratio > 0 for each in found.rejected)


def test_consumer_cards_come_last_unless_asked_for():
    unasked = found_for(requirements(), ["rtx-4090"], [offer("rtx-4090", 0.3)])
    asked = found_for(requirements(consumer=True), ["rtx-4090"], [offer("rtx-4090", 0.3)])
    assert all(each.consumer and each.merits.consumer for each in unasked.holding)
    assert not any(each.consumer for each in asked.holding)
