"""The shipped prices: their marks, what replaces what, and how they are asked for."""

import pytest
from msgspec.structs import replace

from servemark.catalogue.gpu_types import gpu_catalogue
from servemark.catalogue.offers import gpu_prices, newest, offers
from servemark.domain.offer import CONFIDENCES, PURCHASES, Offer
from servemark.errors import UnknownName

ROWS = 168


def test_every_row_of_the_snapshot_is_there_once():
    # rows sold by the GPU give several offers
    rows = [each for each in offers(history=True) if not each.note.endswith("the price of one GPU")]
    assert len(rows) + len(gpu_prices()) == ROWS


def test_every_offer_is_marked():
    for offer in offers(history=True):
        assert offer.gpu in gpu_catalogue(), offer
        assert offer.source, offer
        assert offer.purchase in PURCHASES, offer
        assert offer.confidence in CONFIDENCES, offer
        assert offer.dated or offer.confidence == "low", offer


def find(rows, **fields):
    return [each for each in rows if all(getattr(each, k) == v for k, v in fields.items())]


def test_known_prices():
    """As read on 2026-11-09; p4d is the 40 GB A100, p4de the 80 GB one."""
    (p5,) = find(offers(), instance="p5.48xlarge", purchase="on-demand")
    assert (p5.price_usd_per_hour, p5.gpus, p5.gpu, p5.region) == (55.04, 8, "h100-sxm", "us-east-1")
    assert p5.per_gpu.usd_per_gpu_hour == 6.88
    assert {o.gpu for o in find(offers(), provider="aws", instance="p4d.24xlarge")} == {"a100-sxm-40gb"}
    assert {o.gpu for o in find(offers(), provider="aws", instance="p4de.24xlarge")} == {"a100-sxm-80gb"}


def test_a_newer_price_replaces_an_older_one():
    # 98.32 before the cut of 2025-06, 55.04 on 2026-11-09
    assert len(find(offers(history=True), instance="p5.48xlarge", purchase="on-demand")) == 2
    secure = find(offers(), provider="runpod", instance="pod secure", gpu="h100-sxm")
    assert [(o.price_usd_per_hour, o.observed) for o in secure] == [(3.99, "2026-11-09")]


def test_what_cannot_be_rented_is_history():
    assert not find(offers(), provider="fly.io")
    assert find(offers(history=True), provider="fly.io")[0].withdrawn == "2026-07-31"
    assert all(offer.gpu_share_ratio == 1 for offer in offers())
    assert {o.gpu_share_ratio for o in find(offers(history=True), gpu="l4")} == {1.0, 0.125, 0.5}


def test_a_source_that_names_the_family_only_says_so():
    assert all(not each.variant_stated for each in gpu_prices(["h200-sxm"]))
    (paperspace,) = find(offers(), provider="paperspace")
    assert (paperspace.gpu, paperspace.variant_stated) == ("a100-pcie-80gb", False)


def test_filters():
    some = offers(providers=["AWS", "runpod"], gpus=["a100"], purchases=["on-demand"])
    assert {o.provider for o in some} == {"aws", "runpod"}
    assert {o.gpu for o in some} == {"a100-sxm-40gb", "a100-sxm-80gb", "a100-pcie-80gb"}
    assert {o.purchase for o in some} == {"on-demand"}
    assert {o.region for o in offers(regions=["us-east-1"])} == {"us-east-1"}
    assert offers(gpus=[]) == ()


def test_cheapest_first_per_gpu():
    rows = offers()
    keys = [(o.gpu, o.price_usd_per_hour / o.gpus) for o in rows]
    assert keys == sorted(keys)


@pytest.mark.parametrize(
    ("options", "nearest"),
    [
        ({"providers": ["amazon"]}, ""), ({"providers": ["lambada"]}, "lambda"), ({"gpus": ["l40x"]}, "l40s"),
        ({"regions": ["us-east-7"]}, "us-east"), ({"purchases": ["on demnd"]}, "on-demand"),
    ],
)  # fmt: skip
def test_unknown_names_are_refused(options, nearest):
    with pytest.raises(UnknownName) as error:
        offers(**options)
    assert error.value.path == next(iter(options))
    assert nearest in str(error.value)


def offer(**changes):
    usual = {"provider": "p", "instance": "i", "gpu": "l40s", "price_usd_per_hour": 1.0, "source": "s"}
    return Offer(**{**usual, "observed": "2026-01-01", **changes})


def test_what_replaces_what():
    old, new = offer(observed="2026-01-01"), offer(observed="2026-02-01", price_usd_per_hour=2.0)
    undated = offer(observed="undated >=2026-03", price_usd_per_hour=0.5)
    assert list(newest([old, undated, new])) == [new]
    assert list(newest([undated, replace(undated, price_usd_per_hour=0.6)])) == [
        undated, replace(undated, price_usd_per_hour=0.6),
    ]  # fmt: skip
    elsewhere = replace(old, region="eu-west-1")
    assert set(newest([elsewhere, new])) == {elsewhere, new}
    here = replace(new, region="eu-west-1")
    # a row without a region gives way to a newer one of any
    assert list(newest([old, here])) == [here]
