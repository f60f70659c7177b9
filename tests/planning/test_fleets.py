import pytest
from plan_questions import offer, requirements, search_of, spread_requirements

from servemark.domain.fleet import DisaggregatedPools, MixedPools, SplitPools
from servemark.domain.lengths import mean_tokens, quantile_tokens
from servemark.domain.workload import FixedLength, LognormalLength, Rate, Workload
from servemark.planning.fleets import (
    cheapest_shapes,
    disaggregated_fleets,
    length_between,
    mixed_fleets,
    split_fleets,
    worth_splitting,
)
from servemark.planning.prospects import prospects_of, stock_of
from servemark.planning.shapes import replica_shapes
from servemark.planning.sieve import columns

RATE = Rate(per_s=8.0)
OFFERS = [offer("l40s", 1.0), offer("h100-sxm", 2.5)]


@pytest.fixture(scope="module")
def scene():
    asked = spread_requirements(load=RATE)
    shapes = replica_shapes(search_of(asked, ["l40s", "h100-sxm"])).fitting
    stock = stock_of(OFFERS)
    forms = columns(shapes, RATE, asked.workload)
    return asked, stock, prospects_of(shapes, forms, asked, RATE, stock).holding


def test_prompts_that_spread_are_worth_splitting():
    assert worth_splitting(spread_requirements().workload)
    assert not worth_splitting(requirements().workload)
    narrow = Workload(input=LognormalLength(median_tokens=900, sigma=0.2), output=FixedLength(tokens=9))
    assert not worth_splitting(narrow)


def test_a_part_of_a_length_distribution():
    length = spread_requirements().workload.input
    low, high = length_between(length, 0.0, 0.75), length_between(length, 0.75, 1.0)
    edge = quantile_tokens(length, 0.75)
    assert quantile_tokens(low, 1.0) == pytest.approx(edge)
    assert quantile_tokens(high, 0.0) == pytest.approx(edge)
    assert quantile_tokens(low, 0.5) == pytest.approx(quantile_tokens(length, 0.375))
    whole = 0.75 * mean_tokens(low) + 0.25 * mean_tokens(high)
    assert whole == pytest.approx(mean_tokens(length), rel=0.05)


def test_pools_split_by_length(scene):
    asked, stock, holding = scene
    found = list(split_fleets(cheapest_shapes(holding), asked, RATE, asked.workload, stock))
    assert len(found) == 3
    thresholds = [each.threshold_tokens for each in found]
    assert thresholds == sorted(thresholds)
    for each in found:
        short, long = each.pools
        assert short.requests_per_s + long.requests_per_s == pytest.approx(RATE.per_s, rel=1e-6)
        assert isinstance(each.fleet, SplitPools)
        assert each.usd_per_month == sum(pool.usd_per_month for pool in each.pools)
        assert each.largest.deployment.gpus == max(short.deployment.gpus, long.deployment.gpus)


def test_prefill_and_decode_apart(scene):
    asked, stock, holding = scene
    found = list(disaggregated_fleets(cheapest_shapes(holding), asked, RATE, asked.workload, stock))
    assert {each.pools[0].shape.deployment.node.gpu.key for each in found} == {"l40s", "h100-sxm"}
    for each in found:
        fleet = each.fleet
        assert isinstance(fleet, DisaggregatedPools)
        assert fleet.prefill.node.gpu == fleet.decode.node.gpu
        # NVLink servers have an adapter per GPU, PCIe ones share a slower network
        fast = fleet.decode.node.gpu.key == "h100-sxm"
        assert fleet.transfer_bytes_per_s == (50e9 if fast else 12.5e9)


def test_mixed_gpus_carry_the_demand_and_cost_less(scene):
    _, stock, holding = scene
    single = min(each.usd_per_month for each in holding if each.merits.tier == 0)
    found = mixed_fleets(holding, RATE.per_s, single, stock)
    costs = [each.usd_per_month for each in found]
    assert costs == sorted(costs)
    for each in found:
        assert each.usd_per_month < single
        assert sum(pool.most for pool in each.pools) >= RATE.per_s * (1 - 1e-6)
        assert len({pool.shape.deployment.node.gpu.key for pool in each.pools}) == 2
        assert isinstance(each.fleet, MixedPools)
        assert len(each.fleet.weights) == 2


def test_a_pool_grows_by_a_replica(scene):
    asked, stock, holding = scene
    plan = next(split_fleets(cheapest_shapes(holding), asked, RATE, asked.workload, stock))
    grown = plan.grown(1, stock)
    assert grown.pools[0] == plan.pools[0]
    assert grown.pools[1].replicas == plan.pools[1].replicas + 1
    assert grown.usd_per_month > plan.usd_per_month
    assert grown.pools[1].most > plan.pools[1].most
