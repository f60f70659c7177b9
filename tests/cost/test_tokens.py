"""Dollars per token: the worked cases, and the traps that others fell into."""

import pytest

from servemark.cost.instances import bill_of
from servemark.cost.tokens import token_price, usd_per_output_token
from servemark.domain.bill import Bill
from servemark.domain.offer import GpuPrice, Offer
from servemark.errors import InputError

M = 1e6


def offer(instance, gpu, gpus, price):
    return Offer(
        provider="aws",
        instance=instance,
        gpu=gpu,
        gpus=gpus,
        price_usd_per_hour=price,
        observed="2026-11-09",
        source="s",
    )


P4D_BEFORE_THE_CUT = offer("p4d.24xlarge", "a100-sxm-40gb", 8, 32.77)
P4DE = offer("p4de.24xlarge", "a100-sxm-80gb", 8, 27.44705)
G6E_12 = offer("g6e.12xlarge", "l40s", 4, 10.49264)
P5 = offer("p5.48xlarge", "h100-sxm", 8, 55.04)


def price(offer, gpus, per_gpu_tokens_per_s):
    bill = bill_of(offer, replicas=gpus, gpus_per_replica=1)
    return M * usd_per_output_token(bill, output_tokens_per_s=gpus * per_gpu_tokens_per_s, gpus=gpus)


def test_a_published_comparison_with_its_3600_seconds():
    # 8 GPUs at $32.77/h and 1,240 tok/s each: $0.918 per million, printed elsewhere as $3.36 per thousand
    assert price(P4D_BEFORE_THE_CUT, 8, 1240) == pytest.approx(0.918, abs=0.0005)
    # $16.32/h for 4 L40S, twice, at 1,890 tok/s each
    assert price(offer("g6e", "l40s", 4, 16.32), 8, 1890) == pytest.approx(0.600, abs=0.0005)


def test_the_same_comparison_at_dated_prices_and_published_speeds():
    # TensorRT-LLM v0.17, Llama 3.1 70B, 1000 in, 1000 out: per GPU A100 480, L40S FP8 302, H100 FP8 2,195
    a100, l40s, h100 = price(P4DE, 8, 480), price(G6E_12, 4, 302), price(P5, 8, 2195)
    assert (a100, l40s, h100) == pytest.approx((1.984, 2.410, 0.871), abs=0.005)
    # the L40S is 21 % dearer than the A100 there, and the H100 the cheapest
    assert l40s / a100 == pytest.approx(1.21, abs=0.01)


def test_the_speed_of_one_gpu_by_the_price_of_eight_is_refused():
    bill = bill_of(P4DE, replicas=8, gpus_per_replica=1)
    with pytest.raises(InputError, match="the throughput of the 8 GPUs that are paid for, found 1"):
        usd_per_output_token(bill, output_tokens_per_s=1240, gpus=1)


def test_the_price_of_a_gpu_is_no_offer():
    per_gpu = P5.per_gpu
    assert isinstance(per_gpu, GpuPrice)
    with pytest.raises(AttributeError):
        bill_of(per_gpu, replicas=1, gpus_per_replica=1)  # pyright: ignore[reportArgumentType]


def test_idle_gpus_are_paid_for():
    # 3 replicas of 2 GPUs on an instance of 8: two GPUs idle, 8/6 of the price
    three = bill_of(P5, replicas=3, gpus_per_replica=2)
    four = bill_of(P5, replicas=4, gpus_per_replica=2)
    per = [
        usd_per_output_token(bill, output_tokens_per_s=1000 * n, gpus=2 * n)
        for bill, n in ((three, 3), (four, 4))
    ]
    assert per[0] / per[1] == pytest.approx(8 / 6)


def test_utilisation_divides():
    bill = bill_of(P5, replicas=8, gpus_per_replica=1)
    full = usd_per_output_token(bill, output_tokens_per_s=8000, gpus=8)
    tenth = usd_per_output_token(bill, output_tokens_per_s=8000, gpus=8, utilization_ratio=0.1)
    assert full * M == pytest.approx(55.04 / 3600 / 8000 * M)
    assert tenth == pytest.approx(10 * full)


@pytest.mark.parametrize(
    "changes", [{"output_tokens_per_s": 0.0}, {"utilization_ratio": 0.0}, {"utilization_ratio": 1.2}]
)
def test_impossible_quantities_are_refused(changes):
    bill = bill_of(P5, replicas=8, gpus_per_replica=1)
    with pytest.raises(InputError):
        usd_per_output_token(bill, **{"output_tokens_per_s": 1.0, "gpus": 8, **changes})


def test_a_range_is_over_offers_and_over_the_band():
    bills = [
        Bill(offer=each, instances=1, gpus_used=8) for each in (P5, offer("dearer", "h100-sxm", 8, 100.0))
    ]
    found = token_price(bills, output_tokens_per_s=1000.0, band=(800.0, 1250.0), gpus=8)
    # cheapest at the upper end: 55.04 / 3600 / 1250; dearest at the lower: 100 / 3600 / 800
    assert found.low_usd * M == pytest.approx(12.231, abs=0.001)
    assert found.point_usd * M == pytest.approx(15.289, abs=0.001)
    assert found.high_usd * M == pytest.approx(34.722, abs=0.001)
    with pytest.raises(InputError, match="bills"):
        token_price([], output_tokens_per_s=1.0, band=(1.0, 1.0), gpus=8)
